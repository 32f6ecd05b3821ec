/** Predicts the speed of a job on some nodes from the speeds of its stages on one. Pure. */
import type { ScheduleName } from '../../pipeline/schedule.js';

/** A stage that has its node for itself. */
export interface StageCost {
  /** Frames per second. */
  readonly framesPerSecond: number;
  /** Seconds of a processor core per frame. */
  readonly coreSeconds: number;
}

/** The speeds of a node. All nodes are assumed to be alike. */
export interface NodeSpeeds {
  readonly cores: number;
  /** One decoder and one encoder; the encoder is undefined if nothing is encoded. */
  readonly decode: StageCost;
  readonly encode: StageCost | undefined;
  /** Inference of all ranks of the node together. */
  readonly infer: StageCost;
}

/** What there is to do, and how. */
export interface PlannedWork {
  readonly frames: number;
  readonly schedule: ScheduleName;
  /** Frames that a rank gets in a round, and those of them that stay together. */
  readonly share: number;
  readonly run: number;
  /** Bytes that go to another rank and come back for a frame, if it is sent, its part of a halo included. */
  readonly bytesThere: number;
  readonly bytesBack: number;
  /** Bytes of the source, and expected bytes of the video that is made. */
  readonly sourceBytes: number;
  readonly madeBytes: number;
  /** Pieces that the video can be cut into; undefined: it cannot be cut. */
  readonly pieces: number | undefined;
  /** Bytes per second between nodes, each way. */
  readonly network: number;
  /** Seconds until the sessions are open. */
  readonly startSeconds: number;
}

/** The ranks of a job. */
export interface Ranks {
  readonly nodes: number;
  readonly perNode: number;
  readonly split: 'frames' | 'segments';
}

/** `cores`: no stage alone, but the processor cores that they share. */
export const PLAN_LIMITS = ['decode', 'infer', 'encode', 'cores', 'transport'] as const;
export type PlanLimit = (typeof PLAN_LIMITS)[number];

export interface Prediction {
  /** Of the pipeline, as the job's summary tells it. */
  readonly framesPerSecond: number;
  /** The whole job, with start and end. */
  readonly seconds: number;
  readonly limit: PlanLimit;
  /** Frames per second that each limit alone would allow: infinity, in JSON null, for none. */
  readonly limits: Readonly<Record<PlanLimit, number>>;
  /** Bytes that cross the network between nodes, both ways together. */
  readonly networkBytes: number;
}

/** Bytes per second between ranks of one node, each way: a thousand 1080p frames (docs/performance.md). */
const MEMORY_BYTES = 3.1e9;
/**
 * Seconds of a job from its last frame to its end, without what grows with the video; and per frame that
 * rank 0 plans, joins and verifies (docs/performance.md, "Many ranks").
 */
const END_SECONDS = 0.5;
const AROUND_FRAME = { frames: 0.0002, segments: 0.00028 } as const;
/** The launch of the program and of MPI (docs/performance.md, "Start-up"). */
const LAUNCH_SECONDS = 0.3;

/**
 * Predicts a job.
 *
 * The pipeline runs at the speed of its slowest stage. Split into frames, rank 0 decodes and encodes for all
 * ranks, on the cores that its node's ranks infer with. Split into segments, every rank does all three. What
 * does not overlap is the first round, which passes one stage after the other.
 */
export function predict(node: NodeSpeeds, work: PlannedWork, ranks: Ranks): Prediction {
  const count = ranks.nodes * ranks.perNode;
  const limits = ranks.split === 'frames' ? inFrames(node, work, ranks) : inSegments(node, work, ranks);
  const limit = PLAN_LIMITS.reduce((a, b) => (limits[b] < limits[a] ? b : a));
  const round = Math.min(work.frames, ranks.split === 'frames' ? count * work.share : count);
  const alone = [limits.decode, limits.infer, limits.encode].map((speed) => round / speed);
  const filling = alone.reduce((sum, seconds) => sum + seconds, 0) - Math.max(...alone);
  const pipelineSeconds = work.frames / limits[limit] + filling;
  const around = LAUNCH_SECONDS + work.startSeconds + END_SECONDS + AROUND_FRAME[ranks.split] * work.frames;
  return {
    framesPerSecond: work.frames / pipelineSeconds,
    seconds: pipelineSeconds + around,
    limit,
    limits,
    networkBytes: networkBytes(work, ranks),
  };
}

function inFrames(node: NodeSpeeds, work: PlannedWork, { nodes, perNode }: Ranks): Prediction['limits'] {
  const { decode, infer, encode } = node;
  const count = nodes * perNode;
  return {
    decode: decode.framesPerSecond,
    infer: nodes * infer.framesPerSecond * (work.frames / (count * framesOfBusiest(work, count))),
    encode: encode?.framesPerSecond ?? Number.POSITIVE_INFINITY,
    cores: coresOfRoot(node, work.schedule, nodes),
    transport: transport(work, nodes, perNode),
  };
}

function inSegments(node: NodeSpeeds, { pieces = 1 }: PlannedWork, { nodes, perNode }: Ranks) {
  const { decode, infer, encode, cores } = node;
  const count = nodes * perNode;
  // Ranks without a last piece wait for those that have one.
  const even = pieces / (count * Math.ceil(pieces / count));
  const each = (stage: StageCost): number =>
    even * nodes * Math.min(perNode * stage.framesPerSecond, cores / stage.coreSeconds);
  const used = decode.coreSeconds + infer.coreSeconds + (encode?.coreSeconds ?? 0);
  return {
    decode: each(decode),
    infer: even * nodes * infer.framesPerSecond,
    encode: encode === undefined ? Number.POSITIVE_INFINITY : each(encode),
    cores: (even * nodes * cores) / used,
    transport: Number.POSITIVE_INFINITY,
  };
}

/** Returns the frames of the rank that gets most of them, at equal speeds. */
function framesOfBusiest({ frames, share, run }: PlannedWork, ranks: number): number {
  const rounds = Math.floor(frames / (ranks * share));
  const rest = frames - rounds * ranks * share;
  return rounds * share + Math.min(rest, run * Math.ceil(Math.ceil(rest / run) / ranks));
}

/**
 * Returns the frames per second at which the cores of rank 0's node are full: it decodes and encodes all
 * frames, and infers its part of them. With `dynamic` that part shrinks to what the cores have left, and the
 * other nodes infer more.
 */
function coresOfRoot(node: NodeSpeeds, schedule: ScheduleName, nodes: number): number {
  const { decode, infer, encode } = node;
  const { cores } = node;
  const codecs = decode.coreSeconds + (encode?.coreSeconds ?? 0);
  const even = cores / (codecs + infer.coreSeconds / nodes);
  if (schedule === 'even' || infer.coreSeconds === 0) return even;
  const others = (nodes - 1) * infer.framesPerSecond;
  const shared = (cores / infer.coreSeconds + others) / (1 + codecs / infer.coreSeconds);
  return Math.max(even, Math.min(shared, cores / codecs));
}

/** Returns the frames per second that the network, and the memory of rank 0's node, can carry. */
function transport({ bytesThere, bytesBack, network }: PlannedWork, nodes: number, perNode: number): number {
  const most = Math.max(bytesThere, bytesBack);
  const [remote, local] = [(nodes - 1) / nodes, (perNode - 1) / (nodes * perNode)];
  return 1 / Math.max((most * remote) / network, (most * local) / MEMORY_BYTES);
}

function networkBytes(work: PlannedWork, { nodes, split }: Ranks): number {
  const { frames, bytesThere, bytesBack, sourceBytes, madeBytes } = work;
  const all = split === 'frames' ? frames * (bytesThere + bytesBack) : sourceBytes + madeBytes;
  return Math.round((all * (nodes - 1)) / nodes);
}

/** The most node seconds of the recommended row, relative to the least. */
const WORTHWHILE = 1.25;

/**
 * Returns the row to recommend: the fastest of those that take at most a quarter more node hours, and so
 * money, than the one that takes the fewest.
 */
export function bestOf<T extends { readonly nodes: number; readonly seconds: number }>(
  rows: readonly T[],
): T | undefined {
  const hours = (row: T): number => row.nodes * row.seconds;
  const least = Math.min(...rows.map(hours));
  const worthwhile = rows.filter((row) => hours(row) <= WORTHWHILE * least);
  return worthwhile.reduce<T | undefined>(
    (a, b) => (a === undefined || b.seconds < a.seconds ? b : a),
    undefined,
  );
}
