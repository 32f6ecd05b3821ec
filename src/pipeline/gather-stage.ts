import type { World } from '../mpi/world.js';
import type { StageMeter } from './meter.js';
import type { Shard, StyledRound } from './rounds.js';

export interface GatherContext {
  readonly world: World;
  readonly styledBytes: number;
  readonly meter: StageMeter;
  /** Called on all ranks together after the first round and every `TELL_EVERY` rounds. */
  readonly tellPace: () => Promise<void>;
}

/** Often enough to follow a rank whose speed changes; a message of some bytes costs nothing beside so many rounds. */
const TELL_EVERY = 4;

/** Brings the ranks' parts of every round back to the root, in order, into the buffer that holds the root's own part. */
export async function* gather(
  parts: AsyncIterable<Shard>,
  context: GatherContext,
): AsyncGenerator<StyledRound, void, undefined> {
  const { world, styledBytes, meter, tellPace } = context;
  let number = 0;
  for await (const { pts, counts, shard } of parts) {
    const [send, receive] = world.isRoot ? [null, shard.data] : [shard.data, null];
    await meter.time('gather', world.gather(send, counts, styledBytes, receive));
    if (!world.isRoot) shard.release();
    number += 1;
    if (number === 1 || number % TELL_EVERY === 0) await tellPace();
    yield { pts, data: world.isRoot ? shard : undefined };
  }
}
