/** The parts of a row of the composed graph's result, as views into it. */
export interface ResultRow {
  /** The frame of each picture, of which the first is the main one; none if the model gives no picture. */
  readonly frames: readonly Uint8Array[];
  /** The packed rows of the table; empty if there is none. */
  readonly table: Uint8Array;
  /** False if the model gave NaN or infinity. */
  readonly finite: boolean;
}

/** Bytes of the parts of a row. */
export interface RowLayout {
  /** Of the frame of each picture. */
  readonly frameBytes: readonly number[];
  readonly tableBytes: number;
}

/** The value of the last byte of a row for which the model gave finite numbers only. */
const FINITE = 1;

/** Returns the size of a row: its parts, and the check byte. */
export function rowBytesOf({ frameBytes, tableBytes }: RowLayout): number {
  return frameBytes.reduce((sum, bytes) => sum + bytes, tableBytes + 1);
}

/** Splits a row. */
export function readRow(row: Uint8Array, { frameBytes, tableBytes }: RowLayout): ResultRow {
  let at = 0;
  const next = (bytes: number): Uint8Array => {
    at += bytes;
    return row.subarray(at - bytes, at);
  };
  return { frames: frameBytes.map(next), table: next(tableBytes), finite: row[at] === FINITE };
}
