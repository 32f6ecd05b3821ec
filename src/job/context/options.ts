import type { ModelSize } from '../../model/load/catalogue.js';
import type { ModelOverrides } from '../../model/load/derive-manifest.js';
import type { ConstantSource } from '../../model/ports/constant-source.js';
import type { PrecisionChoice } from '../../model/session/precision.js';
import type { ScheduleName } from '../../pipeline/schedule.js';
import type { LogFormat, ProgressChoice, Verbosity } from '../../report/log.js';
import type { ProviderName } from '../../system/native.js';
import type { ChromaRequest } from '../../video/codecs/chroma.js';
import type { Codec } from '../../video/codecs/codec.js';
import type { DepthRequest } from '../../video/codecs/depth.js';
import type { ChosenSettings } from '../../video/codecs/encoder-settings.js';
import type { Rational } from '../../video/formats/rational.js';
import type { SizeRequest } from '../../video/frames/frame-scaling.js';
import type { PartRequest } from '../../video/source/frame-range.js';
import type { StreamChoices } from '../../video/streams/stream-choices.js';

/** The split of a video: frames that rank 0 decodes, or segments of the compressed video. */
export const SPLITS = ['frames', 'segments', 'auto'] as const;
export type SplitName = (typeof SPLITS)[number];

/**
 * The use of NVIDIA's video engines. `auto`: if they work; an engine, or `cuda` for both: required; `none`:
 * never.
 */
export const HWACCELS = ['none', 'auto', 'nvdec', 'nvenc', 'cuda'] as const;
export type HwaccelName = (typeof HWACCELS)[number];

/**
 * Default seconds without progress that end a job. TensorRT may build an engine for a quarter of an hour,
 * during which nothing else moves.
 */
export const STALL_TIMEOUT = 1800;

/** The most pixels of a tile's side. `auto`: tiles where frames do not fit into memory; `off`: never. */
export type TileChoice = 'auto' | 'off' | number;

/** The value of --model, where nobody gives one. */
export const DEFAULT_MODEL = 'wave';

/** Frames per second of a sequence where nobody gives them: FFmpeg's own default. */
export const FRAME_RATE: Rational = { num: 25, den: 1 };

/** The options of every video of a run. Parsed alike on every rank; only the root reads the files. */
export interface RunOptions extends StreamChoices {
  /** A style's name, a blend (`wave:0.6,udnie:0.4`), or the path of an ONNX file. */
  readonly model: string;
  /** Size of a style that has several; undefined is the default size. */
  readonly size: ModelSize | undefined;
  /** Mix of source (0) and model output (1); up to 1.5 exaggerates. Undefined is 1. */
  readonly strength: number | undefined;
  /** A factor on how strongly plain places are painted, where the model has a canvas. Undefined is 1. */
  readonly canvas: number | undefined;
  /** How much is held of the frame before, against flicker: 0 (nothing) to 1. */
  readonly steady: number;
  readonly modelOverrides: ModelOverrides;
  /** Values of further inputs of the model, by their names. */
  readonly modelInputs: ReadonlyMap<string, ConstantSource>;
  /** The distance of two frames that makes a scene cut; undefined: the model's. */
  readonly cutThreshold: number | undefined;
  readonly provider: 'auto' | ProviderName;
  /**
   * Arithmetic. `auto`: on GPUs what the model says, on CPUs fp32. `int8`: on CPUs int8, if all ranks can.
   */
  readonly precision: PrecisionChoice;
  /** Frames per run of a rank. */
  readonly batch: 'auto' | number;
  /** Whether frames go through the model in tiles. */
  readonly tile: TileChoice;
  readonly schedule: ScheduleName;
  /** Intra-op threads per rank on the CPU. */
  readonly threads: 'auto' | number;
  readonly codec: Codec;
  /** Constant rate factor; undefined is the codec's default. */
  readonly crf: number | undefined;
  /** Bits per second to aim at in place of it; undefined: the quality counts. */
  readonly bitrate: number | undefined;
  /** Options of the encoder, by name. */
  readonly encoderOptions: ChosenSettings;
  readonly preset: string | undefined;
  /** Bits per sample through the model and in the output. */
  readonly depth: DepthRequest;
  readonly chroma: ChromaRequest;
  /** Container, or format of a table; undefined: from the output's name. */
  readonly format: string | undefined;
  readonly segmentSeconds: number;
  readonly split: SplitName;
  /** Seconds without progress that end the job; 0: never. */
  readonly stallTimeout: number;
  readonly hwaccel: HwaccelName;
  /** Hours after which the job stops, to be resumed; undefined: never. */
  readonly maxHours: number | undefined;
  /** The price of a node for an hour, in any currency; undefined: nobody said. */
  readonly price: number | undefined;
  /** The cost of a run at which it stops, to be resumed; undefined: it never does. Needs the price. */
  readonly maxCost: number | undefined;
  /** A file with the plan that the job is compared with. */
  readonly plan: string | undefined;
  /** Folder of the journal and the segments; for many videos, it contains a folder for each. */
  readonly workDir: string | undefined;
  readonly restart: boolean;
  readonly overwrite: boolean;
  /** True if missing folders of outputs, tables, reports and traces are made. */
  readonly mkdir: boolean;
  readonly tolerant: boolean;
  /** True if NaN or infinity from the model ends the job. */
  readonly strict: boolean;
  /** The size of the frames that the model gets; undefined: the source's. */
  readonly frameSize: SizeRequest | undefined;
  /** Index of the video stream to process, as `probe` prints it; undefined: the file's main stream. */
  readonly video: number | undefined;
  /** The part of the video to process; undefined: all of it. */
  readonly part: PartRequest | undefined;
  readonly report: string | undefined;
  /** A file for the times of all stages, for trace viewers. */
  readonly trace: string | undefined;
  /** A file or blob for the table of the model, beside the video. */
  readonly table: string | undefined;
  /** The same of further tables and pictures, by the names of their outputs. */
  readonly outputs: ReadonlyMap<string, string>;
  /** Takes every so many frames of the video. 1 unless a table is the output. */
  readonly every: number;
  /** Takes so many frames of the video per second instead, in lowest terms. */
  readonly fps: Rational | undefined;
  /** Frames per second of a sequence of pictures as INPUT; undefined: `FRAME_RATE`. */
  readonly frameRate: Rational | undefined;
  /** Number of the first picture of a sequence; undefined: the first in INPUT's folder, and 1 for OUTPUT. */
  readonly startNumber: number | undefined;
  /** The most pictures that may fail without failing the job; undefined: none. For jobs of pictures. */
  readonly maxFailures: number | undefined;
  readonly logFormat: LogFormat;
  readonly progress: ProgressChoice;
  readonly verbosity: Verbosity;
}

/** A video and the options of its job. */
export interface JobOptions extends RunOptions {
  readonly input: string;
  readonly output: string;
}

/** Many videos and their common options. */
export interface QueueOptions extends RunOptions {
  /** Videos, and folders of videos. */
  readonly inputs: readonly string[];
  /** Path of a text file with more videos. */
  readonly list: string | undefined;
  readonly outDir: string;
}

/** Pictures and the options of their job. */
export interface PicturesOptions extends RunOptions {
  /** Pictures, folders of pictures, and patterns. */
  readonly inputs: readonly string[];
  /** Path of a text file with more pictures. */
  readonly list: string | undefined;
  readonly target: PicturesTarget;
}

/** Where the result of pictures goes: a file for each in a folder, one file for one picture, or a table. */
export interface PicturesTarget {
  readonly kind: 'folder' | 'picture' | 'table';
  /** A path or an address. */
  readonly name: string;
}
