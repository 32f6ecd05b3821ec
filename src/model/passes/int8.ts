import { isRefusal, type Refusal } from '../../system/refusal.js';
import { withoutUnread } from '../graph/graph-reading.js';
import { prefixed } from '../graph/inline.js';
import {
  attribute,
  DataType,
  decodeModel,
  dimsOf,
  encodeModel,
  float32Tensor,
  float32Values,
  type GraphProto,
  intAttribute,
  intsAttribute,
  type NodeProto,
  opsetOf,
  stringAttribute,
  type TensorProto,
  walkGraphs,
} from '../graph/onnx.js';
import type { ChannelRange, Int8Conv } from '../load/ranges.js';

/** A composed graph with convolutions in int8, or why there is none. */
export type Int8Graph = { readonly bytes: Uint8Array } | Refusal;

/** The first operator set with QuantizeLinear and DequantizeLinear per channel. */
const LEAST_OPSET = 13;
/** The range of a channel that never changes, to avoid a division by 0. */
const LEAST_RANGE = 1e-6;
/** The largest byte, and the largest weight: symmetrical, so that both signs are equally exact. */
const LEVELS = 255;
const WEIGHT_LEVELS = 127;
const INT32 = 2 ** 31;

/**
 * Converts the convolutions `convs` of a composed graph to int8: unsigned bytes in and out, signed bytes as
 * weights.
 *
 * Every input and output channel has its own step. Those of the inputs go into the weights, whose steps are
 * per output channel. The least value of an output channel becomes byte 0; an instance norm, which must
 * follow, removes this offset. Quantisation comes before padding and upsampling; a ReLU before them becomes
 * the clipping at byte 0.
 */
export function toInt8(bytes: Uint8Array, convs: readonly Int8Conv[]): Int8Graph {
  const model = decodeModel(bytes);
  let graph: GraphProto = model.graph ?? {};
  const opset = opsetOf(model) ?? 0;
  if (opset < LEAST_OPSET) return { refusal: `its operator set is ${opset}, not ${LEAST_OPSET} or later` };
  for (const [at, conv] of convs.entries()) {
    const found = plan(graph, conv);
    if (isRefusal(found)) return { refusal: `${found.refusal} (weights "${conv.weight}")` };
    graph = rewritten(graph, found, `int8/${at}/`);
  }
  return { bytes: encodeModel({ ...model, graph: withoutUnreadRelus(graph) }) };
}

/** The plan for one convolution. */
interface Plan {
  readonly conv: NodeProto;
  /** The value to quantise. */
  readonly source: string;
  /** The nodes between it and the convolution, which will move bytes: padding, upsampling. */
  readonly moving: readonly NodeProto[];
  readonly numbers: QuantisedKernel;
}

function plan(graph: GraphProto, conv: Int8Conv): Plan | Refusal {
  const found = planOrReason(graph, conv);
  return typeof found === 'string' ? { refusal: found } : found;
}

function planOrReason(graph: GraphProto, { weight, input, output }: Int8Conv): Plan | string {
  const readers = readersOf(graph, prefixed(weight));
  const [conv] = readers;
  if (conv?.opType !== 'Conv' || readers.length !== 1 || conv.input?.[1] !== prefixed(weight))
    return 'these weights do not belong to exactly one convolution';
  if (intAttribute(conv, 'group', 1) !== 1 || conv.input?.[2]) return 'it is grouped, or has a bias';
  const padding = intsAttribute(conv, 'pads')?.some((pad) => pad !== 0);
  if (padding || stringAttribute(conv, 'auto_pad', 'NOTSET') !== 'NOTSET') return 'it pads with zeros';
  const norms = readersOf(graph, conv.output?.[0] ?? '');
  if (norms.length !== 1 || norms[0]?.opType !== 'InstanceNormalization')
    return 'its result is not read by exactly one instance norm';
  const tensor = graph.initializer?.find((one) => one.name === conv.input?.[1]);
  const values = tensor && float32Values(tensor);
  if (tensor === undefined || values === undefined) return 'its weights are not float32 values in the file';
  const dims = dimsOf(tensor);
  if (dims.length !== 4 || dims[0] !== output.low.length || dims[1] !== input.low.length)
    return `its weights are [${dims.join(', ')}], and the ranges are for other numbers of channels`;
  const numbers = quantiseKernel(values, dims, input, output);
  if (!numbers.offsets.every((one) => Math.abs(one) < INT32)) return 'its ranges are far beyond its weights';
  return { conv, ...bytesFrom(graph, conv, input), numbers };
}

/** Finds the first value that can be quantised: nodes that only pick samples can move bytes as well. */
function bytesFrom(
  graph: GraphProto,
  conv: NodeProto,
  { low }: ChannelRange,
): Pick<Plan, 'source' | 'moving'> {
  const moving: NodeProto[] = [];
  let source = conv.input?.[0] ?? '';
  for (;;) {
    const maker = graph.node?.find((node) => node.output?.includes(source));
    if (maker === undefined || readersOf(graph, source).length !== 1) return { source, moving };
    if (picksSamples(maker)) moving.unshift(maker);
    else if (maker.opType !== 'Relu' || low.some((one) => one < 0)) return { source, moving };
    source = maker.input?.[0] ?? '';
    if (maker.opType === 'Relu') return { source, moving };
  }
}

function picksSamples(node: NodeProto): boolean {
  if (node.opType === 'Pad') return stringAttribute(node, 'mode', 'constant') !== 'constant';
  return node.opType === 'Resize' && stringAttribute(node, 'mode', 'nearest') === 'nearest';
}

/** The parameters of a convolution in int8. */
export interface QuantisedKernel {
  /** Per input channel: value = step * (byte - zero). */
  readonly inputSteps: readonly number[];
  readonly inputZeros: readonly number[];
  /** In the order of the kernel, -127..127. */
  readonly weights: readonly number[];
  /** Per output channel: the number added to its sum of products. */
  readonly offsets: readonly number[];
  /** Per output channel: the factor from a sum to a byte. */
  readonly factors: readonly number[];
  /** Per output channel: value = step * byte + the channel's least value. */
  readonly outputSteps: readonly number[];
}

/** Quantises a kernel [outputs, inputs, height, width] by the ranges of its input and output channels. */
export function quantiseKernel(
  kernel: ArrayLike<number>,
  dims: readonly number[],
  input: ChannelRange,
  output: ChannelRange,
): QuantisedKernel {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = dims;
  const area = height * width;
  // Zero, the most frequent result of ReLU, must be exact.
  const lows = input.low.map((low) => Math.min(low, 0));
  const inputSteps = lows.map((low, at) => step(low, Math.max(input.high[at] ?? 0, 0)));
  const inputZeros = lows.map((low, at) => Math.round(-low / (inputSteps[at] ?? 1)));
  const outputSteps = output.low.map((low, at) => step(low, output.high[at] ?? 0));
  const weights = new Array<number>(outputs * inputs * area);
  const offsets: number[] = [];
  const factors: number[] = [];
  for (let out = 0; out < outputs; out++) {
    const first = out * inputs * area;
    const scaled = Array.from(
      { length: inputs * area },
      (_, at) => (kernel[first + at] ?? 0) * (inputSteps[Math.floor(at / area)] ?? 0),
    );
    const largest = scaled.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    const unit = largest === 0 ? 1 : largest / WEIGHT_LEVELS;
    let ofZeros = 0;
    for (const [at, one] of scaled.entries()) {
      const weight = Math.round(one / unit);
      weights[first + at] = weight;
      ofZeros += weight * (inputZeros[Math.floor(at / area)] ?? 0);
    }
    offsets.push(Math.round(-(output.low[out] ?? 0) / unit) - ofZeros);
    factors.push(unit / (outputSteps[out] ?? 1));
  }
  return { inputSteps, inputZeros, weights, offsets, factors, outputSteps };
}

function step(low: number, high: number): number {
  return Math.max(high - low, LEAST_RANGE) / LEVELS;
}

/** Replaces the nodes of a plan. All new names begin with `prefix`. */
function rewritten(graph: GraphProto, { conv, source, moving, numbers }: Plan, prefix: string): GraphProto {
  const initializers: TensorProto[] = [];
  const add = (tensor: TensorProto): string => {
    initializers.push(tensor);
    return tensor.name ?? '';
  };
  const bytes = (name: string, dims: readonly number[], values: readonly number[]) =>
    add(bytesTensor(DataType.uint8, `${prefix}${name}`, dims, values));
  const floats = (name: string, dims: readonly number[], values: readonly number[]) =>
    add(float32Tensor(`${prefix}${name}`, dims, values));
  const { inputSteps, inputZeros, outputSteps, factors, weights, offsets } = numbers;
  const channels = [outputSteps.length];
  const name = (which: string) => ({ name: `${prefix}${which}`, output: [`${prefix}${which}`] });
  const axis = { name: 'axis', type: 2, i: 1 };

  const quantise: NodeProto = {
    ...name('bytes'),
    opType: 'QuantizeLinear',
    input: [
      source,
      floats('inputSteps', [inputSteps.length], inputSteps),
      bytes('inputZeros', [inputZeros.length], inputZeros),
    ],
    attribute: [axis],
  };
  let value = `${prefix}bytes`;
  const moved = moving.map((node, at): [NodeProto, NodeProto] => {
    const own = { ...node, ...name(`moved${at}`), input: [value, ...(node.input ?? []).slice(1)] };
    value = `${prefix}moved${at}`;
    return [node, own];
  });
  const [one, none] = [floats('one', [], [1]), bytes('none', [], [0])];
  const convolve: NodeProto = {
    ...name('convolved'),
    opType: 'QLinearConv',
    input: [
      ...[value, one, none],
      add(bytesTensor(DataType.int8, `${prefix}weights`, dimsOf(kernelOf(graph, conv)), weights)),
      floats('factors', channels, factors),
      add(
        bytesTensor(
          DataType.int8,
          `${prefix}zeros`,
          channels,
          offsets.map(() => 0),
        ),
      ),
      ...[one, none],
      add(int32Tensor(`${prefix}offsets`, offsets)),
    ],
    attribute: ['dilations', 'kernel_shape', 'strides'].flatMap((key) => attribute(conv, key) ?? []),
  };
  const dequantise: NodeProto = {
    name: `${prefix}floats`,
    output: [...(conv.output ?? [])],
    opType: 'DequantizeLinear',
    input: [`${prefix}convolved`, floats('outputSteps', channels, outputSteps)],
    attribute: [axis],
  };
  const replaced = new Map<NodeProto, readonly NodeProto[]>(moved.map(([old, own]) => [old, [own]]));
  replaced.set(conv, [convolve, dequantise]);
  const first = moving[0] ?? conv;
  replaced.set(first, [quantise, ...(replaced.get(first) ?? [])]);
  return {
    ...graph,
    node: (graph.node ?? []).flatMap((node) => replaced.get(node) ?? [node]),
    initializer: [...(graph.initializer ?? []), ...initializers],
  };
}

function kernelOf(graph: GraphProto, conv: NodeProto): TensorProto {
  return graph.initializer?.find((one) => one.name === conv.input?.[1]) ?? {};
}

/** Returns the graph without the ReLUs and initializers that nothing reads. */
function withoutUnreadRelus(graph: GraphProto): GraphProto {
  const node = (graph.node ?? []).filter(
    ({ opType, output }) => opType !== 'Relu' || readersOf(graph, output?.[0] ?? '').length > 0,
  );
  return withoutUnread({ ...graph, node });
}

/**
 * Returns the nodes that read a value, once per use; outputs of the graph and of inner graphs count as nodes.
 */
function readersOf(graph: GraphProto, value: string): readonly NodeProto[] {
  const found: NodeProto[] = [];
  walkGraphs(graph, (inner) => {
    for (const node of inner.node ?? [])
      for (const name of node.input ?? []) if (name === value) found.push(node);
    for (const one of inner.output ?? []) if (one.name === value) found.push({});
  });
  return found;
}

function bytesTensor(
  dataType: number,
  name: string,
  dims: readonly number[],
  values: readonly number[],
): TensorProto {
  return { name, dataType, dims: [...dims], rawData: Uint8Array.from(values) };
}

function int32Tensor(name: string, values: readonly number[]): TensorProto {
  const data = Int32Array.from(values);
  return { name, dataType: DataType.int32, dims: [values.length], rawData: new Uint8Array(data.buffer) };
}
