import type { ModelSize } from '../../model/load/catalogue.js';
import type { ModelOverrides } from '../../model/load/derive-manifest.js';
import type { PrecisionChoice } from '../../model/session/precision.js';
import type { ScheduleName } from '../../pipeline/schedule.js';
import type { LogFormat, Verbosity } from '../../report/log.js';
import type { ProviderName } from '../../system/native.js';
import type { Codec } from '../../video/codecs/codec.js';

/** What goes to the ranks: the root's decoded frames, or pieces of the compressed video. */
export const SPLITS = ['frames', 'segments', 'auto'] as const;
export type SplitName = (typeof SPLITS)[number];

/** What NVIDIA's video engines do: what they can, nothing, or what is named (`cuda`: both), or else the job fails. */
export const HWACCELS = ['none', 'auto', 'nvdec', 'nvenc', 'cuda'] as const;
export type HwaccelName = (typeof HWACCELS)[number];

/**
 * Seconds without a move that end a job, unless told otherwise. TensorRT may build an engine for a quarter of an hour, in which
 * nothing else moves.
 */
export const STALL_TIMEOUT = 1800;

/** What a user can say that holds for every video of a run. Parsed alike on every rank; only the root's files matter. */
export interface RunOptions {
  /** A style's name, a blend (`wave:0.6,udnie:0.4`), or the path of an ONNX file. */
  readonly model: string;
  /** Of a style that comes in several sizes; undefined is the default size. */
  readonly size: ModelSize | undefined;
  /** From the source (0) to the model's picture (1) and past it (1.5); undefined is 1. */
  readonly strength: number | undefined;
  readonly modelOverrides: ModelOverrides;
  readonly provider: 'auto' | ProviderName;
  /** What is computed in. auto: on GPUs what the model says, on CPUs fp32; int8: on CPUs int8 where all ranks can. */
  readonly precision: PrecisionChoice;
  /** Frames a rank infers at once. */
  readonly batch: 'auto' | number;
  readonly schedule: ScheduleName;
  /** Intra-op threads a rank on the CPU. */
  readonly threads: 'auto' | number;
  readonly codec: Codec;
  /** Constant rate factor; undefined is the codec's default. */
  readonly crf: number | undefined;
  readonly preset: string | undefined;
  /** Container, where the output's name does not tell it. */
  readonly format: string | undefined;
  readonly segmentSeconds: number;
  readonly split: SplitName;
  /** Seconds in which nothing moves that end the job; 0: it waits for ever. */
  readonly stallTimeout: number;
  readonly hwaccel: HwaccelName;
  /** Where the journal and the segments go; of many videos, a folder in it for each. */
  readonly workDir: string | undefined;
  readonly restart: boolean;
  readonly overwrite: boolean;
  readonly tolerant: boolean;
  /** NaN or infinity from the model ends the job. */
  readonly strict: boolean;
  /** Index of the video stream to process, as `probe` prints it; undefined where the file's main one is meant. */
  readonly video: number | undefined;
  readonly report: string | undefined;
  readonly logFormat: LogFormat;
  readonly verbosity: Verbosity;
}

/** A video and all that can be said of its job. */
export interface JobOptions extends RunOptions {
  readonly input: string;
  readonly output: string;
}

/** Many videos, and what holds for all of them. */
export interface QueueOptions extends RunOptions {
  /** Videos, and folders of videos. */
  readonly inputs: readonly string[];
  /** A text file that names more videos. */
  readonly list: string | undefined;
  readonly outDir: string;
}
