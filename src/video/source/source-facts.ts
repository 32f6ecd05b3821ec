/** The facts of a source video, from its headers. */
import type { HdrMetadata } from '../formats/hdr-metadata.js';
import type { Rational } from '../formats/rational.js';

export type StreamType = 'video' | 'audio' | 'subtitle' | 'data' | 'attachment';

/** One stream of the source; the processed video is one of them. */
export interface StreamFacts {
  /** ffmpeg's absolute stream index. */
  readonly index: number;
  readonly type: StreamType;
  /** ffmpeg's codec name; `none` if it has none. */
  readonly codec: string;
  /** The container's codec tag as ffprobe writes it, e.g. `avc1`. */
  readonly codecTag: string;
  readonly profile: string | undefined;
  readonly language: string | undefined;
  readonly title: string | undefined;
  /** Cover art: an image that players show instead of the video, or before it. */
  readonly attachedPicture: boolean;
  /** The names of the dispositions that are set, as `ffmpeg -disposition` takes them. */
  readonly disposition: readonly string[];
  readonly sampleRate: number | undefined;
  readonly channels: number | undefined;
  /** Pixels of a video's frames; undefined for other streams, or if unknown. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Seconds; undefined if unknown. */
  readonly startTime: number | undefined;
  /** Metadata, by ffmpeg's key. */
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * The way in which a video is interlaced: not at all; as each frame is flagged; or, without flags, all frames
 * as the container says, with the top or the bottom field first.
 */
export type Interlacing = false | 'flagged' | 'tff' | 'bff';

/** Dolby Vision, as its configuration record declares it. */
export interface DolbyVision {
  readonly profile: number;
  /**
   * True if the base layer is ordinary video (HDR10, HLG, SDR) that players without Dolby Vision show
   * correctly.
   */
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
  /** Seconds per tick: every PTS of this stream is a whole number of these. */
  readonly timeBase: Rational;
  /** Ticks. */
  readonly startPts: number | undefined;
  /** Ticks from the first frame's start to the last one's end, if the container declares it. */
  readonly durationTicks: number | undefined;
  /** Seconds. */
  readonly duration: number | undefined;
  /** Frames per second, from the container or measured on the first packets. */
  readonly averageRate: Rational | undefined;
  /**
   * The number of frames, declared by the container or estimated as duration times rate. For progress only.
   */
  readonly frames: number | undefined;
  readonly framesDeclared: boolean;
  /** Undefined if unspecified. */
  readonly sampleAspectRatio: Rational | undefined;
  /**
   * Colour as the file tags it, in ffmpeg's names; undefined if unspecified. The matrix may be `reserved`.
   */
  readonly matrixTag: string | undefined;
  readonly primariesTag: string | undefined;
  readonly transferTag: string | undefined;
  readonly rangeTag: string | undefined;
  readonly chromaLocationTag: string | undefined;
  /**
   * The nine integers of the display matrix (a b u, c d v, x y w; u, v, w in 2.30, the rest in 16.16 fixed
   * point).
   */
  readonly displayMatrix: readonly number[] | undefined;
  /** Degrees clockwise by which the frame is rotated for display, 0 to 359, rounded; 0 without a matrix. */
  readonly rotation: number;
  /** Perceptual quantiser or hybrid log-gamma transfer. */
  readonly hdr: boolean;
  /** Static HDR metadata: HDR10's. */
  readonly hdr10?: HdrMetadata | undefined;
  /** Names of the dynamic HDR metadata that its first frames hold, beside Dolby Vision. */
  readonly dynamicHdr?: readonly string[] | undefined;
  /** Marked to be shown on a sphere (360 degrees). */
  readonly spherical: boolean;
  readonly dolbyVision: DolbyVision | undefined;
  /**
   * The arrangement of two views within a frame, in Matroska's names (`left_right`); undefined for ordinary
   * video.
   */
  readonly stereoMode: string | undefined;
  /** True if closed captions lie within one of its first frames. */
  readonly captions: boolean;
}

/** The part of a video that a job takes: PTS in ticks of its stream, absolute as in the file. */
export interface FrameRange {
  /** Frames before it are left out. */
  readonly from: number | undefined;
  /** Frames at it or later are left out. */
  readonly to: number | undefined;
  /** The most frames. */
  readonly frames: number | undefined;
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
  /** ffmpeg's input options that every run needs to find the same streams in this file. */
  readonly openOptions: readonly string[];
  /** Notes on how the video was found, one line each. */
  readonly notes: readonly string[];
  /** The number of chapters. */
  readonly chapters: number;
  /** The part that the job takes; undefined: all of it. */
  readonly range?: FrameRange | undefined;
  /** The file's own metadata, by ffmpeg's key. */
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * Returns whether times of the source may begin anywhere and jump: a transport or program stream has its
 * sender's clock.
 */
export function hasBroadcastClock(source: SourceFacts): boolean {
  return source.format === 'mpegts' || source.format === 'mpeg';
}
