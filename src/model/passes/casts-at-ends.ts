import { isDefaultDomain } from '../graph/graph-reading.js';
import {
  AttributeType,
  attribute,
  DataType,
  dimsOf,
  elements,
  elementType,
  float32Tensor,
  type GraphProto,
  intAttribute,
  type NodeProto,
  type TensorProto,
  toNumber,
  walkGraphs,
} from '../graph/onnx.js';

/** Operators that only move samples, with the inputs that hold such: all of them where there is no number. */
const MOVES: ReadonlyMap<string, readonly number[] | 'all'> = new Map<string, readonly number[] | 'all'>([
  ['Concat', 'all'],
  ['Pad', [0, 2]],
  ...(
    [
      ...['DepthToSpace', 'Expand', 'Flatten', 'Gather', 'Identity', 'Reshape', 'Slice', 'SpaceToDepth'],
      ...['Split', 'Squeeze', 'Tile', 'Transpose', 'Unsqueeze'],
    ] as const
  ).map((name): [string, readonly number[]] => [name, [0]]),
]);

/**
 * Moves a graph's casts to and from bytes and 16-bit words to its very ends, so that these samples are
 * float32 between, which holds them exactly. ONNX Runtime's WebGPU provider has no operators on bytes: each
 * would be a copy to the host and back.
 *
 * @returns undefined if the graph computes with such samples.
 */
export function withCastsAtEnds(graph: GraphProto): GraphProto | undefined {
  const words = wordTensors(graph);
  const floats = new Map<string, string>();
  const track = (name: string): string => {
    floats.set(name, `float/${name}`);
    return `float/${name}`;
  };
  const added: TensorProto[] = [];
  const nodes: NodeProto[] = [];
  for (const input of graph.input ?? []) {
    const name = input.name ?? '';
    if (isWord(elementType(input))) nodes.push(cast(name, track(name), DataType.float32));
  }

  /** Returns the float32 form of a sample tensor; undefined if it is none. */
  function floatOf(name: string): string | undefined {
    const tensor = words.get(name);
    if (floats.has(name) || tensor === undefined) return floats.get(name);
    const made = track(name);
    added.push(float32Tensor(made, dimsOf(tensor), valuesOf(tensor)));
    return made;
  }

  for (const node of graph.node ?? []) {
    const [first = ''] = node.input ?? [];
    const [name = ''] = node.output ?? [];
    const places = isDefaultDomain(node) ? MOVES.get(node.opType ?? '') : undefined;
    const typed = (node.input ?? []).filter((one, at) => {
      return one !== '' && places !== undefined && (places === 'all' || places.includes(at));
    });
    if (typed.some((one) => floats.has(one) || words.has(one))) {
      if (!typed.every((one) => floats.has(one) || words.has(one))) return undefined;
      const input = (node.input ?? []).map((one) => (typed.includes(one) ? (floatOf(one) ?? one) : one));
      nodes.push({ ...node, input, output: (node.output ?? []).map(track) });
    } else if (node.opType === 'Cast' && isDefaultDomain(node)) {
      const from = floatOf(first) ?? first;
      if (isWord(intAttribute(node, 'to', 0))) {
        const [whole, made] = [`whole/${name}`, track(name)];
        // A cast to a whole number truncates, and samples are not negative.
        nodes.push(cast(from, whole, DataType.float32), {
          ...{ opType: 'Floor', input: [whole], output: [made] },
        });
      } else nodes.push({ ...node, input: [from] });
    } else if (node.opType === 'ConstantOfShape' && isWord(constantType(node))) {
      const value = attribute(node, 'value')?.t;
      const t = float32Tensor('', [1], value ? valuesOf(value) : [0]);
      const tensor = { name: 'value', type: AttributeType.tensor, t };
      nodes.push({ ...node, output: [track(name)], attribute: [tensor] });
    } else {
      if (readsAny(node, floats)) return undefined;
      nodes.push(node);
    }
  }
  for (const output of graph.output ?? []) {
    const name = output.name ?? '';
    const made = floats.get(name);
    if (made !== undefined) nodes.push(cast(made, name, toNumber(elementType(output))));
  }
  return {
    ...graph,
    node: nodes,
    initializer: [...(graph.initializer ?? []), ...added],
    valueInfo: (graph.valueInfo ?? []).filter(({ name }) => !floats.has(name ?? '')),
  };
}

/** Returns the constants that hold samples, by name. */
function wordTensors(graph: GraphProto): ReadonlyMap<string, TensorProto> {
  const found = new Map<string, TensorProto>();
  for (const tensor of graph.initializer ?? []) {
    if (isWord(toNumber(tensor.dataType))) found.set(tensor.name ?? '', tensor);
  }
  for (const node of graph.node ?? []) {
    const tensor = node.opType === 'Constant' ? attribute(node, 'value')?.t : undefined;
    if (tensor && isWord(toNumber(tensor.dataType))) found.set(node.output?.[0] ?? '', tensor);
  }
  return found;
}

function isWord(type: number | undefined): boolean {
  return type === DataType.uint8 || type === DataType.uint16;
}

function constantType(node: NodeProto): number {
  return toNumber(attribute(node, 'value')?.t?.dataType ?? DataType.float32);
}

function cast(from: string, to: string, type: number): NodeProto {
  const attributes = [{ name: 'to', type: AttributeType.int, i: type }];
  return { opType: 'Cast', input: [from], output: [to], attribute: attributes };
}

/** Returns whether a node, or a node of an inner graph of it, reads one of these tensors. */
function readsAny(node: NodeProto, names: ReadonlyMap<string, string>): boolean {
  if (node.input?.some((name) => names.has(name))) return true;
  return (node.attribute ?? []).some(({ g }) => {
    let found = false;
    if (g)
      walkGraphs(g, (inner) =>
        (inner.node ?? []).forEach((one) => {
          found ||= one.input?.some((name) => names.has(name)) ?? false;
        }),
      );
    return found;
  });
}

/** Returns the numbers of a constant, which are bytes or 16-bit words. */
function valuesOf(tensor: TensorProto): readonly number[] {
  const { rawData, int32Data } = tensor;
  const count = elements(dimsOf(tensor));
  if (!rawData?.length) return Array.from({ length: count }, (_, at) => int32Data?.[at] ?? 0);
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  const wide = toNumber(tensor.dataType) === DataType.uint16;
  return Array.from({ length: count }, (_, at) => (wide ? view.getUint16(2 * at, true) : view.getUint8(at)));
}
