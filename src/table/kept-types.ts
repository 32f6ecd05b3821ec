/** In which types a table takes the outputs of a model, so that no number loses digits. */
import type { NumberType } from './numbers.js';
import type { TableSpec } from './spec.js';

/** The types of columns that hold every number of an ONNX element type. */
const EXACT: Readonly<Record<string, NumberType>> = {
  ...{ float16: 'float32', bfloat16: 'float32', float32: 'float32', float64: 'float64' },
  ...{ bool: 'int32', int8: 'int32', uint8: 'int32', int16: 'int32', uint16: 'int32', int32: 'int32' },
  ...{ uint32: 'int64', int64: 'int64' },
};

/**
 * Returns the type in which output number `at` of a table is taken; undefined if no column holds its numbers.
 * Scores and boxes are float32. The classes and the count of `ssd` are float64, which holds every class that
 * there may be.
 */
export function keptType(spec: TableSpec, at: number, type: string): NumberType | undefined {
  if (spec.kind === 'values') return EXACT[type];
  return spec.kind === 'boxes' && spec.head === 'ssd' && at >= 2 ? 'float64' : 'float32';
}
