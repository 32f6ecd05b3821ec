import type { World } from '../../mpi/world.js';
import type { NativeSession } from '../../native.js';
import type { StageMeter } from '../meter.js';
import type { BufferPool } from '../pool.js';
import type { Shard } from '../rounds.js';

export interface InferContext {
  readonly world: World;
  readonly session: NativeSession;
  readonly styled: BufferPool;
  readonly meter: StageMeter;
}

/**
 * Runs the composed graph over this rank's frames. The graph's batch is fixed, so a short share runs a whole batch whose
 * tail is never looked at: every frame sees the same kernels at any number of ranks.
 */
export async function* infer(
  shards: AsyncIterable<Shard>,
  context: InferContext,
): AsyncGenerator<Shard, void, undefined> {
  const { world, session, styled, meter } = context;
  for await (const part of shards) {
    const result = await styled.acquire();
    const frames = part.counts[world.rank] ?? 0;
    if (frames > 0) {
      await meter.time('infer', session.run(part.shard.data, result.data));
      meter.addRun(frames);
    }
    part.shard.release();
    yield { ...part, shard: result };
  }
}
