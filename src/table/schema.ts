/** The types of a table's columns and cells. */

export type ColumnType = 'int32' | 'int64' | 'float32' | 'float64' | 'string' | 'float32-list';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** A cell: bigint in a column of int64, `Float32Array` in one of lists, a string or a number. */
export type Cell = number | bigint | string | Float32Array;

/** The cells of a row, in the order of the columns. */
export type Row = readonly Cell[];

/** A frame of the source: its number from 0, its PTS in ticks of the source's time base, and in seconds. */
export interface FrameTime {
  readonly frame: number;
  readonly pts: number;
  readonly seconds: number;
}

/** The first columns of every table. Frames count from 0, as in reports of non-finite frames. */
export const FRAME_COLUMNS: readonly Column[] = [
  { name: 'frame', type: 'int64' },
  { name: 'pts', type: 'int64' },
  { name: 'seconds', type: 'float64' },
];

/**
 * Returns the first cells of each row of a frame.
 *
 * @throws {RangeError} when the frame's number or PTS is no whole number that a JavaScript number holds.
 */
export function frameCells({ frame, pts, seconds }: FrameTime): Row {
  return [BigInt(frame), BigInt(pts), seconds];
}
