import type { Lease } from './pool.js';

/** A round on its way to the ranks. `pts` is known on the root only and empty elsewhere. */
export interface DecodedRound {
  readonly pts: readonly number[];
  /** Frames of each rank. */
  readonly counts: readonly number[];
  /** All frames of the round in wire format, one after another. */
  readonly data: Lease;
}

/**
 * One rank's part of a round: `counts[rank]` frames, the first of `shard`, the rest undefined. On the root `shard` has room
 * for the whole round: its part lies where it was decoded, and what it infers where the round is gathered.
 */
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
