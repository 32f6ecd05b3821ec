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

/** A composed graph with convolutions in int8, or the reason why there is none. */
export type Int8Graph = { readonly bytes: Uint8Array } | { readonly obstacle: string };

/** QuantizeLinear and DequantizeLinear by channel. */
const LEAST_OPSET = 13;
/** A channel that never changed is given a range of this, so that there is something to divide by. */
const LEAST_RANGE = 1e-6;
/** Largest byte, and largest weight: symmetrical, so that the same number of either sign is as exact. */
const LEVELS = 255;
const WEIGHT_LEVELS = 127;
const INT32 = 2 ** 31;

/**
 * A composed graph whose convolutions `convs` take unsigned bytes, have signed bytes for weights and give unsigned bytes.
 *
 * Every channel has a step of its own on both sides: of the inputs it goes into the weights, whose own steps are by output
 * channel. Each output's least value becomes the byte 0, and what that adds to the channel an instance norm, which must
 * follow, takes out again. Bytes are made before padding and enlarging, and a ReLU before that is the clipping at byte 0.
 */
export function toInt8(bytes: Uint8Array, convs: readonly Int8Conv[]): Int8Graph {
  const model = decodeModel(bytes);
  let graph: GraphProto = model.graph ?? {};
  const opset = opsetOf(model) ?? 0;
  if (opset < LEAST_OPSET) return { obstacle: `its operator set is ${opset}, not ${LEAST_OPSET} or later` };
  for (const [at, conv] of convs.entries()) {
    const found = plan(graph, conv);
    if (typeof found === 'string') return { obstacle: `${found} (weights "${conv.weight}")` };
    graph = rewritten(graph, found, `int8/${at}/`);
  }
  return { bytes: encodeModel({ ...model, graph: withoutUnread(graph) }) };
}

/** What is done for one convolution. */
interface Plan {
  readonly conv: NodeProto;
  /** What bytes are made of. */
  readonly source: string;
  /** Nodes between there and the convolution, which bytes go through: padding, enlarging. */
  readonly moving: readonly NodeProto[];
  readonly numbers: QuantisedKernel;
}

function plan(graph: GraphProto, { weight, before, behind }: Int8Conv): Plan | string {
  const readers = readersOf(graph, prefixed(weight));
  const [conv] = readers;
  if (conv?.opType !== 'Conv' || readers.length !== 1 || conv.input?.[1] !== prefixed(weight))
    return 'no convolution has these weights for itself';
  if (intAttribute(conv, 'group', 1) !== 1 || conv.input?.[2]) return 'it is in groups, or adds a bias';
  const padding = intsAttribute(conv, 'pads')?.some((pad) => pad !== 0);
  if (padding || stringAttribute(conv, 'auto_pad', 'NOTSET') !== 'NOTSET') return 'it pads with zeros';
  const norms = readersOf(graph, conv.output?.[0] ?? '');
  if (norms.length !== 1 || norms[0]?.opType !== 'InstanceNormalization')
    return 'no instance norm follows it alone';
  const tensor = graph.initializer?.find((one) => one.name === conv.input?.[1]);
  const values = tensor && float32Values(tensor);
  if (tensor === undefined || values === undefined) return 'its weights are no float32 numbers of the file';
  const dims = dimsOf(tensor);
  if (dims.length !== 4 || dims[0] !== behind.low.length || dims[1] !== before.low.length)
    return `its weights are [${dims.join(', ')}], and the ranges are for other numbers of channels`;
  const numbers = quantiseKernel(values, dims, before, behind);
  if (!numbers.offsets.every((one) => Math.abs(one) < INT32)) return 'its ranges are far beyond its weights';
  return { conv, ...bytesFrom(graph, conv, before), numbers };
}

/** How far up bytes can go: they take the same way through what only picks samples. */
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

/** The numbers of a convolution in int8. */
export interface QuantisedKernel {
  /** Of each input channel: value = step * (byte - zero). */
  readonly inputSteps: readonly number[];
  readonly inputZeros: readonly number[];
  /** As the kernel lies, -127..127. */
  readonly weights: readonly number[];
  /** Of each output channel: what is added to its sum of products. */
  readonly offsets: readonly number[];
  /** Of each output channel: by how much a sum is multiplied to be a byte. */
  readonly factors: readonly number[];
  /** Of each output channel: value = step * byte, and the least value of the channel. */
  readonly outputSteps: readonly number[];
}

/** Quantises a kernel [outputs, inputs, height, width] by the ranges of what goes in and comes out. */
export function quantiseKernel(
  kernel: ArrayLike<number>,
  dims: readonly number[],
  before: ChannelRange,
  behind: ChannelRange,
): QuantisedKernel {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = dims;
  const area = height * width;
  // Zero, which ReLU gives most of the time, is to be a byte.
  const lows = before.low.map((low) => Math.min(low, 0));
  const inputSteps = lows.map((low, at) => step(low, Math.max(before.high[at] ?? 0, 0)));
  const inputZeros = lows.map((low, at) => Math.round(-low / (inputSteps[at] ?? 1)));
  const outputSteps = behind.low.map((low, at) => step(low, behind.high[at] ?? 0));
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
    offsets.push(Math.round(-(behind.low[out] ?? 0) / unit) - ofZeros);
    factors.push(unit / (outputSteps[out] ?? 1));
  }
  return { inputSteps, inputZeros, weights, offsets, factors, outputSteps };
}

function step(low: number, high: number): number {
  return Math.max(high - low, LEAST_RANGE) / LEVELS;
}

/** Puts a plan's nodes in place of what they stand for. `prefix` begins the names of all that is new. */
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

/** Without the numbers and the ReLUs that nothing reads any more. */
function withoutUnread(graph: GraphProto): GraphProto {
  const node = (graph.node ?? []).filter(
    ({ opType, output }) => opType !== 'Relu' || readersOf(graph, output?.[0] ?? '').length > 0,
  );
  const read = new Set<string>();
  walkGraphs({ node }, (inner) => {
    for (const one of inner.node ?? []) for (const name of one.input ?? []) read.add(name);
    for (const one of inner.output ?? []) read.add(one.name ?? '');
  });
  return { ...graph, node, initializer: graph.initializer?.filter((one) => read.has(one.name ?? '')) ?? [] };
}

/** The nodes that read a value, once for each time; the graph's own outputs and inner graphs count as some. */
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
