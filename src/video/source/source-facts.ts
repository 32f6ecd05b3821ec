/** What a source video is, as its headers say. */
import type { Rational } from '../formats/rational.js';

export type StreamType = 'video' | 'audio' | 'subtitle' | 'data' | 'attachment';

/** One stream of the source, the video that is processed among them. */
export interface StreamFacts {
  /** ffmpeg's absolute stream index. */
  readonly index: number;
  readonly type: StreamType;
  /** ffmpeg's codec name; `none` where it knows none. */
  readonly codec: string;
  /** The container's codec tag as ffprobe writes it, e.g. `avc1`. */
  readonly codecTag: string;
  readonly profile: string | undefined;
  readonly language: string | undefined;
  readonly title: string | undefined;
  /** Cover art: a still picture that players show instead of, or before, the video. */
  readonly attachedPicture: boolean;
  /** The names of the dispositions that are set, as `ffmpeg -disposition` takes them. */
  readonly disposition: readonly string[];
  readonly sampleRate: number | undefined;
  readonly channels: number | undefined;
  /** Pixels of a video's frames; undefined for other streams, and where the file does not tell. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Seconds; undefined where it is not known. */
  readonly startTime: number | undefined;
  /** Metadata, by ffmpeg's key. */
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * The way a video is interlaced: not at all; as each frame says of itself; or, where frames say nothing, all of them as
 * the container says, with the top or the bottom field first.
 */
export type Interlacing = false | 'flagged' | 'tff' | 'bff';

/** Dolby Vision, as its configuration record declares it. */
export interface DolbyVision {
  readonly profile: number;
  /** Whether the base layer is ordinary video (HDR10, HLG, SDR) that players without Dolby Vision show right. */
  readonly compatible: boolean;
}

/** The video stream that is processed. */
export interface VideoFacts {
  readonly index: number;
  readonly codec: string;
  /** Coded pixels, before any rotation. */
  readonly width: number;
  readonly height: number;
  readonly pixelFormat: string;
  /** Bits of the deepest component. */
  readonly bitDepth: number;
  readonly alpha: boolean;
  /** Red, green and blue (or a palette of them), not luma and chroma. */
  readonly rgb: boolean;
  /** One component only: no colour. */
  readonly grey: boolean;
  /** log2 of how many luma samples share a chroma sample, across and down: 4:2:0 is 1 and 1. */
  readonly chromaShift: { readonly x: number; readonly y: number };
  readonly interlaced: Interlacing;
  /** Seconds a tick: every PTS of this stream is a whole number of these. */
  readonly timeBase: Rational;
  /** Ticks. */
  readonly startPts: number | undefined;
  /** Ticks from the first frame's start to the last one's end, where the container declares it. */
  readonly durationTicks: number | undefined;
  /** Seconds. */
  readonly duration: number | undefined;
  /** Frames a second as the container tells, or as the first packets do. */
  readonly averageRate: Rational | undefined;
  /** How many frames there are: declared by the container, or duration times rate. For progress only. */
  readonly frames: number | undefined;
  readonly framesDeclared: boolean;
  /** Undefined where unspecified. */
  readonly sampleAspectRatio: Rational | undefined;
  /** Colour as the file tags it, in ffmpeg's names; undefined where unspecified. The matrix may be `reserved`. */
  readonly matrixTag: string | undefined;
  readonly primariesTag: string | undefined;
  readonly transferTag: string | undefined;
  readonly rangeTag: string | undefined;
  readonly chromaLocationTag: string | undefined;
  /** The nine integers of the display matrix (a b u, c d v, x y w; u, v, w in 2.30, the rest in 16.16 fixed point). */
  readonly displayMatrix: readonly number[] | undefined;
  /** Degrees clockwise by which the frame is turned for display, 0 to 359, rounded; 0 without a matrix. */
  readonly rotation: number;
  /** Perceptual quantiser or hybrid log-gamma transfer. */
  readonly hdr: boolean;
  /** Marked to be shown on a sphere (360 degrees). */
  readonly spherical: boolean;
  readonly dolbyVision: DolbyVision | undefined;
  /** The arrangement of two views within a frame, in Matroska's names (`left_right`); undefined for ordinary video. */
  readonly stereoMode: string | undefined;
  /** Whether closed captions lie within one of its first frames. */
  readonly captions: boolean;
}

/** A source video. */
export interface SourceFacts {
  readonly path: string;
  /** ffmpeg's demuxer name, e.g. `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly format: string;
  /** Seconds. */
  readonly startTime: number | undefined;
  readonly duration: number | undefined;
  /** Size of the file. */
  readonly bytes: number;
  readonly video: VideoFacts;
  /** Every stream in the file's order, the processed video included. */
  readonly streams: readonly StreamFacts[];
  /** ffmpeg's input options with which every run has to open this file, so that it finds the same streams. */
  readonly openOptions: readonly string[];
  /** What the user should know of how the video was found, one line each. */
  readonly notes: readonly string[];
  /** How many chapters there are. */
  readonly chapters: number;
  /** The file's own metadata, by ffmpeg's key. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Whether times of the source begin anywhere and may jump: a transport or program stream's clock is its sender's. */
export function hasBroadcastClock(source: SourceFacts): boolean {
  return source.format === 'mpegts' || source.format === 'mpeg';
}
