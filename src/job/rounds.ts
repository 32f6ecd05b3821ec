import type { Lease } from './pool.js';

/** A round on its way to the ranks. `pts` is known on the root only and empty elsewhere. */
export interface DecodedRound {
  readonly pts: readonly number[];
  /** Frames of each rank. */
  readonly counts: readonly number[];
  /** All frames of the round in wire format, one after another. */
  readonly data: Lease;
}

/** One rank's part of a round: `counts[rank]` frames in `shard`, the rest of the batch undefined. */
export interface Shard {
  readonly pts: readonly number[];
  readonly counts: readonly number[];
  readonly shard: Lease;
}

/** A round that came back to the root; `data` is undefined on other ranks. */
export interface StyledRound {
  readonly pts: readonly number[];
  readonly data: Lease | undefined;
}
