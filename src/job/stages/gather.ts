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
}

/** Brings the ranks' parts of every round back to the root, in order. */
export async function* gather(
  parts: AsyncIterable<Shard>,
  context: GatherContext,
): AsyncGenerator<StyledRound, void, undefined> {
  const { world, styledBytes, rounds, meter } = context;
  for await (const part of parts) {
    const data = await rounds?.acquire();
    await meter.time('gather', world.gather(part.shard.data, part.counts, styledBytes, data?.data ?? null));
    part.shard.release();
    yield { frames: part.frames, pts: part.pts, data };
  }
}
