import type { World } from '../mpi/world.js';
import type { StageMeter } from './meter.js';
import { type BufferPool, NO_FRAMES } from './pool.js';
import type { DecodedRound, Shard } from './rounds.js';

export interface ScatterContext {
  readonly world: World;
  readonly frameBytes: number;
  /** Each holds this rank's part of a round; not used on the root, whose part stays in the round. */
  readonly buffers: BufferPool;
  readonly meter: StageMeter;
}

/**
 * Hands each rank its part of every round. The root tells how many frames each gets first; none at all is the end, so
 * that ranks need to know nothing of the video.
 */
export async function* scatter(
  rounds: AsyncIterable<DecodedRound>,
  context: ScatterContext,
): AsyncGenerator<Shard, void, undefined> {
  const { world, frameBytes, buffers, meter } = context;
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
    await meter.time('scatter', world.scatter(send, counts, frameBytes, receive));
    yield { pts: round?.pts ?? [], counts, shard };
  }
}
