/** Tables with one row a frame: the tensor itself, or a vector. */
import type { Refusal } from '../system/refusal.js';
import type { FrameCoder } from './coder.js';
import { bytesOf, HEADER_BYTES, viewOf } from './packed.js';
import { type Column, FRAME_COLUMNS, type Row } from './schema.js';
import { elements, type Shape, shapeText } from './shapes.js';
import type { EmbeddingSpec, ValuesSpec } from './spec.js';

const FLOAT_BYTES = 4;
const ONE_ROW = { rows: 1, dropped: 0 };

/**
 * Plans the table of a tensor as it is. Every bit stays, of NaN too. With `isOpen` the first axis is that of
 * rows of which there may be fewer: they are one list in one row of the table.
 */
export function valuesCoder(
  { column }: ValuesSpec,
  shapes: readonly Shape[],
  isOpen = false,
): FrameCoder | Refusal {
  if (column === '' || FRAME_COLUMNS.some(({ name }) => name === column)) {
    return { refusal: `no column of values can have the name "${column}"` };
  }
  const [shape, ...others] = shapes;
  if (shape === undefined || others.length > 0) return notOne('values', shapes);
  const size = elements(shape);
  if (isOpen) return openValuesCoder(column, shape[0] ?? 0, size);
  return {
    columns: [{ name: column, type: size === 1 ? 'float32' : 'float32-list' }],
    mostRows: 1,
    rowBytes: size * FLOAT_BYTES,
    encode([tensor = new Float32Array(0)], into) {
      into.set(bytesOf(tensor), HEADER_BYTES);
      return ONE_ROW;
    },
    cells: (packed, rows) =>
      rows === 0 ? [] : [[size === 1 ? viewOf(packed).getFloat32(HEADER_BYTES, true) : listOf(packed)]],
  };
}

/** Plans a list of whole rows. What is packed is the rows of the tensor, and not of the table. */
function openValuesCoder(column: string, most: number, size: number): FrameCoder {
  const rowBytes = (size / most) * FLOAT_BYTES;
  return {
    columns: [{ name: column, type: 'float32-list' }],
    mostRows: most,
    rowBytes,
    encode([tensor = new Float32Array(0)], into, found = 0) {
      into.set(bytesOf(tensor), HEADER_BYTES);
      return { rows: Math.min(found, most), dropped: 0 };
    },
    cells: (packed, rows) => [[listOf(packed.subarray(0, HEADER_BYTES + rows * rowBytes))]],
  };
}

/**
 * Plans the table of a vector. The norm is summed in float64, in order; a quotient is rounded once.
 */
export function embeddingCoder(spec: EmbeddingSpec, shapes: readonly Shape[]): FrameCoder | Refusal {
  const [shape, ...others] = shapes;
  if (shape === undefined || others.length > 0) return notOne('embedding', shapes);
  const column: Column = { name: 'embedding', type: 'float32-list' };
  const vector = new Float32Array(elements(shape));
  return {
    columns: [column],
    mostRows: 1,
    rowBytes: vector.byteLength,
    encode([tensor = new Float32Array(0)], into) {
      const norm = spec.normalize === true ? Math.sqrt(tensor.reduce((sum, x) => sum + x * x, 0)) : 1;
      for (let at = 0; at < vector.length; at += 1) {
        vector[at] = norm === 0 ? 0 : (tensor[at] ?? 0) / norm;
      }
      into.set(bytesOf(vector), HEADER_BYTES);
      return ONE_ROW;
    },
    cells: (packed, rows): readonly Row[] => (rows === 0 ? [] : [[listOf(packed)]]),
  };
}

/** Returns the numbers behind the header, copied: the bytes may begin anywhere, and be a `Buffer`'s. */
function listOf(packed: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(packed.subarray(HEADER_BYTES)).buffer);
}

function notOne(kind: string, shapes: readonly Shape[]): Refusal {
  return { refusal: `${kind} takes one output, not ${shapeText(shapes)}` };
}
