/** Outputs of which only a run tells the number of rows: those of a graph that suppresses boxes itself. */
import type { TableSpec } from '../../table/spec.js';
import { type DeclaredEnds, NAMELESS } from './ends.js';

/** The most rows that a manifest may state. */
export const MOST_OPEN_ROWS = 1_000_000;

/** The shape of an output whose rows are open. */
export interface OpenShape {
  /** The axis of the rows: 0 if the output has no batch axis, else 1. */
  readonly axis: number;
  /** The sizes of the axes after that. */
  readonly row: readonly number[];
}

/** What tells the shapes of a table's outputs. */
export interface OpenTable {
  readonly spec: TableSpec;
  /** The names of its outputs. */
  readonly ends: readonly string[];
}

/**
 * Returns the shape of an output of a table, whose last open dimension is that of its rows; undefined if none
 * is open, or more than that and the batch's. `frames` is the input that takes the frames.
 */
export function openShape(
  { spec, ends }: OpenTable,
  { inputs, outputs }: DeclaredEnds,
  name: string,
  frames: string,
): OpenShape | undefined {
  const dims = outputs.find((one) => one.name === name)?.dims;
  const batch = inputs.find((one) => one.name === frames)?.dims?.[0];
  // The numbers of a box are known, even where the file leaves their dimension open.
  const width = name === ends[0] ? boxWidth(spec) : undefined;
  // Its rows are those of all frames, even where the file gives their axis the name of the batch's.
  if (spec.kind === 'boxes' && spec.head === 'yolov7')
    return dims?.length === 2 && typeof dims[0] === 'string' ? { axis: 0, row: [width ?? 0] } : undefined;
  const isOpen = (axis: number): boolean => {
    const dim = dims?.[axis];
    if (typeof dim !== 'string' || (axis === 0 && dim === batch && dim !== NAMELESS)) return false;
    return width === undefined || axis < (dims?.length ?? 0) - 1;
  };
  const axis = dims?.findLastIndex((_, at) => isOpen(at)) ?? -1;
  if (dims === undefined || axis < 0 || axis > 1) return undefined;
  return { axis, row: dims.slice(axis + 1).map((dim) => (typeof dim === 'number' ? dim : (width ?? 0))) };
}

/** Returns whether the outputs of a table with open rows are those of one frame, without a batch axis. */
export function isOfOneFrame(table: OpenTable, declared: DeclaredEnds, frames: string): boolean {
  return openShape(table, declared, table.ends[0] ?? '', frames)?.axis === 0;
}

function boxWidth(spec: TableSpec): number | undefined {
  if (spec.kind !== 'boxes') return undefined;
  switch (spec.head) {
    case 'ssd':
      return 4;
    case 'yolov7':
      return 7;
    case 'yolov10':
      return 6;
    default:
      return undefined;
  }
}
