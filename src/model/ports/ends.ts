import { elementType, type GraphProto, toNumber, type ValueInfoProto } from '../graph/onnx.js';

/** An input or output of a graph, as its file declares it. */
export interface DeclaredEnd {
  readonly name: string;
  /** The ONNX element type: `float32`, `int64`, ...; `unknown` for anything but a tensor. */
  readonly type: string;
  /**
   * Each dimension's size, or its name if it is dynamic; undefined if the file does not give their number.
   */
  readonly dims: readonly (number | string)[] | undefined;
}

/** In place of the name of a dynamic dimension without one. */
export const NAMELESS = '?';

export interface DeclaredEnds {
  /** Without those that have a value in the file. */
  readonly inputs: readonly DeclaredEnd[];
  readonly outputs: readonly DeclaredEnd[];
}

/** TensorProto.DataType, by its numbers. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  ...{ 1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 8: 'string' },
  ...{ 9: 'bool', 10: 'float16', 11: 'float64', 12: 'uint32', 13: 'uint64', 16: 'bfloat16' },
};

export function declaredEnds(graph: GraphProto): DeclaredEnds {
  const valued = new Set((graph.initializer ?? []).map((one) => one.name));
  return {
    inputs: (graph.input ?? []).filter((one) => !valued.has(one.name)).map(declared),
    outputs: (graph.output ?? []).map(declared),
  };
}

function declared(value: ValueInfoProto): DeclaredEnd {
  const dims = value.type?.tensorType?.shape?.dim?.map((dim) => {
    const size = toNumber(dim.dimValue);
    return size > 0 ? size : dim.dimParam || NAMELESS;
  });
  return { name: value.name ?? '', type: TYPE_NAMES[elementType(value) ?? 0] ?? 'unknown', dims };
}

/** Returns an end for messages: `"style" (float32 [N, 3, H, W])`. */
export function endText({ name, type, dims }: DeclaredEnd): string {
  return `"${name}" (${tensorText(type, dims)})`;
}

/** Returns a tensor for messages: `float32 [N, 3, H, W]`. */
export function tensorText(type: string, dims: DeclaredEnd['dims']): string {
  return `${type} ${dims === undefined ? 'of any shape' : `[${dims.join(', ')}]`}`;
}
