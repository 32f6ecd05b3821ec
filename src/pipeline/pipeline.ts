import { haloOf, type Window } from '../model/ports/window.js';
import { type InferenceShape, inferenceOf } from '../model/session/inference.js';
import { eachOf, type InferenceStreams } from '../model/session/inference-streams.js';
import { allocateBuffer } from '../model/session/session-errors.js';
import type { World } from '../mpi/world.js';
import type { Activity } from '../watchdog/activity.js';
import { decode, type FrameSource, noSource } from './decode-stage.js';
import { decodeRuns, type FrameRun } from './decode-windows-stage.js';
import { encode, type FrameSink } from './encode-stage.js';
import { gather } from './gather-stage.js';
import { infer } from './infer-stage.js';
import { type RankWork, StageMeter } from './meter.js';
import { BufferPool } from './pool.js';
import { prefetch } from './prefetch.js';
import { scatter } from './scatter-stage.js';
import { type ScheduleName, scheduleOf } from './schedule.js';
import { speedReporter } from './speed-report.js';

/*
 * The pipeline
 * ------------
 *
 *   stage    on         takes          yields         buffers
 *   decode   rank 0     video frames   DecodedRound   leases a frame buffer per round
 *   scatter  all ranks  DecodedRound   Shard          ranks other than 0 lease a frame buffer
 *   infer    all ranks  Shard          Shard          leases a result buffer, releases the frame buffer
 *   gather   all ranks  Shard          StyledRound    ranks other than 0 release the result buffer
 *   encode   rank 0     StyledRound    (the sink)     releases the result buffer
 *
 * What flows: a round is up to `share` frames for each rank, in presentation order; the schedule says how
 * many each rank gets. A shard is one rank's part of a round. Rank 0 infers its own shard in place, inside
 * the round's buffer. Each stage is an async generator that pulls from the stage before it. On other ranks
 * decode and encode are empty; the counts that scatter broadcasts say when the video is over.
 *
 * Ownership: a buffer is a `Lease` of a `BufferPool`. It belongs to the stage that holds the round or shard,
 * and passes on with the `yield`. Nobody touches it while MPI or a session uses it. The stage named above
 * releases it; after that no stage keeps a view of it.
 *
 * Bounds: `prefetch` keeps AHEAD rounds between two stages. A pool has one buffer for each of those, one for
 * each of the two neighbours (AT_WORK), and one for each further inference stream. A stage that runs ahead
 * waits for a buffer, so memory does not grow with the length of the video.
 *
 * Errors: MPI and inference throw, and the error reaches the caller of `runPipeline` through the later
 * stages. The other ranks then wait in a collective: the caller must end the world (`abort`). The decoder and
 * the sink must not throw inside the pipeline. Rank 0's `ends` keep their error and return true from
 * `stopping`, so that all ranks reach the end together.
 *
 * Stops: once `stopping` returns true no frame starts, and the frames in flight are finished.
 *
 * Promises: the sink gets every frame that was read, once, in order, with its PTS. A frame's bits depend
 * neither on the number of ranks nor on the schedule nor on the stream that inferred it: every run has the
 * same batch size.
 */

/**
 * Rounds that a stage may run ahead of the next one. Equally fast ranks stay in step. With `dynamic`, ranks
 * that sit out a slow rank's round are this many rounds ahead when it is done.
 */
const AHEAD: Readonly<Record<ScheduleName, number>> = { even: 1, dynamic: 3 };
/** Rounds at a boundary between stages that its two neighbours work on, beside those ahead. */
const AT_WORK = 2;

/** The facts that every rank knows before the first frame. */
export interface PipelineShape extends InferenceShape {
  /** Frames of one rank in a full round: a multiple of the batch, and of the frames of a run. */
  readonly share: number;
  readonly schedule: ScheduleName;
}

/** In place of the window of a model that looks at no neighbours. */
const NO_NEIGHBOURS: Window = { before: 0, after: 0, edge: 'replicate' };

/** Returns whether frames come in runs: with neighbours, in chunks, or from one reset to the next. */
export function takesRuns({ window, every }: PipelineShape): boolean {
  return window !== undefined || every !== undefined;
}

/** The root's ends of the pipeline. */
export interface Ends {
  readonly decoder: FrameSource;
  readonly sink: FrameSink;
  /**
   * Runs of frames for a model that takes those, in place of `decoder`: pieces, or frames with neighbours.
   */
  readonly runs?: AsyncIterable<FrameRun> | Iterable<FrameRun>;
  /** Returns true once no new frame may start. */
  readonly stopping: () => boolean;
}

/**
 * Runs every frame through the model: `encode(gather(infer(scatter(decode(video)))))`, each stage ahead of
 * the next. All ranks call this together; only the root has `ends`. `meter` books the work of this rank,
 * which is returned.
 */
export async function runPipeline(
  world: World,
  streams: InferenceStreams,
  shape: PipelineShape,
  ends: Ends | undefined,
  activity: Activity,
  meter = new StageMeter(activity),
): Promise<RankWork> {
  const { share, window = NO_NEIGHBOURS, frameBytes, styledBytes } = shape;
  const halo = haloOf(window);
  const ahead = AHEAD[shape.schedule];
  const schedule = scheduleOf(shape.schedule, world.size, share, shape.every);
  // The root holds whole rounds and infers its own frames, the first of each, in place: they are never
  // copied.
  const shares = world.isRoot ? world.size : 1;
  // Inference works on one round per stream.
  const rounds = ahead + AT_WORK + streams.length - 1;
  const pool = (bytes: number): BufferPool =>
    new BufferPool(rounds, () => allocateBuffer(shares * bytes, streams[0]));
  const buffers = pool((share + halo) * frameBytes);

  const context = ends && { ...ends, schedule, frameBytes, meter, buffers };
  const decoded =
    context === undefined
      ? noSource()
      : takesRuns(shape) && context.runs !== undefined
        ? decodeRuns(context.runs, { ...context, window, chunk: shape.chunk?.frames ?? 1 })
        : decode(context);
  const shards = scatter(prefetch(decoded, ahead), { world, frameBytes, halo, meter, buffers });
  const styled = infer(prefetch(shards, ahead), {
    batch: shape.batch,
    world,
    inferences: eachOf(streams, (stream) => inferenceOf(stream, shape)),
    meter,
    buffers: pool(share * styledBytes),
  });
  const gathered = gather(prefetch(styled, ahead), {
    world,
    styledBytes,
    meter,
    reportSpeed: shape.schedule === 'dynamic' ? speedReporter(world, meter, schedule) : async () => {},
  });
  await encode(prefetch(gathered, ahead), { sink: ends?.sink, styledBytes, meter });
  return meter.read();
}
