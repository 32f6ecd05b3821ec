import type { Lease } from './pool.js';

/** A round on its way to the ranks. `pts` is known on the root only and empty elsewhere. */
export interface DecodedRound {
  readonly frames: number;
  readonly pts: readonly number[];
  /** All frames of the round in wire format, one after another. */
  readonly data: Lease;
}

/** One rank's part of a round: `counts[rank]` frames in `shard`, the rest of the batch undefined. */
export interface Shard {
  readonly frames: number;
  readonly pts: readonly number[];
  readonly counts: readonly number[];
  readonly shard: Lease;
}

/** A round that came back to the root; `data` is undefined on other ranks. */
export interface StyledRound {
  readonly frames: number;
  readonly pts: readonly number[];
  readonly data: Lease | undefined;
}

/**
 * Splits `frames` over `ranks` as evenly as can be, in order: the first `frames % ranks` ranks get one more. Ranks beyond
 * the number of frames get none. The sum is always `frames`.
 */
export function splitEvenly(frames: number, ranks: number): readonly number[] {
  const share = Math.floor(frames / ranks);
  const remainder = frames % ranks;
  return Array.from({ length: ranks }, (_, rank) => share + (rank < remainder ? 1 : 0));
}
