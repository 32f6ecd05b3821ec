import type { World } from '../../mpi/world.js';
import { JobError } from '../../system/errors.js';
import { onRoot, RootFailed } from '../collective.js';
import type { RunContext } from '../context/context.js';
import type { QueueOptions } from '../context/options.js';
import { runJob } from '../job.js';
import type { JobEnding, QueueTurn } from './root-queue.js';

/**
 * Runs a job for each video, one after another, on every rank. A video that fails does not keep the others from being
 * done; a signal, a dead rank or failing inference ends the queue, and the same command goes on with it. While a video's
 * frames run the root prepares the next one.
 */
export async function runQueue(context: RunContext, options: QueueOptions): Promise<void> {
  const { world } = context;
  const queue = await onRoot(world, async () =>
    (await import('./root-queue.js')).openQueue(context, options),
  );
  try {
    for (;;) {
      const turn = await onRoot(world, async () => queue?.next());
      const goesOn = await world.broadcastValue(turn !== undefined);
      if (!goesOn) break;
      const ending = await attempt(context, turn);
      await onRoot(world, async () => ending && queue?.settle(ending));
      if (world.missing.size > 0) throw withoutRanks(world);
    }
    await onRoot(world, async () => queue?.conclude());
  } finally {
    await queue?.close();
  }
}

/** Runs a job; nothing on ranks other than the root. Only what all ranks know of is an ending. */
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

/** The next video would wait for ranks that do not answer. */
function withoutRanks({ missing }: World): JobError {
  return new JobError('stopped', `not all ranks answer any more (${[...missing].join(', ')})`, {
    hint: 'the same command goes on with the videos that are left',
  });
}
