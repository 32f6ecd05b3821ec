import type { Affine } from './colour.js';
import type { GraphBuilder } from './graph-builder.js';
import {
  attribute,
  dimsOf,
  float32Values,
  type GraphProto,
  intAttribute,
  intsAttribute,
  intValues,
  type NodeProto,
  stringAttribute,
  type TensorProto,
  walkGraphs,
} from './onnx.js';

/**
 * Puts a per-pixel linear map of the channels before the convolution that reads `input`, into its weights: none of it
 * is left to be done per frame. Only where that is exact: one reader, its padding (if any) made of the input's own
 * samples, weights in the file.
 *
 * @returns the graph with that one convolution rewritten (its new weights are in `builder`), undefined if it cannot be.
 */
export function foldIntoFirst(
  graph: GraphProto,
  input: string,
  map: Affine,
  builder: GraphBuilder,
): GraphProto | undefined {
  const reader = soleReader(graph, input);
  if (reader === undefined) return undefined;
  const isPad = reader.opType === 'Pad' && isDefaultDomain(reader) && repeatsSamples(graph, reader);
  const conv = isPad ? soleReader(graph, reader.output?.[0] ?? '') : reader;
  if (conv === undefined || conv.input?.[0] !== (isPad ? reader.output?.[0] : input)) return undefined;
  const kernel = plainConv(graph, conv);
  if (kernel === undefined || padsWithZeros(conv, kernel) || kernel.inputs !== map.rows.length)
    return undefined;

  const { outputs, inputs, area } = kernel;
  const weights = new Float64Array(outputs * inputs * area);
  const bias = Float64Array.from(kernel.bias);
  for (let out = 0; out < outputs; out++) {
    for (const [channel, row] of map.rows.entries()) {
      for (let tap = 0; tap < area; tap++) {
        const weight = kernel.weights[(out * inputs + channel) * area + tap] ?? 0;
        bias[out] = (bias[out] ?? 0) + weight * (map.offset[channel] ?? 0);
        for (const [source, factor] of row.entries()) {
          const at = (out * inputs + source) * area + tap;
          weights[at] = (weights[at] ?? 0) + weight * factor;
        }
      }
    }
  }
  return withKernel(graph, conv, { ...kernel, weights, bias }, builder);
}

/** The same after the convolution that makes `output`, whatever its padding. */
export function foldIntoLast(
  graph: GraphProto,
  output: string,
  map: Affine,
  builder: GraphBuilder,
): GraphProto | undefined {
  const conv = graph.node?.find((node) => node.output?.includes(output));
  if (conv === undefined || countReaders(graph, output) > 0) return undefined;
  const kernel = plainConv(graph, conv);
  if (kernel === undefined || kernel.outputs !== map.rows.length) return undefined;

  const each = kernel.inputs * kernel.area;
  const weights = new Float64Array(kernel.outputs * each);
  const bias = Float64Array.from(map.offset);
  for (const [out, row] of map.rows.entries()) {
    for (const [source, factor] of row.entries()) {
      bias[out] = (bias[out] ?? 0) + factor * (kernel.bias[source] ?? 0);
      for (let at = 0; at < each; at++) {
        weights[out * each + at] =
          (weights[out * each + at] ?? 0) + factor * (kernel.weights[source * each + at] ?? 0);
      }
    }
  }
  return withKernel(graph, conv, { ...kernel, weights, bias }, builder);
}

interface Kernel {
  readonly dims: readonly number[];
  readonly outputs: number;
  readonly inputs: number;
  /** Taps: kernel height times width. */
  readonly area: number;
  readonly weights: ArrayLike<number>;
  readonly bias: ArrayLike<number> & Iterable<number>;
}

/** The kernel of an ungrouped two-dimensional Conv whose float32 numbers are in the file. */
function plainConv(graph: GraphProto, node: NodeProto): Kernel | undefined {
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
  return { dims, outputs, inputs, area: height * width, weights, bias };
}

function padsWithZeros(conv: NodeProto, kernel: Kernel): boolean {
  const mode = stringAttribute(conv, 'auto_pad', 'NOTSET');
  if (mode === 'VALID' || kernel.area === 1)
    return (intsAttribute(conv, 'pads') ?? []).some((pad) => pad !== 0);
  return mode !== 'NOTSET' || (intsAttribute(conv, 'pads') ?? []).some((pad) => pad !== 0);
}

/** A Pad of height and width by reflection or repetition: a map of the channels goes through it unchanged. */
function repeatsSamples(graph: GraphProto, pad: NodeProto): boolean {
  const mode = stringAttribute(pad, 'mode', 'constant');
  if (mode !== 'reflect' && mode !== 'edge' && mode !== 'wrap') return false;
  if (pad.input?.[3]) return false; // an `axes` input: rare, and then the order of the amounts is another
  const amounts = intsAttribute(pad, 'pads') ?? constantInts(graph, pad.input?.[1]);
  return amounts?.length === 8 && [0, 1, 4, 5].every((at) => amounts[at] === 0);
}

function withKernel(graph: GraphProto, conv: NodeProto, kernel: Kernel, builder: GraphBuilder): GraphProto {
  const weights = builder.floats(kernel.dims, Array.from(kernel.weights));
  const bias = builder.floats([kernel.outputs], Array.from(kernel.bias));
  const rewritten: NodeProto = { ...conv, input: [conv.input?.[0] ?? '', weights, bias] };
  return { ...graph, node: (graph.node ?? []).map((node) => (node === conv ? rewritten : node)) };
}

function soleReader(graph: GraphProto, value: string): NodeProto | undefined {
  if (countReaders(graph, value) !== 1) return undefined;
  return graph.node?.find((node) => node.input?.includes(value));
}

/** Uses of a value: by nodes, those of inner graphs too, and as a result of the graph. */
function countReaders(graph: GraphProto, value: string): number {
  let count = 0;
  walkGraphs(graph, (inner) => {
    for (const node of inner.node ?? []) count += node.input?.filter((name) => name === value).length ?? 0;
    if (inner !== graph) count += inner.output?.filter((one) => one.name === value).length ?? 0;
  });
  return count;
}

function initializer(graph: GraphProto, name: string | undefined): TensorProto | undefined {
  return name ? graph.initializer?.find((one) => one.name === name) : undefined;
}

function constantInts(graph: GraphProto, name: string | undefined): number[] | undefined {
  const maker = graph.node?.find((node) => node.opType === 'Constant' && node.output?.[0] === name);
  const tensor = maker === undefined ? initializer(graph, name) : attribute(maker, 'value')?.t;
  return tensor ? intValues(tensor) : undefined;
}

function isDefaultDomain(node: NodeProto): boolean {
  return !node.domain || node.domain === 'ai.onnx';
}
