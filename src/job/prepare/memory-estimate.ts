import type { ScheduleName } from '../../pipeline/schedule.js';
import type { Codec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';

/** The facts that decide a job's memory. */
export interface MemoryFacts {
  /** `frames`: the root decodes and encodes for all ranks; `segments`: every rank for itself. */
  readonly split: 'frames' | 'segments';
  readonly schedule: ScheduleName;
  readonly batch: number;
  /** Frames of the video, if known, and of a segment. */
  readonly frames: number | undefined;
  readonly segmentFrames: number;
  /** Bytes of a frame in wire format, before and after the model. */
  readonly frameBytes: number;
  readonly styledBytes: number;
  /** Bytes of a frame that the decoder holds, if it is larger than on the wire. */
  readonly decodedBytes?: number;
  /** Bytes of the composed graph. */
  readonly graphBytes: number;
  /** Undefined: nothing is encoded. */
  readonly codec: Codec | undefined;
  /** Encoders at a time: one for each picture of a frame. */
  readonly encoders: number;
  readonly preset: string;
  readonly encoderThreads: number;
  readonly ranks: readonly RankFacts[];
}

export interface RankFacts {
  /** True if it will probably get frames, and if it makes a dry run before. */
  readonly busy: boolean;
  readonly dryRun: boolean;
  /** Bytes of host memory that a run of the graph takes, with its states; these alone if a GPU runs it. */
  readonly working: number;
}

/** Peak memory in bytes: of a rank's own process, and of the decoder and encoder that it starts. */
export interface RankNeed {
  readonly own: number;
  readonly codecs: number;
}

const MIB = 2 ** 20;
/** Memory of Node.js, MPI and ONNX Runtime, as measured; the root has more code, and probes. */
const BASE = 120 * MIB;
const ROOT_MORE = 15 * MIB;
/**
 * Copies of the graph: as received, parsed, as weights, and packed for convolutions; on the root also as a
 * model.
 */
const GRAPHS = 4;
const ROOT_GRAPHS = 3;
/** Rounds ahead and in work between two stages: see pipeline.ts. */
const ROUNDS: Readonly<Record<ScheduleName, number>> = { even: 3, dynamic: 5 };
/** Memory of an ffmpeg without frames. */
const FFMPEG = 55 * MIB;
/** Frames that a decoder holds, plus two for each thread. */
const DECODED = 10;

/** Lookahead of x264's presets relative to `medium`; those of x265 are assumed to be alike. */
const PRESETS: Readonly<Record<string, number>> = {
  ...{ ultrafast: 0.1, superfast: 0.1, veryfast: 0.3, faster: 0.55, fast: 0.75, medium: 1 },
  ...{ slow: 1.25, slower: 1.5, veryslow: 1.5, placebo: 1.5 },
};

/**
 * Returns the peak memory of each rank, in rank order. Coarse: within a third for ranks, and coarser for
 * encoders.
 */
export function estimateMemory(facts: MemoryFacts): readonly RankNeed[] {
  return facts.ranks.map((rank, at) => {
    const isRoot = at === 0;
    const transcodes = facts.split === 'segments' ? rank.busy : isRoot;
    return {
      own:
        BASE +
        GRAPHS * facts.graphBytes +
        (isRoot ? ROOT_MORE + ROOT_GRAPHS * facts.graphBytes : 0) +
        (rank.busy || rank.dryRun ? rank.working : 0) +
        (rank.dryRun ? facts.batch * (facts.frameBytes + facts.styledBytes) : 0) +
        (rank.busy || isRoot ? buffers(facts, isRoot) : 0),
      codecs: transcodes ? decoder(facts) + encoder(facts) : 0,
    };
  });
}

/** Returns the bytes of the pipeline's buffers: only as many as the frames fill. */
function buffers({ split, schedule, batch, ranks, ...facts }: MemoryFacts, isRoot: boolean): number {
  const solo = split === 'segments';
  const sharing = solo ? 1 : ranks.length;
  const frames = facts.frames ?? Number.POSITIVE_INFINITY;
  const rounds = Math.min(ROUNDS[solo ? 'even' : schedule], Math.ceil(frames / (sharing * batch)));
  const held = isRoot ? sharing * batch : batch;
  return Math.min(rounds * held, frames) * (facts.frameBytes + facts.styledBytes);
}

function decoder({ frames, frameBytes, decodedBytes = frameBytes, encoderThreads }: MemoryFacts): number {
  return FFMPEG + Math.min(frames ?? Number.POSITIVE_INFINITY, DECODED + 2 * encoderThreads) * decodedBytes;
}

function encoder(facts: MemoryFacts): number {
  const { codec, encoders, preset, encoderThreads, segmentFrames, styledBytes } = facts;
  if (codec === undefined) return 0;
  const { frames, perThread, factor } = CODEC_FACTS[codec].lookahead;
  const ahead = frames * (PRESETS[preset] ?? 1) + perThread * encoderThreads;
  const held = Math.min(ahead, segmentFrames, facts.frames ?? Number.POSITIVE_INFINITY);
  return encoders * FFMPEG + held * factor * styledBytes;
}
