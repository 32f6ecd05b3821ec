/** From the output tensors of one frame to bytes of a fixed number, and from those to rows. Pure. */
import { JobError } from '../system/errors.js';
import { isRefusal, type Refusal } from '../system/refusal.js';
import { boxesCoder } from './boxes.js';
import { classesCoder } from './classes.js';
import type { FrameCoder } from './coder.js';
import type { Geometry } from './geometry.js';
import { embeddingCoder, valuesCoder } from './lists.js';
import { areOf, type Numbers, type NumberType } from './numbers.js';
import {
  finishPacked,
  HEADER_BYTES,
  type PackedShape,
  packedBytes,
  packedCounts,
  type RowCounts,
} from './packed.js';
import { type Column, FRAME_COLUMNS, type FrameTime, frameCells, type Row } from './schema.js';
import { elements, type Shape } from './shapes.js';
import type { TableSpec } from './spec.js';

/**
 * Turns tensors into rows. What it gives for a frame depends on that frame's tensors alone. Not for use by
 * two callers at once: it keeps memory for its candidates.
 */
export interface TableDecoder {
  /** All columns of the table, those of the frame first. */
  readonly columns: readonly Column[];
  /** The most rows of a frame that are packed. */
  readonly mostRows: number;
  /** The size of a frame's packed rows: see packed.ts. */
  readonly frameBytes: number;
  /**
   * Packs the rows of a frame into all of `into`. With open rows, the tensors are followed by one of their
   * numbers of rows.
   *
   * @throws {RangeError} when the tensors or `into` have other sizes or types than planned.
   * @throws {JobError} model: when the open tensors have different numbers of rows.
   */
  decode(tensors: readonly Numbers[], into: Uint8Array): void;
  /**
   * Returns the number of a frame's rows, and of those dropped: boxes beyond the spec's `max`, rows beyond
   * the most of open tensors, and candidates that suppression did not look at, of which some would have been
   * suppressed.
   *
   * @throws {JobError} journal: when the bytes are not packed rows.
   */
  counts(packed: Uint8Array): RowCounts;
  /**
   * Returns the rows of a frame, with labels. Throws as `counts` and `frameCells`.
   */
  rows(packed: Uint8Array, time: FrameTime): readonly Row[];
}

/**
 * The most bytes of a frame's rows: a million numbers. They pass over MPI and into the journal whole, and the
 * writer of Parquet takes some 400 bytes of memory for each number of its longest list.
 */
export const MOST_FRAME_BYTES = HEADER_BYTES + 2 ** 22;

/** Tensors of which only a run tells the number of rows; they are cut and padded to `most`. */
export interface OpenRows {
  readonly most: number;
  /** The number of such tensors. */
  readonly tensors: number;
}

/** What `tableDecoder` may be told of its tensors. */
export interface TensorFacts {
  /** In the order of the shapes; see `keptType`. Default: float32. */
  readonly types?: readonly NumberType[];
  readonly open?: OpenRows | undefined;
}

const NONE = new Float32Array(0);
/** The most candidates or numbers of a tensor: they are counted in 32 bits. */
const MOST_ELEMENTS = 2 ** 32 - 1;

/**
 * Plans the table of outputs with `shapes`, without batch axis, in the order that the head says (see
 * heads.ts; the other kinds take one). Refuses shapes that do not fit the spec, and specs that cannot be.
 */
export function tableDecoder(
  spec: TableSpec,
  shapes: readonly Shape[],
  geometry: Geometry,
  { types = shapes.map(() => 'float32'), open }: TensorFacts = {},
): TableDecoder | Refusal {
  const sizes = [...shapes.map(elements), ...(open === undefined ? [] : [open.tensors])];
  const odd = sizes.find((size) => !Number.isInteger(size) || size < 1 || size > MOST_ELEMENTS);
  if (odd !== undefined) return { refusal: `an output has ${odd} numbers a frame` };
  const coder = coderOf(spec, shapes, geometry, { types, open });
  if (isRefusal(coder)) return coder;
  const shape: PackedShape = coder;
  const frameBytes = packedBytes(shape);
  if (frameBytes > MOST_FRAME_BYTES) {
    return { refusal: `the rows of a frame take ${frameBytes} bytes, more than ${MOST_FRAME_BYTES}` };
  }
  return {
    columns: [...FRAME_COLUMNS, ...coder.columns],
    mostRows: coder.mostRows,
    frameBytes,
    decode(tensors, into) {
      if (into.byteLength !== frameBytes || tensors.length !== sizes.length) {
        throw new RangeError(`${tensors.length} tensors into ${into.byteLength} bytes`);
      }
      const at = tensors.findIndex((tensor, index) => tensor.length !== sizes[index]);
      if (at >= 0) throw new RangeError(`tensor ${at} has ${tensors[at]?.length} numbers, not ${sizes[at]}`);
      const odd = types.findIndex((type, index) => !areOf(type, tensors[index] ?? NONE));
      if (odd >= 0) throw new RangeError(`tensor ${odd} is not of ${types[odd]}`);
      const found = open && foundRows(tensors.at(-1));
      const counts = coder.encode(tensors, into, found);
      const beyond = open === undefined ? 0 : Math.max(0, (found ?? 0) - open.most);
      finishPacked(into, shape, { ...counts, dropped: counts.dropped + beyond });
    },
    counts: (packed) => packedCounts(packed, shape),
    rows(packed, time) {
      const first = frameCells(time);
      return coder.cells(packed, packedCounts(packed, shape).rows).map((cells) => [...first, ...cells]);
    },
  };
}

/** Returns the number of rows that all open tensors have. */
function foundRows(tensor: Numbers = NONE): number {
  const counts = Array.from(tensor, Number);
  const [first = 0] = counts;
  if (counts.every((count) => count === first)) return first;
  throw new JobError('model', `the outputs of a table have different numbers of rows: ${counts.join(', ')}`, {
    hint: 'name outputs of the same boxes in its manifest',
  });
}

/** Heads that take rows of zeros for none: those whose scores need no activation. */
const TAKE_PADDING: readonly string[] = ['ssd', 'yolov7', 'yolov10'];

function coderOf(
  spec: TableSpec,
  shapes: readonly Shape[],
  geometry: Geometry,
  { types, open }: TensorFacts,
): FrameCoder | Refusal {
  if (open !== undefined && spec.kind !== 'values') {
    const head = spec.kind === 'boxes' ? spec.head : spec.kind;
    if (!TAKE_PADDING.includes(head)) return { refusal: `${head} takes outputs of a fixed size only` };
  }
  switch (spec.kind) {
    case 'values':
      return valuesCoder(spec, shapes, types?.[0], open !== undefined);
    case 'embedding':
      return embeddingCoder(spec, shapes);
    case 'classes':
      return classesCoder(spec, shapes);
    case 'boxes':
      return boxesCoder(spec, shapes, geometry);
  }
}
