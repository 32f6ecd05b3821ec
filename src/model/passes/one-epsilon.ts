import { countReaders, isDefaultDomain, plainConv } from '../graph/graph-reading.js';
import {
  AttributeType,
  attribute,
  float32Tensor,
  type GraphProto,
  type NodeProto,
  type TensorProto,
} from '../graph/onnx.js';

/** The epsilon of all instance normalizations: ONNX's default. */
const EPSILON = 1e-5;

/**
 * Gives every InstanceNormalization the same epsilon, e: that of k x with k² e is that of x with e. The
 * factor k goes into the convolution before it, or a multiplication. ONNX Runtime's WebGPU provider compiles
 * one program for all, in whatever session, with the epsilon of the first.
 */
export function withOneEpsilon(graph: GraphProto): GraphProto {
  const replaced = new Map<NodeProto, readonly NodeProto[]>();
  const added: TensorProto[] = [];
  const outputs = new Set((graph.output ?? []).map(({ name }) => name ?? ''));
  for (const [at, node] of (graph.node ?? []).entries()) {
    if (node.opType !== 'InstanceNormalization' || !isDefaultDomain(node)) continue;
    const epsilon = attribute(node, 'epsilon')?.f ?? EPSILON;
    if (!(epsilon > 0) || Math.fround(epsilon) === Math.fround(EPSILON)) continue;
    const factor = Math.sqrt(EPSILON / epsilon);
    const source = node.input?.[0] ?? '';
    const maker = graph.node?.find((one) => one.output?.[0] === source);
    const conv = maker && plainConv(graph, maker);
    const only = countReaders(graph, source) === 1 && !outputs.has(source);
    const normalization = { ...node, attribute: [...others(node, 'epsilon'), epsilonAttribute()] };
    if (conv !== undefined && only && !replaced.has(conv.node)) {
      const { dims, weights, bias } = conv.kernel;
      const [weightName, biasName] = [`epsilon/weights/${at}`, `epsilon/bias/${at}`];
      added.push(float32Tensor(weightName, dims, scaled(weights, factor)));
      const hasBias = Boolean(conv.node.input?.[2]);
      if (hasBias) added.push(float32Tensor(biasName, [bias.length], scaled(bias, factor)));
      const input = [conv.node.input?.[0] ?? '', weightName, ...(hasBias ? [biasName] : [])];
      replaced.set(conv.node, [{ ...conv.node, input }]);
      replaced.set(node, [normalization]);
    } else {
      const [by, product] = [`epsilon/factor/${at}`, `epsilon/scaled/${at}`];
      added.push(float32Tensor(by, [], [factor]));
      const input = [product, ...(node.input ?? []).slice(1)];
      replaced.set(node, [
        { opType: 'Mul', input: [source, by], output: [product] },
        { ...normalization, input },
      ]);
    }
  }
  return {
    ...graph,
    node: (graph.node ?? []).flatMap((node) => replaced.get(node) ?? [node]),
    initializer: [...(graph.initializer ?? []), ...added],
  };
}

function scaled(values: ArrayLike<number>, factor: number): Float32Array {
  return Float32Array.from(values, (value) => value * factor);
}

function others({ attribute: all }: NodeProto, name: string) {
  return (all ?? []).filter((one) => one.name !== name);
}

function epsilonAttribute() {
  return { name: 'epsilon', type: AttributeType.float, f: EPSILON };
}
