import { fixedNodes } from './graph-reading.js';
import {
  attribute,
  DataType,
  dimsOf,
  elements,
  float32Values,
  type GraphProto,
  intValues,
  type NodeProto,
  type TensorProto,
  toNumber,
} from './onnx.js';
import { type Known, MOST_FOLLOWED, type ShapeContext } from './shape-rule.js';
import { RULES } from './shape-rules.js';

export interface ShapedNode extends ShapeContext {
  readonly outputs: readonly (Known | undefined)[];
  /** True if it depends on the sizes of the inputs at most: it is worked out once, not in every run. */
  readonly fixed: boolean;
}

export interface Shapes {
  readonly nodes: readonly ShapedNode[];
  of(value: string): Known | undefined;
}

/**
 * Infers static shapes: follows the dimensions of the inputs through the graph, and the small integer
 * tensors by which exporters compute sizes. The results of unsupported operators are unknown, never wrong.
 */
export function inferShapes(
  graph: GraphProto,
  opset: number,
  input: string,
  dims: readonly number[],
  others: ReadonlyMap<string, readonly number[]> = new Map(),
): Shapes {
  const known = new Map<string, Known>();
  for (const tensor of graph.initializer ?? []) known.set(tensor.name ?? '', knownTensor(tensor));
  for (const [name, size] of others) known.set(name, { dims: size });
  known.set(input, { dims });
  const nodes: ShapedNode[] = [];
  const fixed = fixedNodes(graph);
  for (const node of graph.node ?? []) {
    const context = { node, opset, inputs: (node.input ?? []).map((name) => known.get(name)) };
    const outputs = outputsOf(context);
    nodes.push({ ...context, outputs, fixed: fixed.has(node) });
    for (const [at, name] of (node.output ?? []).entries()) {
      const output = outputs[at];
      if (output !== undefined) known.set(name, output);
    }
  }
  return { nodes, of: (value) => known.get(value) };
}

/**
 * Returns the first node on the path to `value` whose inputs are known and whose result is not; undefined if
 * none.
 */
export function firstUnknownNode(shapes: Shapes, value: string): NodeProto | undefined {
  const unknown = new Set([value]);
  let lost: NodeProto | undefined;
  for (const { node, inputs, outputs } of shapes.nodes.toReversed()) {
    const isOnPath = (node.output ?? []).some((name, at) => unknown.has(name) && outputs[at] === undefined);
    if (!isOnPath) continue;
    lost = node;
    for (const [at, name] of (node.input ?? []).entries())
      if (name !== '' && inputs[at] === undefined) unknown.add(name);
  }
  return lost;
}

function outputsOf(context: ShapeContext): readonly (Known | undefined)[] {
  const { node } = context;
  if (node.domain && node.domain !== 'ai.onnx') return [];
  if (node.opType === 'Constant') return [constant(node)];
  const outputs = RULES.get(node.opType ?? '')?.(context) ?? [];
  return outputs.map((one) =>
    one?.dims.every((dim) => Number.isInteger(dim) && dim >= 0) ? one : undefined,
  );
}

function constant(node: NodeProto): Known | undefined {
  const tensor = attribute(node, 'value')?.t;
  if (tensor) return knownTensor(tensor);
  const [int, ints] = [attribute(node, 'value_int'), attribute(node, 'value_ints')];
  if (int !== undefined) return { dims: [], values: [toNumber(int.i)], integer: true };
  if (ints !== undefined) {
    const values = (ints.ints ?? []).map(toNumber);
    return { dims: [values.length], values, integer: true };
  }
  const [float, floats] = [attribute(node, 'value_float'), attribute(node, 'value_floats')];
  if (float !== undefined) return { dims: [], values: [float.f ?? 0] };
  return floats === undefined
    ? undefined
    : { dims: [floats.floats?.length ?? 0], values: floats.floats ?? [] };
}

function knownTensor(tensor: TensorProto): Known {
  const dims = dimsOf(tensor);
  if (elements(dims) > MOST_FOLLOWED) return { dims };
  if (tensor.dataType === DataType.float32) {
    const values = float32Values(tensor);
    return values === undefined ? { dims } : { dims, values: [...values] };
  }
  const values = intValues(tensor);
  return values === undefined ? { dims } : { dims, values, integer: true };
}
