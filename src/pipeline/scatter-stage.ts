import type { World } from '../mpi/world.js';
import type { StageMeter } from './meter.js';
import { type BufferPool, NO_FRAMES } from './pool.js';
import type { DecodedRound, Shard } from './rounds.js';

export interface ScatterContext {
  readonly world: World;
  readonly frameBytes: number;
  /** Frames more than its own that each rank with frames gets. */
  readonly halo: number;
  /** Each holds this rank's shard of a round. Not used on the root, whose shard stays in the round. */
  readonly buffers: BufferPool;
  readonly meter: StageMeter;
}

/**
 * Scatters every round to the ranks. The root first broadcasts how many frames each rank gets; a round
 * without frames is the end, so ranks need to know nothing of the video.
 */
export async function* scatter(
  rounds: AsyncIterable<DecodedRound>,
  context: ScatterContext,
): AsyncGenerator<Shard, void, undefined> {
  const { world, frameBytes, halo, buffers, meter } = context;
  const header = new Uint32Array(world.size);
  const source = rounds[Symbol.asyncIterator]();
  for (;;) {
    const next = world.isRoot ? await source.next() : undefined;
    const round = next?.done === false ? next.value : undefined;
    header.fill(0);
    if (round !== undefined) header.set(round.counts);
    await world.broadcastInto(new Uint8Array(header.buffer));
    const counts = [...header];
    if (counts.every((count) => count === 0)) return;
    const shard = round?.data ?? ((counts[world.rank] ?? 0) > 0 ? await buffers.acquire() : NO_FRAMES);
    const [send, receive] = world.isRoot ? [shard.data, null] : [null, shard.data];
    await meter.time(
      'scatter',
      world.scatter(
        send,
        counts.map((count) => (count === 0 ? 0 : count + halo)),
        frameBytes,
        receive,
      ),
    );
    yield { pts: round?.pts ?? [], counts, shard };
  }
}
