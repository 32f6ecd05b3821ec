/** The types of a table's columns and cells. */
import type { Numbers, NumberType } from './numbers.js';

export type ColumnType = NumberType | `${NumberType}-list` | 'string';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** True if cells may be null. */
  readonly nullable?: true;
}

/** A cell: bigint in a column of int64, numbers of its type in one of lists, a string, a number or null. */
export type Cell = number | bigint | string | Numbers | null;

/** Returns the type of the numbers of a column of lists; undefined for other columns. */
export function listType(type: ColumnType): NumberType | undefined {
  return LISTS[type];
}

const LISTS: Readonly<Partial<Record<ColumnType, NumberType>>> = {
  ...{ 'int32-list': 'int32', 'int64-list': 'int64', 'float32-list': 'float32', 'float64-list': 'float64' },
};

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
 * The first columns of a table of pictures: the name of the file, and why there is nothing else of it. Where
 * there is an error, there is one row, and the model's columns are null.
 */
export const PICTURE_COLUMNS: readonly Column[] = [
  { name: 'file', type: 'string' },
  { name: 'error', type: 'string', nullable: true },
];

/**
 * Returns the first cells of each row of a frame.
 *
 * @throws {RangeError} when the frame's number or PTS is no whole number that a JavaScript number holds.
 */
export function frameCells({ frame, pts, seconds }: FrameTime): Row {
  return [BigInt(frame), BigInt(pts), seconds];
}
