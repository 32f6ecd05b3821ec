import type { World } from '../mpi/world.js';
import type { StageMeter } from './meter.js';
import type { Shard, StyledRound } from './rounds.js';

export interface GatherContext {
  readonly world: World;
  readonly styledBytes: number;
  readonly meter: StageMeter;
  /** Called on all ranks together after the first round and every `REPORT_EVERY` rounds. */
  readonly reportSpeed: () => Promise<void>;
}

/**
 * Rounds between two speed reports: few enough to follow a rank whose speed changes; a report is 8 bytes per
 * rank.
 */
const REPORT_EVERY = 4;

/**
 * Gathers the ranks' shards of every round on the root, in order, into the buffer that holds the root's own
 * shard.
 */
export async function* gather(
  parts: AsyncIterable<Shard>,
  context: GatherContext,
): AsyncGenerator<StyledRound, void, undefined> {
  const { world, styledBytes, meter, reportSpeed } = context;
  let number = 0;
  for await (const { pts, counts, shard } of parts) {
    const [send, receive] = world.isRoot ? [null, shard.data] : [shard.data, null];
    await meter.time('gather', world.gather(send, counts, styledBytes, receive));
    if (!world.isRoot) shard.release();
    number += 1;
    if (number === 1 || number % REPORT_EVERY === 0) await reportSpeed();
    yield { pts, data: world.isRoot ? shard : undefined };
  }
}
