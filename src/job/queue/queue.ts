import type { World } from '../../mpi/world.js';
import { JobError } from '../../system/errors.js';
import { onRoot, RootFailed } from '../collective.js';
import type { RunContext } from '../context/context.js';
import type { QueueOptions } from '../context/options.js';
import { runJob } from '../job.js';
import type { JobEnding, QueueTurn } from './root-queue.js';

/**
 * Runs a job for each video, one after another, on every rank. After a video fails the queue continues; a
 * signal, a dead rank or failing inference ends it, and the same command resumes it. While a video's frames
 * run, the root prepares the next video.
 */
export async function runQueue(context: RunContext, options: QueueOptions): Promise<void> {
  const { world } = context;
  await using queue = await onRoot(world, async () =>
    (await import('./root-queue.js')).openQueue(context, options),
  );
  for (;;) {
    const turn = await onRoot(world, async () => queue?.next());
    const hasTurn = await world.broadcastValue(turn !== undefined);
    if (!hasTurn) break;
    const ending = await attempt(context, turn);
    await onRoot(world, async () => ending && queue?.settle(ending));
    if (world.missing.size > 0) throw withoutRanks(world);
  }
  await onRoot(world, async () => queue?.conclude());
}

/** Runs a job. Returns its ending on the root; throws what not all ranks know of. */
async function attempt(context: RunContext, turn: QueueTurn | undefined): Promise<JobEnding | undefined> {
  try {
    const facts = await runJob(context, turn?.job, turn?.underWay);
    if (facts !== undefined) return { facts };
    return context.world.isRoot ? 'published' : undefined;
  } catch (error) {
    if (!(error instanceof RootFailed)) throw error;
    return context.world.isRoot ? { error: error.cause } : undefined;
  }
}

/** Returns the error that ends a queue whose next video would wait for ranks that no longer answer. */
function withoutRanks({ missing }: World): JobError {
  const ranks = `rank${missing.size === 1 ? '' : 's'} ${[...missing].join(', ')}`;
  return new JobError('stopped', `no answer from ${ranks}`, {
    hint: 'the same command resumes with the remaining videos',
  });
}
