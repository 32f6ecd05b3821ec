import type { Lease } from './pool.js';

/** A decoded round. `pts` is known on the root only, and empty elsewhere. */
export interface DecodedRound {
  readonly pts: readonly number[];
  /** Frames of each rank. */
  readonly counts: readonly number[];
  /** All frames of the round in wire format, one after another; for a window each rank's with their halo. */
  readonly data: Lease;
}

/**
 * One rank's part of a round: `counts[rank]` frames, and their halo, at the start of `shard`; the rest of
 * the buffer is undefined. On the root `shard` has room for the whole round: its own frames stay where they
 * were decoded, and its results lie where the round is gathered.
 */
export interface Shard {
  readonly pts: readonly number[];
  readonly counts: readonly number[];
  readonly shard: Lease;
}

/** A round gathered on the root; `data` is undefined on other ranks. */
export interface StyledRound {
  readonly pts: readonly number[];
  readonly data: Lease | undefined;
}
