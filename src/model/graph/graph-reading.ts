import {
  attribute,
  dimsOf,
  float32Values,
  type GraphProto,
  intAttribute,
  intValues,
  type NodeProto,
  type TensorProto,
  walkGraphs,
} from './onnx.js';

/** A convolution with its kernel. */
export interface PlainConv {
  readonly node: NodeProto;
  readonly kernel: Kernel;
}

export interface Kernel {
  readonly dims: readonly number[];
  readonly outputs: number;
  readonly inputs: number;
  /** Taps: kernel height times width. */
  readonly area: number;
  readonly weights: ArrayLike<number>;
  readonly bias: ArrayLike<number> & Iterable<number>;
}

/**
 * Returns a node as a convolution if it is an ungrouped two-dimensional Conv with float32 weights in the
 * file.
 */
export function plainConv(graph: GraphProto, node: NodeProto): PlainConv | undefined {
  if (node.opType !== 'Conv' || !isDefaultDomain(node) || intAttribute(node, 'group', 1) !== 1)
    return undefined;
  const weightTensor = initializer(graph, node.input?.[1]);
  const dims = weightTensor === undefined ? [] : dimsOf(weightTensor);
  const [outputs, inputs, height, width] = dims;
  if (dims.length !== 4 || !outputs || !inputs || !height || !width) return undefined;
  const weights = weightTensor && float32Values(weightTensor);
  const biasName = node.input?.[2];
  const biasTensor = initializer(graph, biasName);
  const bias = biasName ? biasTensor && float32Values(biasTensor) : new Float32Array(outputs);
  if (weights === undefined || bias === undefined || bias.length !== outputs) return undefined;
  return { node, kernel: { dims, outputs, inputs, area: height * width, weights, bias } };
}

/** Counts the readers of a value: nodes, also in inner graphs, and outputs of inner graphs. */
export function countReaders(graph: GraphProto, value: string): number {
  let count = 0;
  walkGraphs(graph, (inner) => {
    for (const node of inner.node ?? []) count += node.input?.filter((name) => name === value).length ?? 0;
    if (inner !== graph) count += inner.output?.filter((one) => one.name === value).length ?? 0;
  });
  return count;
}

/** Returns the graph without the initializers that nothing reads. */
export function withoutUnread(graph: GraphProto): GraphProto {
  const read = new Set<string>();
  walkGraphs(graph, (inner) => {
    for (const node of inner.node ?? []) for (const name of node.input ?? []) read.add(name);
    for (const { name } of inner.output ?? []) if (name) read.add(name);
  });
  return { ...graph, initializer: (graph.initializer ?? []).filter(({ name }) => name && read.has(name)) };
}

export function initializer(graph: GraphProto, name: string | undefined): TensorProto | undefined {
  return name ? graph.initializer?.find((one) => one.name === name) : undefined;
}

export function constantInts(graph: GraphProto, name: string | undefined): number[] | undefined {
  const maker = graph.node?.find((node) => node.opType === 'Constant' && node.output?.[0] === name);
  const tensor = maker === undefined ? initializer(graph, name) : attribute(maker, 'value')?.t;
  return tensor ? intValues(tensor) : undefined;
}

export function isDefaultDomain(node: NodeProto): boolean {
  return !node.domain || node.domain === 'ai.onnx';
}

/**
 * Returns the nodes that depend on the sizes of the inputs at most: ONNX Runtime computes them once, when a
 * session with static shapes begins.
 */
export function fixedNodes(graph: GraphProto): ReadonlySet<NodeProto> {
  const values = new Set((graph.initializer ?? []).map(({ name }) => name ?? ''));
  const nodes = (graph.node ?? []).filter((node) => {
    const reads = (node.input ?? []).filter((name) => name !== '');
    const fixed =
      (node.opType === 'Shape' && isDefaultDomain(node)) ||
      (reads.every((name) => values.has(name)) && !isOpaque(node));
    if (fixed) for (const name of node.output ?? []) values.add(name);
    return fixed;
  });
  return new Set(nodes);
}

/** Returns whether more than its inputs decides what a node gives: inner graphs, or chance. */
function isOpaque({ opType, attribute }: NodeProto): boolean {
  const hasGraph = (attribute ?? []).some((one) => one.g != null || (one.graphs ?? []).length > 0);
  return hasGraph || /^Random|^Bernoulli$|^Multinomial$/.test(opType ?? '');
}
