/**
 * The rows of a frame in a fixed number of bytes: the count of rows (uint32), the count of rows that were
 * dropped (uint32), then `mostRows` rows of `rowBytes`, unused ones zero. Little endian, as all machines with
 * this program are.
 */
import { JobError } from '../system/errors.js';
import type { Numbers } from './numbers.js';

export const HEADER_BYTES = 8;

export interface PackedShape {
  readonly mostRows: number;
  readonly rowBytes: number;
}

/** The counts at the beginning of a frame's packed rows. */
export interface RowCounts {
  readonly rows: number;
  /** Rows beyond the most that the frame may have. */
  readonly dropped: number;
}

export function packedBytes({ mostRows, rowBytes }: PackedShape): number {
  return HEADER_BYTES + mostRows * rowBytes;
}

/** Writes the counts, and zeros over the rows that are not used. */
export function finishPacked(into: Uint8Array, shape: PackedShape, counts: RowCounts): void {
  const view = viewOf(into);
  view.setUint32(0, counts.rows, true);
  view.setUint32(4, counts.dropped, true);
  into.fill(0, HEADER_BYTES + counts.rows * shape.rowBytes);
}

/**
 * Returns the counts of a frame's packed rows.
 *
 * @throws {JobError} journal: when the bytes cannot be such rows.
 */
export function packedCounts(packed: Uint8Array, shape: PackedShape): RowCounts {
  if (packed.byteLength === packedBytes(shape)) {
    const view = viewOf(packed);
    const rows = view.getUint32(0, true);
    if (rows <= shape.mostRows) return { rows, dropped: view.getUint32(4, true) };
  }
  throw new JobError('journal', `${packed.byteLength} bytes are not the rows of a frame`);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Returns the bytes of `numbers`, not a copy. */
export function bytesOf(numbers: Numbers): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
