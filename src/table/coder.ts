import type { PackedShape, RowCounts } from './packed.js';
import type { Column, Row } from './schema.js';

/** One kind of table. Its parts know nothing of the frame's columns and of the counts before the rows. */
export interface FrameCoder extends PackedShape {
  readonly columns: readonly Column[];
  /** Writes rows behind the header of `into`; of bytes beyond them it may leave anything. */
  encode(tensors: readonly Float32Array[], into: Uint8Array): RowCounts;
  /** Returns the cells of the first `rows` rows. */
  cells(packed: Uint8Array, rows: number): readonly Row[];
}

/** Returns whether `value` is a whole number from 1. */
export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

/** The refusal of a threshold that is no number, if it is none. */
export function badThreshold(threshold: number | undefined): string | undefined {
  return threshold !== undefined && !Number.isFinite(threshold)
    ? `the threshold is ${threshold}, not a number`
    : undefined;
}
