/**
 * The names of the output codecs, and the options of an encoder. All facts of each codec are in `codecs.ts`.
 */
import type { ColourTags } from '../formats/colour-names.js';
import type { ColourMatrix, FrameLayout } from '../formats/frame-format.js';
import type { HdrMetadata } from '../formats/hdr-metadata.js';
import type { Rational } from '../formats/rational.js';
import type { ChosenSettings } from './encoder-settings.js';

export const CODECS = ['h264', 'hevc', 'vp9', 'av1', 'prores', 'dnxhr', 'ffv1'] as const;

/** Codecs of single pictures, which only sequences hold. Their names choose them. */
export const IMAGE_CODECS = ['png', 'tiff', 'jpeg'] as const;

/** The codecs of videos. */
export type VideoCodec = (typeof CODECS)[number];

export type Codec = VideoCodec | (typeof IMAGE_CODECS)[number];

/** How an encoder divides its work. Its output depends on it, so all segments of an output are made alike. */
export interface EncoderWork {
  readonly threads: number;
  /**
   * Pictures that x265 codes at the same time. With more than one, now and then a picture gets other bits.
   * Other encoders ignore it.
   */
  readonly picturesAtOnce: number;
}

/** The specification of a segment's encoding, and the layout of the frames to encode. */
export interface EncodeSpec extends FrameLayout, EncoderWork {
  readonly codec: Codec;
  /** Constant quality on the codec's own scale; ignored by codecs without one. */
  readonly crf: number;
  /** Bits per second to aim at in place of constant quality; undefined: the quality counts. */
  readonly bitrate?: number;
  /** Options of the encoder that the user has set (`CODEC_FACTS` lists them); undefined: none. */
  readonly settings?: ChosenSettings;
  /** One of the codec's presets (`CODEC_FACTS`); ignored by ffv1. */
  readonly preset: string;
  /** The pixel format to encode, e.g. yuv420p: `CODEC_FACTS` has one that the codec takes at this size. */
  readonly pixelFormat: string;
  /** Nominal frame rate (`nominalRate`), for rate control and levels. */
  readonly rate: Rational;
  /** Frames from one keyframe to the next, at most. */
  readonly keyframeInterval: number;
  /** The matrix of the frames, whether or not `tags` name it. */
  readonly matrix: ColourMatrix;
  readonly tags: ColourTags;
  readonly sampleAspectRatio: Rational | undefined;
  /** Static HDR metadata to write, which the codec must carry (`CODEC_FACTS`). */
  readonly hdr?: HdrMetadata;
  /** The CUDA device whose NVENC encodes, if it can (`unfitForNvenc`); undefined means software. */
  readonly gpu?: number;
  /** Further output options for ffmpeg, one entry per argument. */
  readonly extra?: readonly string[];
}
