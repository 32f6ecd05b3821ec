/** What an entry of the table of codecs says. */
import type { ContainerName } from '../formats/container.js';
import type { Chroma, Depth, FrameLayout } from '../formats/frame-format.js';
import type { EncodeSpec } from './codec.js';
import type { EncoderSettings } from './encoder-settings.js';

export interface CodecFacts {
  /** The name as people write it. */
  readonly title: string;
  /** Other names that people use. */
  readonly aliases: readonly string[];
  /** True if every frame is coded on its own. */
  readonly intraOnly: boolean;
  /** ffmpeg's encoders, the preferred one first. */
  readonly encoders: readonly string[];
  /** The containers that hold it. */
  readonly containers: readonly ContainerName[];
  /** The constant rate factor, from 0 to `most`, lower is better; or the reason why the codec has none. */
  readonly crf: { readonly byDefault: number; readonly most: number } | string;
  /** Speeds or profiles; or the reason why the codec has none. */
  readonly preset: { readonly byDefault: string; readonly allowed: readonly string[] } | string;
  /** The options of its encoder that users may set. */
  readonly settings: EncoderSettings;
  /** The smallest frames that it takes, of even width and height only; undefined if it takes all. */
  readonly evenFrom?: { readonly width: number; readonly height: number };
  /** ffmpeg's options for a frame that stands in for the video, if the codec's name alone is not enough. */
  readonly plain?: readonly string[];
  /** Returns the pixel format in which such frames are encoded: their own if codec and size allow it. */
  pixelFormat(frame: FrameLayout, preset: string): string;
  /** Returns the bits per sample of frames that it is given, in ascending order. */
  depths(preset: string): readonly Depth[];
  /** The most of them where nobody asks for more: what its players show. */
  readonly autoDepth: Depth;
  /** Returns the kinds of chroma of frames that it is given, the coarsest first. */
  chromas(preset: string): readonly Chroma[];
  /** The finest of them where nobody asks for more: what its players show. */
  readonly autoChroma: Chroma;
  /**
   * Returns whether static HDR metadata are carried: in the bitstream, or by the container where packets go
   * there as Matroska (`needsMatroska`).
   */
  carriesHdr(spec: EncodeSpec): Promise<boolean> | boolean;
  /**
   * Returns ffmpeg's options for codec, quality and speed. `tagParams` join x264's and x265's own settings.
   */
  options(spec: EncodeSpec, tagParams: readonly string[]): Promise<readonly string[]> | readonly string[];
  /** Colour tags that codec and containers can hold. */
  readonly colour: {
    /** ffmpeg's bitstream filter that writes tags, if there is one. */
    readonly metadataFilter?: string;
    /** ITU-T H.273 matrices that it has numbers for; undefined if it has all. */
    readonly matrices?: readonly string[];
    readonly fullRange: boolean;
    /** The only matrix that decoders read its frames in, if there is only one: other frames are converted. */
    readonly onlyMatrix?: 'bt709';
    /** Returns the locations of 4:2:0 chroma that a bitstream or this container can express. */
    chromaLocations(container: { readonly isoMedia: boolean }): readonly string[];
    /**
     * `three or none` if ISO media holds matrix, primaries and transfer together or not at all, and no range
     * besides.
     */
    readonly isoTags: 'all' | 'three or none';
    /**
     * The colours of single pictures, which carry no tags of video: R'G'B' of full range, or JFIF's Y'CbCr
     * (BT.601 of full range). Frames are converted.
     */
    readonly stills?: 'rgb' | 'jfif';
  };
  /** NVENC's encoder, if it has one. */
  readonly nvenc?: string;
  /**
   * Core-seconds per million pixels at the defaults, measured on an AMD EPYC (Zen 3) with footage of traffic.
   */
  readonly cost: number;
  /**
   * Frames that the encoder looks ahead, more per thread, and bytes per byte of such a frame. All measured.
   */
  readonly lookahead: { readonly frames: number; readonly perThread: number; readonly factor: number };
}
