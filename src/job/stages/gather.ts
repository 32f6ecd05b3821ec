import type { World } from '../../mpi/world.js';
import type { StageMeter } from '../meter.js';
import type { BufferPool } from '../pool.js';
import type { Shard, StyledRound } from '../rounds.js';

export interface GatherContext {
  readonly world: World;
  readonly styledBytes: number;
  /** Buffers of a whole round, on the root only. */
  readonly rounds: BufferPool | undefined;
  readonly meter: StageMeter;
  /** Called on all ranks together after every `TELL_EVERY` rounds. */
  readonly tellPace: () => Promise<void>;
}

/** Often enough to follow a rank whose speed changes; a message of some bytes costs nothing beside so many rounds. */
const TELL_EVERY = 4;

/** Brings the ranks' parts of every round back to the root, in order. */
export async function* gather(
  parts: AsyncIterable<Shard>,
  context: GatherContext,
): AsyncGenerator<StyledRound, void, undefined> {
  const { world, styledBytes, rounds, meter, tellPace } = context;
  let number = 0;
  for await (const part of parts) {
    const data = await rounds?.acquire();
    await meter.time('gather', world.gather(part.shard.data, part.counts, styledBytes, data?.data ?? null));
    part.shard.release();
    number += 1;
    if (number % TELL_EVERY === 0) await tellPace();
    yield { pts: part.pts, data };
  }
}
