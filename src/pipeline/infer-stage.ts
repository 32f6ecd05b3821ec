import type { Inference } from '../model/session/inference.js';
import { inferenceFailure } from '../model/session/session-errors.js';
import type { World } from '../mpi/world.js';
import type { StageMeter } from './meter.js';
import { type BufferPool, type Lease, NO_FRAMES } from './pool.js';
import { prefetch } from './prefetch.js';
import type { Shard } from './rounds.js';

export interface InferContext {
  readonly world: World;
  /** One for each stream, at least one. */
  readonly inferences: readonly [Inference, ...Inference[]];
  readonly batch: number;
  /**
   * Each holds at least a share of styled frames; on the root a whole round, whose first frames are the
   * root's own.
   */
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
 * Runs the composed graph on this rank's frames, the first of its buffer. The graph's batch is fixed: a short
 * shard runs a whole batch, whose tail is ignored. So every frame sees the same kernels at any number of
 * ranks. Each inference stream has one run under way; results come in the order of the rounds.
 *
 * @throws {JobError} provider, limit or model: when a run fails. The message says at which frames.
 */
export async function* infer(
  shards: AsyncIterable<Shard>,
  context: InferContext,
): AsyncGenerator<Shard, void, undefined> {
  for await (const { part, result, done } of prefetch(
    begin(shards, context),
    context.inferences.length - 1,
  )) {
    await done;
    part.shard.release();
    yield { ...part, shard: result };
  }
}

/** Runs a shard batch by batch: each is a move for those who watch, also in a long run. */
async function runAll(
  batches: AsyncIterator<number, void, undefined>,
  { first, last }: { readonly first: number; readonly last: number },
  meter: StageMeter,
): Promise<void> {
  let next = first;
  for (;;) {
    const { value, done } = await meter.time('infer', batches.next(), [next, last]);
    if (done === true) return;
    next += value;
  }
}

/** Starts each round's run on the streams in turn, and does not wait for it. */
async function* begin(
  shards: AsyncIterable<Shard>,
  context: InferContext,
): AsyncGenerator<Run, void, undefined> {
  const { world, inferences, batch, buffers, meter } = context;
  let runs = 0;
  let given = 0;
  for await (const part of shards) {
    const frames = part.counts[world.rank] ?? 0;
    // On the root the buffer also receives the other ranks' results.
    const result = frames > 0 || world.isRoot ? await buffers.acquire() : NO_FRAMES;
    let done: Promise<void> = Promise.resolve();
    if (frames > 0) {
      const inference = inferences[runs % inferences.length] ?? inferences[0];
      runs += 1;
      const run = { first: given + 1, last: given + frames, batch };
      given += frames;
      const batches = inference.run(part.shard.data, result.data, frames);
      done = runAll(batches, run, meter).then(
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
