import type { Refusal } from '../../system/refusal.js';
import { fp16Bits } from '../graph/float16.js';
import { fixedNodes } from '../graph/graph-reading.js';
import {
  type AttributeProto,
  AttributeType,
  attribute,
  DataType,
  decodeModel,
  dimsOf,
  encodeModel,
  float32Tensor,
  float32Values,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  toNumber,
} from '../graph/onnx.js';

/** A composed graph in fp16, or why there is none. */
export type Fp16Graph = { readonly bytes: Uint8Array } | Refusal;

/**
 * Operators whose float tensors all have one type, which may be float16 on GPUs: `CUDAExecutionProvider` in
 * ONNX Runtime's OperatorKernels.md. InstanceNormalization computes its means and variances in float32 there.
 */
const FP16_OPERATORS: ReadonlySet<string> = new Set([
  ...['Abs', 'Add', 'Clip', 'Div', 'Exp', 'Floor', 'LeakyRelu', 'Max', 'Min', 'Mul', 'Neg', 'PRelu', 'Pow'],
  ...['Relu', 'Sigmoid', 'Sqrt', 'Sub', 'Tanh', 'Less', 'And', 'ReduceMean', 'ArgMin'],
  ...['AveragePool', 'Conv', 'ConvTranspose', 'GlobalAveragePool', 'MaxPool'],
  ...['BatchNormalization', 'InstanceNormalization'],
  ...[
    'Cast',
    'Concat',
    'DepthToSpace',
    'Gather',
    'GatherElements',
    'Identity',
    'Pad',
    'Reshape',
    'Resize',
    'Shape',
    'Slice',
  ],
  ...['SpaceToDepth', 'Split', 'Squeeze', 'Transpose', 'Unsqueeze', 'Upsample', 'Where'],
]);

/** Index of the first input that keeps its type: sizes and scales, which are float32 in any graph. */
const OWN_TYPE_FROM: ReadonlyMap<string, number> = new Map([
  ['Resize', 1],
  ['Upsample', 1],
]);

/** The largest float16 plus half a step: numbers from here on round to infinity. */
const TOO_LARGE = 65520;

/**
 * Converts a composed graph, uint8 in and out, from float32 to float16: its constants, and the results of its
 * casts. All tensors between are then float16, without further casts. What depends on sizes alone is computed
 * once, in float32, and becomes float16 where a run reads it.
 */
export function toFp16(bytes: Uint8Array): Fp16Graph {
  const model = decodeModel(bytes);
  const graph = model.graph ?? {};
  const refusal = obstacleIn(graph);
  if (refusal !== undefined) return { refusal };
  return { bytes: encodeModel({ ...model, graph: converted(graph) }) };
}

function obstacleIn(graph: GraphProto): string | undefined {
  const constants = new Map((graph.initializer ?? []).map((one) => [one.name, one]));
  for (const node of movingNodes(graph)) {
    const known = (!node.domain || node.domain === 'ai.onnx') && FP16_OPERATORS.has(node.opType ?? '');
    if (!known) return `its operator ${node.opType} is not known to work in fp16`;
    const computed = (node.input ?? [])
      .slice(ownTypeFrom(node))
      .some((name) => name !== '' && !constants.has(name));
    if (computed) return `its operator ${node.opType} has a size that is computed at run time`;
  }
  if ((graph.node ?? []).some((node) => attribute(node, 'sparse_value') !== undefined))
    return 'it has sparse tensors';
  const tensors = [...constants.values(), ...(graph.node ?? []).map(constantOf)];
  for (const tensor of tensors) {
    const values = tensor && float32Values(tensor);
    if (values?.some((value) => Math.abs(value) >= TOO_LARGE))
      return 'it has constants beyond the range of fp16';
    if (tensor?.dataType === DataType.float32 && values === undefined) return 'its constants cannot be read';
  }
  return (graph.sparseInitializer ?? []).length > 0 ? 'it has sparse tensors' : undefined;
}

/** Returns the nodes that a run computes. */
function movingNodes(graph: GraphProto): readonly NodeProto[] {
  const fixed = fixedNodes(graph);
  return (graph.node ?? []).filter((node) => !fixed.has(node));
}

/** Returns the float32 results of the nodes that are computed once, constants among them. */
function fixedFloats(graph: GraphProto, moving: ReadonlySet<NodeProto>): ReadonlySet<string> {
  const types = new Map((graph.initializer ?? []).map((one) => [one.name ?? '', toNumber(one.dataType)]));
  const found = new Set<string>();
  for (const node of graph.node ?? []) {
    if (moving.has(node)) continue;
    const [name = ''] = node.output ?? [];
    const type = fixedType(node, (value) => types.get(value));
    types.set(name, type);
    if (type === DataType.float32) found.add(name);
  }
  return found;
}

function fixedType(node: NodeProto, typeOf: (value: string) => number | undefined): number {
  switch (node.opType) {
    case 'Shape':
      return DataType.int64;
    case 'Constant':
      return toNumber(constantOf(node)?.dataType ?? DataType.int64);
    case 'Cast':
      return toNumber(attribute(node, 'to')?.i);
    case 'ConstantOfShape':
      return toNumber(attribute(node, 'value')?.t?.dataType ?? DataType.float32);
    default:
      return typeOf(node.input?.[node.opType === 'Where' ? 1 : 0] ?? '') ?? DataType.float32;
  }
}

function converted(graph: GraphProto): GraphProto {
  const moving = new Set(movingNodes(graph));
  const once = fixedFloats(graph, moving);
  const kept = new Set(
    (graph.node ?? []).flatMap((node) =>
      moving.has(node) ? (node.input ?? []).slice(ownTypeFrom(node)) : (node.input ?? []),
    ),
  );
  const read = new Set(
    (graph.node ?? []).flatMap((node) =>
      moving.has(node) ? (node.input ?? []).slice(0, ownTypeFrom(node)) : [],
    ),
  );
  const halves = new Map(
    (graph.initializer ?? [])
      .filter(
        (one) => one.dataType === DataType.float32 && (read.has(one.name ?? '') || !kept.has(one.name ?? '')),
      )
      .map((one) => [one.name ?? '', `half/${one.name}`]),
  );
  for (const name of once) if (read.has(name)) halves.set(name, `half/${name}`);
  // The tensors of a table leave the graph in float32.
  const outputs = new Set((graph.output ?? []).map(({ name }) => name));
  const node = (one: NodeProto): NodeProto => ({
    ...one,
    input: (one.input ?? []).map((name, at) => (at < ownTypeFrom(one) ? (halves.get(name) ?? name) : name)),
    attribute: (one.attribute ?? []).map((value) =>
      outputs.has(one.output?.[0]) ? value : fp16Attribute(one, value),
    ),
  });
  return {
    ...graph,
    node: (graph.node ?? []).flatMap((one) => (moving.has(one) ? [node(one)] : [one, ...casts(one, halves)])),
    initializer: (graph.initializer ?? []).flatMap((one) => {
      const name = halves.get(one.name ?? '');
      const half = name === undefined ? [one] : [fp16Tensor(name, one)];
      return name !== undefined && kept.has(one.name ?? '') ? [one, ...half] : half;
    }),
  };
}

/** Returns the nodes that give the results of a node in float16 too, where they have a name in it. */
function casts(node: NodeProto, halves: ReadonlyMap<string, string>): readonly NodeProto[] {
  const to = { name: 'to', type: AttributeType.int, i: DataType.float16 };
  return (node.output ?? [])
    .filter((name) => halves.has(name))
    .map((name) => ({ opType: 'Cast', input: [name], output: [halves.get(name) ?? ''], attribute: [to] }));
}

function fp16Attribute(node: NodeProto, value: AttributeProto): AttributeProto {
  if (node.opType === 'Cast' && value.name === 'to' && toNumber(value.i) === DataType.float32) {
    return { ...value, i: DataType.float16 };
  }
  return value;
}

/** Returns the value of a `Constant`, from any of its attributes, if it is a tensor or float32. */
function constantOf(node: NodeProto): TensorProto | undefined {
  if (node.opType !== 'Constant') return undefined;
  const [float, floats] = [attribute(node, 'value_float'), attribute(node, 'value_floats')?.floats];
  if (float !== undefined) return float32Tensor('', [], [float.f ?? 0]);
  if (floats) return float32Tensor('', [floats.length], floats);
  return attribute(node, 'value')?.t ?? undefined;
}

function fp16Tensor(name: string, tensor: TensorProto): TensorProto {
  const bits = Uint16Array.from(float32Values(tensor) ?? [], fp16Bits);
  return { name, dataType: DataType.float16, dims: dimsOf(tensor), rawData: new Uint8Array(bits.buffer) };
}

function ownTypeFrom(node: NodeProto): number {
  return OWN_TYPE_FROM.get(node.opType ?? '') ?? Number.POSITIVE_INFINITY;
}
