import type { Numbers } from './numbers.js';
import { HEADER_BYTES, type PackedShape, type RowCounts, viewOf } from './packed.js';
import type { Column, Row } from './schema.js';

/** One kind of table. Its parts know nothing of the frame's columns and of the counts before the rows. */
export interface FrameCoder extends PackedShape {
  readonly columns: readonly Column[];
  /**
   * Writes rows behind the header of `into`; of bytes beyond them it may leave anything. `found` is the
   * number of rows that open tensors had before they were cut or padded.
   */
  encode(tensors: readonly Numbers[], into: Uint8Array, found?: number): RowCounts;
  /** Returns the cells of the first `rows` rows. */
  cells(packed: Uint8Array, rows: number): readonly Row[];
}

/**
 * Returns the cells of rows that each hold a class (int32) and `numbers` numbers (float32): the row's place
 * from 1, the class, its label if there are labels, and the numbers.
 */
export function labelledCells(
  packed: Uint8Array,
  rows: number,
  numbers: number,
  labels: readonly string[] | undefined,
): readonly Row[] {
  const view = viewOf(packed);
  return Array.from({ length: rows }, (_, row) => {
    const at = HEADER_BYTES + row * 4 * (1 + numbers);
    const index = view.getInt32(at, true);
    const label = labels === undefined ? [] : [labels[index] ?? ''];
    const own = Array.from({ length: numbers }, (_, place) => view.getFloat32(at + 4 + 4 * place, true));
    return [row + 1, index, ...label, ...own];
  });
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
