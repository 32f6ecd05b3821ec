/** Tables with one row a frame: the tensor itself, or a vector. */
import type { Refusal } from '../system/refusal.js';
import type { FrameCoder } from './coder.js';
import { float32Of, type Numbers, type NumberType, numberBytes, numbersIn } from './numbers.js';
import { bytesOf, HEADER_BYTES } from './packed.js';
import { type Column, FRAME_COLUMNS, type Row } from './schema.js';
import { elements, type Shape, shapeText } from './shapes.js';
import type { EmbeddingSpec, ValuesSpec } from './spec.js';

const ONE_ROW = { rows: 1, dropped: 0 };

/**
 * Plans the table of a tensor as it is, of numbers of `type`. Every bit stays, of NaN too. With `isOpen` the
 * first axis is that of rows of which there may be fewer: they are one list in one row of the table.
 */
export function valuesCoder(
  { column }: ValuesSpec,
  shapes: readonly Shape[],
  type: NumberType = 'float32',
  isOpen = false,
): FrameCoder | Refusal {
  if (column === '' || FRAME_COLUMNS.some(({ name }) => name === column)) {
    return { refusal: `no column of values can have the name "${column}"` };
  }
  const [shape, ...others] = shapes;
  if (shape === undefined || others.length > 0) return notOne('values', shapes);
  const size = elements(shape);
  if (isOpen) return openValuesCoder({ name: column, type: `${type}-list` }, type, shape[0] ?? 0, size);
  return {
    columns: [{ name: column, type: size === 1 ? type : `${type}-list` }],
    mostRows: 1,
    rowBytes: size * numberBytes(type),
    encode([tensor = new Float32Array(0)], into) {
      into.set(bytesOf(tensor), HEADER_BYTES);
      return ONE_ROW;
    },
    cells(packed, rows) {
      if (rows === 0) return [];
      const list = listOf(type, packed);
      return [[size === 1 ? (list[0] ?? 0) : list]];
    },
  };
}

/** Plans a list of whole rows. What is packed is the rows of the tensor, and not of the table. */
function openValuesCoder(column: Column, type: NumberType, most: number, size: number): FrameCoder {
  const rowBytes = (size / most) * numberBytes(type);
  return {
    columns: [column],
    mostRows: most,
    rowBytes,
    encode([tensor = new Float32Array(0)], into, found = 0) {
      into.set(bytesOf(tensor), HEADER_BYTES);
      return { rows: Math.min(found, most), dropped: 0 };
    },
    cells: (packed, rows) => [[listOf(type, packed.subarray(0, HEADER_BYTES + rows * rowBytes))]],
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
    encode(tensors, into) {
      const tensor = float32Of(tensors[0]);
      const norm = spec.normalize === true ? Math.sqrt(tensor.reduce((sum, x) => sum + x * x, 0)) : 1;
      for (let at = 0; at < vector.length; at += 1) {
        vector[at] = norm === 0 ? 0 : (tensor[at] ?? 0) / norm;
      }
      into.set(bytesOf(vector), HEADER_BYTES);
      return ONE_ROW;
    },
    cells: (packed, rows): readonly Row[] => (rows === 0 ? [] : [[listOf('float32', packed)]]),
  };
}

/** Returns the numbers behind the header, copied: the bytes may begin anywhere, and be a `Buffer`'s. */
function listOf(type: NumberType, packed: Uint8Array): Numbers {
  return numbersIn(type, new Uint8Array(packed.subarray(HEADER_BYTES)).buffer);
}

function notOne(kind: string, shapes: readonly Shape[]): Refusal {
  return { refusal: `${kind} takes one output, not ${shapeText(shapes)}` };
}
