import type { Refusal } from '../../system/refusal.js';
import { elements } from '../graph/onnx.js';
import { type ElementType, elementBytes } from './numbers.js';

/** A tensor with its numbers raw, in little endian and row-major order. */
export interface RawTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

const MAGIC = '\x93NUMPY';
/** NumPy's names of little-endian types. */
const TYPES: Readonly<Record<string, ElementType>> = {
  ...{ '<f2': 'float16', '<f4': 'float32', '<f8': 'float64' },
  ...{ '|u1': 'uint8', '|i1': 'int8', '|b1': 'bool', '<i4': 'int32', '<i8': 'int64' },
};

/** Parses a .npy file (numpy.lib.format, versions 1 to 3). */
export function parseNpy(bytes: Uint8Array): RawTensor | Refusal {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1');
  if (bytes.length < 12 || text(0, 6) !== MAGIC) return { refusal: 'it is not a .npy file' };
  const first = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (first + length > bytes.length) return { refusal: 'it ends within its header' };
  const header = text(first, first + length);
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const shape = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header)?.[1];
  if (descr === undefined || shape === undefined) return { refusal: 'its header holds no plain array' };
  const type = TYPES[descr];
  if (type === undefined) {
    return { refusal: `its type ${descr} is none of ${Object.values(TYPES).join(', ')}, little-endian` };
  }
  const dims = shape.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  if (/'fortran_order'\s*:\s*True/.test(header) && dims.length > 1) {
    return { refusal: "its order is Fortran's: save numpy.ascontiguousarray(array)" };
  }
  const data = bytes.subarray(first + length);
  const expected = elements(dims) * elementBytes(type);
  if (data.length !== expected) {
    return {
      refusal: `it has ${data.length} bytes of numbers, where [${dims.join(', ')}] of ${type} takes ${expected}`,
    };
  }
  return { type, dims, data };
}
