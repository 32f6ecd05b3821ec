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
  /**
   * A row is a whole number of samples: where these have two bytes, one before the table may be unused.
   * Absent: one byte.
   */
  readonly bytesPerSample?: number;
}

/** The value of the last byte of a row for which the model gave finite numbers only. */
const FINITE = 1;

/** Returns the size of a row: its parts, and the check byte. */
export function rowBytesOf({ frameBytes, tableBytes, bytesPerSample = 1 }: RowLayout): number {
  const frames = frameBytes.reduce((sum, bytes) => sum + bytes, 0);
  return frames + bytesPerSample * Math.ceil((tableBytes + 1) / bytesPerSample);
}

/** Splits a row. */
export function readRow(row: Uint8Array, layout: RowLayout): ResultRow {
  const { frameBytes, tableBytes } = layout;
  const end = rowBytesOf(layout) - 1;
  let at = 0;
  const frames = frameBytes.map((bytes) => {
    at += bytes;
    return row.subarray(at - bytes, at);
  });
  return { frames, table: row.subarray(end - tableBytes, end), finite: row[end] === FINITE };
}
