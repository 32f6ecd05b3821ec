import type { World } from '../../mpi/world.js';
import type { NativeSession } from '../../native.js';
import type { StageMeter } from '../meter.js';
import type { BufferPool } from '../pool.js';
import type { Shard } from '../rounds.js';

export interface InferContext {
  readonly world: World;
  readonly session: NativeSession;
  readonly batch: number;
  readonly frameBytes: number;
  readonly styledBytes: number;
  /** Each holds at least a batch of styled frames; on the root a whole round, of which its own are the first. */
  readonly buffers: BufferPool;
  readonly meter: StageMeter;
}

/**
 * Runs the composed graph over this rank's frames, the first of its buffer. The graph's batch is fixed, so a short share
 * runs a whole batch whose tail is never looked at: every frame sees the same kernels at any number of ranks.
 */
export async function* infer(
  shards: AsyncIterable<Shard>,
  context: InferContext,
): AsyncGenerator<Shard, void, undefined> {
  const { world, session, batch, frameBytes, styledBytes, buffers, meter } = context;
  for await (const part of shards) {
    const result = await buffers.acquire();
    const frames = part.counts[world.rank] ?? 0;
    if (frames > 0) {
      const input = part.shard.data.subarray(0, batch * frameBytes);
      const output = result.data.subarray(0, batch * styledBytes);
      await meter.time('infer', session.run(input, output));
      meter.addRun(frames);
    }
    part.shard.release();
    yield { ...part, shard: result };
  }
}
