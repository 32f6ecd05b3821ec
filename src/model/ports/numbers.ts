import type { Refusal } from '../../system/refusal.js';
import { fp16Bits } from '../graph/float16.js';
import type { DataType } from '../graph/onnx.js';

/** The element types that a constant may have. */
export type ElementType = keyof typeof DataType;

/** Numbers from here on round to infinity: the largest of the type, and half a step. */
const ENDS: Readonly<Partial<Record<ElementType, number>>> = {
  float16: 65520,
  float32: (2 - 2 ** -24) * 2 ** 127,
};

interface TypeFacts {
  readonly bytes: number;
  /** Bounds of whole numbers; absent for floats. */
  readonly whole?: readonly [least: number, most: number];
  readonly write: (view: DataView, offset: number, value: number) => void;
}

const FACTS: Readonly<Record<ElementType, TypeFacts>> = {
  float32: { bytes: 4, write: (view, at, value) => view.setFloat32(at, value, true) },
  float64: { bytes: 8, write: (view, at, value) => view.setFloat64(at, value, true) },
  float16: { bytes: 2, write: (view, at, value) => view.setUint16(at, fp16Bits(value), true) },
  uint8: { bytes: 1, whole: [0, 255], write: (view, at, value) => view.setUint8(at, value) },
  uint16: { bytes: 2, whole: [0, 65535], write: (view, at, value) => view.setUint16(at, value, true) },
  int8: { bytes: 1, whole: [-128, 127], write: (view, at, value) => view.setInt8(at, value) },
  bool: { bytes: 1, whole: [0, 1], write: (view, at, value) => view.setUint8(at, value) },
  int32: {
    bytes: 4,
    whole: [-(2 ** 31), 2 ** 31 - 1],
    write: (view, at, value) => view.setInt32(at, value, true),
  },
  int64: {
    bytes: 8,
    whole: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    write: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  },
};

export function isElementType(type: string): type is ElementType {
  return Object.hasOwn(FACTS, type);
}

export function elementBytes(type: ElementType): number {
  return FACTS[type].bytes;
}

/** Returns numbers as ONNX stores them: raw, in little endian. Refuses a number that the type cannot hold. */
export function rawNumbers(type: ElementType, values: ArrayLike<number>): Uint8Array | Refusal {
  const { bytes, whole, write } = FACTS[type];
  const view = new DataView(new ArrayBuffer(bytes * values.length));
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? 0;
    const fits =
      whole === undefined
        ? !Number.isFinite(value) || Math.abs(value) < (ENDS[type] ?? Number.POSITIVE_INFINITY)
        : Number.isInteger(value) && value >= whole[0] && value <= whole[1];
    if (!fits) return { refusal: `${value} is not a number of type ${type}` };
    write(view, bytes * at, value);
  }
  return new Uint8Array(view.buffer);
}
