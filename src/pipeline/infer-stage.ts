import type { Lanes } from '../model/session/lanes.js';
import { inferenceFailure } from '../model/session/session-errors.js';
import type { World } from '../mpi/world.js';
import type { StageMeter } from './meter.js';
import { type BufferPool, type Lease, NO_FRAMES } from './pool.js';
import { prefetch } from './prefetch.js';
import type { Shard } from './rounds.js';

export interface InferContext {
  readonly world: World;
  readonly lanes: Lanes;
  readonly batch: number;
  readonly frameBytes: number;
  readonly styledBytes: number;
  /** Each holds at least a batch of styled frames; on the root a whole round, of which its own are the first. */
  readonly buffers: BufferPool;
  readonly meter: StageMeter;
}

/** A run that may still be under way. */
interface Run {
  readonly part: Shard;
  readonly result: Lease;
  readonly done: Promise<void>;
}

/**
 * Runs the composed graph over this rank's frames, the first of its buffer. The graph's batch is fixed, so a short share
 * runs a whole batch whose tail is never looked at: every frame sees the same kernels at any number of ranks. Each lane has
 * a run under way, and results come in the order of the rounds. Errors: JobError `provider` or `model`, which says at which
 * frames.
 */
export async function* infer(
  shards: AsyncIterable<Shard>,
  context: InferContext,
): AsyncGenerator<Shard, void, undefined> {
  for await (const { part, result, done } of prefetch(begin(shards, context), context.lanes.length - 1)) {
    await done;
    part.shard.release();
    yield { ...part, shard: result };
  }
}

/** Hands each round to the next lane in turn, and does not wait for it. */
async function* begin(
  shards: AsyncIterable<Shard>,
  context: InferContext,
): AsyncGenerator<Run, void, undefined> {
  const { world, lanes, batch, frameBytes, styledBytes, buffers, meter } = context;
  let runs = 0;
  let given = 0;
  for await (const part of shards) {
    const frames = part.counts[world.rank] ?? 0;
    // On the root it also takes what the other ranks have made.
    const result = frames > 0 || world.isRoot ? await buffers.acquire() : NO_FRAMES;
    let done: Promise<void> = Promise.resolve();
    if (frames > 0) {
      const lane = lanes[runs % lanes.length] ?? lanes[0];
      runs += 1;
      const input = part.shard.data.subarray(0, batch * frameBytes);
      const output = result.data.subarray(0, batch * styledBytes);
      const run = { first: given + 1, last: given + frames, batch };
      given += frames;
      done = meter.time('infer', lane.run(input, output), [run.first, run.last]).then(
        () => meter.addRun(frames),
        (error: unknown) => {
          throw inferenceFailure(error, run);
        },
      );
      done.catch(() => {}); // reported where it is awaited; must not count as unhandled until then
    }
    yield { part, result, done };
  }
}
