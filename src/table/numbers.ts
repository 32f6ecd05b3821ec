/** Numbers of the types that tensors and columns have. */

export type NumberType = 'int32' | 'int64' | 'float32' | 'float64';

/** Numbers whose values a JavaScript number holds exactly, and of which any may be NaN. */
export type Floats = Float32Array | Float64Array;
export type Numbers = Int32Array | BigInt64Array | Floats;

const ARRAYS = {
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Returns the bytes of one number. */
export function numberBytes(type: NumberType): number {
  return ARRAYS[type].BYTES_PER_ELEMENT;
}

/** Returns numbers in a buffer, not a copy. `offset` is in bytes, a multiple of a number's. */
export function numbersIn(type: NumberType, buffer: ArrayBufferLike, offset = 0, length?: number): Numbers {
  return new ARRAYS[type](buffer as ArrayBuffer, offset, length);
}

/** Returns a list of one number. */
export function numberList(type: NumberType, value: number | bigint): Numbers {
  return type === 'int64' ? BigInt64Array.of(BigInt(value)) : new ARRAYS[type]([Number(value)]);
}

export function isNumberType(type: string): type is NumberType {
  return Object.hasOwn(ARRAYS, type);
}

export function isNumbers(value: unknown): value is Numbers {
  return Object.values(ARRAYS).some((array) => value instanceof array);
}

/** Returns whether numbers are of a type. */
export function areOf(type: NumberType, numbers: Numbers): boolean {
  return numbers instanceof ARRAYS[type];
}

/**
 * Returns a tensor of float32.
 *
 * @throws {RangeError} when it is another.
 */
export function float32Of(tensor: Numbers | undefined): Float32Array {
  if (tensor instanceof Float32Array) return tensor;
  throw new RangeError('a tensor is not of float32');
}

/**
 * Returns tensors of which none has whole numbers.
 *
 * @throws {RangeError} when one has.
 */
export function floatsOf(tensors: readonly Numbers[]): readonly Floats[] {
  return tensors.map((tensor) => {
    if (tensor instanceof Float32Array || tensor instanceof Float64Array) return tensor;
    throw new RangeError('a tensor has whole numbers');
  });
}
