/** The parts of a row of the composed graph's result, as views into it. */
export interface ResultRow {
  /** The frame; empty if the model gives no picture. */
  readonly frame: Uint8Array;
  /** The packed rows of the table; empty if there is none. */
  readonly table: Uint8Array;
  /** False if the model gave NaN or infinity. */
  readonly finite: boolean;
}

/** Bytes of the parts of a row. */
export interface RowLayout {
  readonly frameBytes: number;
  readonly tableBytes: number;
}

/** The value of the last byte of a row for which the model gave finite numbers only. */
const FINITE = 1;

/** Returns the size of a row: its parts, and the check byte. */
export function rowBytesOf({ frameBytes, tableBytes }: RowLayout): number {
  return frameBytes + tableBytes + 1;
}

/** Splits a row. */
export function readRow(row: Uint8Array, { frameBytes, tableBytes }: RowLayout): ResultRow {
  const end = frameBytes + tableBytes;
  return {
    frame: row.subarray(0, frameBytes),
    table: row.subarray(frameBytes, end),
    finite: row[end] === FINITE,
  };
}
