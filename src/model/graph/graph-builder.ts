import {
  type AttributeProto,
  AttributeType,
  DataType,
  elements,
  float32Tensor,
  type GraphProto,
  int64Tensor,
  type NodeProto,
  type TensorProto,
  walkGraphs,
} from './onnx.js';

export interface ConvSpec {
  /** Conv: [out, in, kh, kw]; ConvTranspose: [in, out, kh, kw]. */
  readonly dims: readonly [number, number, number, number];
  readonly weights: readonly number[];
  readonly bias: readonly number[];
  /** Both directions; default 1. */
  readonly stride?: number;
  /** Top, left, bottom, right; default none. */
  readonly pads?: readonly [number, number, number, number];
}

/**
 * Collects nodes and initializers. A method that adds a node returns the name of its output. Uses only
 * operators that the CPU and CUDA providers run on the types used here, in the form of the model's operator
 * set. Names contain no `/`, so they never collide with those of a network inlined under a prefix that ends
 * in one.
 */
export interface GraphBuilder {
  node(opType: string, inputs: readonly string[], attributes?: readonly AttributeProto[]): string;
  /** Adds the nodes and initializers of another graph. */
  include(graph: GraphProto): void;
  floats(dims: readonly number[], values: readonly number[]): string;
  bytes(dims: readonly number[], values: readonly number[]): string;
  int32s(dims: readonly number[], values: readonly number[]): string;
  /** Adds a tensor float [N, C, ...] with one value in each channel. */
  fill(dims: readonly number[], channels: readonly number[]): string;
  /** Adds zeros, by default of type uint8. */
  zeroBytes(dims: readonly number[], type?: 'uint8' | 'uint16'): string;
  reshape(x: string, dims: readonly number[]): string;
  transpose(x: string, order: readonly number[]): string;
  concat(inputs: readonly string[], axis: number): string;
  /** Adds a slice: elements `from` (included) to `to` (excluded) along one axis. */
  slice(x: string, axis: number, from: number, to: number): string;
  gather(x: string, axis: number, indices: readonly number[]): string;
  /** Likewise, for indices that the graph works out: int32 or int64 of any shape, which replaces the axis. */
  gatherAt(x: string, axis: number, indices: string): string;
  /**
   * Adds the values at places, int32 of `dims`, in the order in which a tensor is stored. On CPUs ten times
   * as fast as `gatherAt` if the operator set has GatherElements.
   */
  take(x: string, places: string, dims: readonly number[]): string;
  /** Adds a dimension of size 1. */
  unsqueeze(x: string, axis: number): string;
  cast(x: string, type: keyof typeof DataType): string;
  clip(x: string, low: number, high: number): string;
  /**
   * Adds x * factor + offset; no node if that is x. `factor` and `offset` broadcast: [] or e.g. [1, 3, 1, 1].
   */
  scaleAndShift(
    x: string,
    dims: readonly number[],
    factor: readonly number[],
    offset: readonly number[],
  ): string;
  /** Adds the mean along `axes`, which stay as dimensions of 1. */
  mean(x: string, axes: readonly number[]): string;
  /** Adds a border of `value`. `pads` are the widths at the start of each axis, then those at the end. */
  pad(x: string, pads: readonly number[], value: number): string;
  /** Adds the means of squares of `side` samples, `stride` apart; a `pad` counts for none. */
  averagePool(x: string, side: number, stride: number, pad: number): string;
  /** Adds the largest of squares of `side` samples, likewise. */
  maxPool(x: string, side: number, stride: number, pad: number): string;
  /** Adds the index of the least value along an axis, which stays as 1: int64, the first of equal ones. */
  argMin(x: string, axis: number): string;
  conv(x: string, spec: ConvSpec): string;
  convTranspose(x: string, spec: ConvSpec): string;
  /** Renames the output `x` of a node to `name`. No node may read `x`. */
  nameOutput(x: string, name: string): void;
  /** Returns the collected graph, without the initializers that nothing reads. */
  graph(): Pick<GraphProto, 'node' | 'initializer' | 'sparseInitializer' | 'quantizationAnnotation'>;
}

/**
 * Creates a builder. `opset` is the version of the default operator set in which the nodes must be valid: 7
 * or later.
 */
export function createGraphBuilder(opset: number): GraphBuilder {
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [];
  const included: GraphProto[] = [];
  let count = 0;

  const node = (opType: string, inputs: readonly string[], attributes: readonly AttributeProto[] = []) => {
    const name = `${opType}_${count++}`;
    nodes.push({ opType, name, input: [...inputs], output: [name], attribute: [...attributes] });
    return name;
  };
  const floats = (dims: readonly number[], values: readonly number[]) => {
    if (values.length !== elements(dims)) throw new Error(`${values.length} values for a tensor [${dims}]`);
    const name = `floats_${count++}`;
    initializers.push(float32Tensor(name, dims, values));
    return name;
  };
  const integers = (values: readonly number[]) => {
    const name = `integers_${count++}`;
    initializers.push(int64Tensor(name, [values.length], values));
    return name;
  };
  const convolve = (opType: 'Conv' | 'ConvTranspose', x: string, spec: ConvSpec) => {
    const { dims, weights, bias, stride = 1, pads = [0, 0, 0, 0] } = spec;
    return node(
      opType,
      [x, floats(dims, weights), floats([bias.length], bias)],
      [ints('kernel_shape', dims.slice(2)), ints('strides', [stride, stride]), ints('pads', pads)],
    );
  };

  const pool = (opType: string, x: string, side: number, stride: number, pad: number) =>
    node(
      opType,
      [x],
      [
        ints('kernel_shape', [side, side]),
        ints('strides', [stride, stride]),
        ints('pads', [pad, pad, pad, pad]),
      ],
    );

  return {
    node,
    include(graph) {
      included.push(graph);
      for (const one of graph.node ?? []) nodes.push(one);
      for (const one of graph.initializer ?? []) initializers.push(one);
    },
    floats,
    bytes(dims, values) {
      const name = `bytes_${count++}`;
      initializers.push({
        name,
        dataType: DataType.uint8,
        dims: [...dims],
        rawData: Uint8Array.from(values),
      });
      return name;
    },
    int32s(dims, values) {
      const name = `integers_${count++}`;
      const rawData = new Uint8Array(Int32Array.from(values).buffer);
      initializers.push({ name, dataType: DataType.int32, dims: [...dims], rawData });
      return name;
    },
    fill(dims, channels) {
      const ones = [1, channels.length, ...dims.slice(2).map(() => 1)];
      return node('Expand', [floats(ones, channels), integers(dims)]);
    },
    zeroBytes(dims, type = 'uint8') {
      const rawData = new Uint8Array(type === 'uint8' ? 1 : 2);
      const t = { dataType: DataType[type], dims: [1], rawData };
      return node('ConstantOfShape', [integers(dims)], [{ name: 'value', type: AttributeType.tensor, t }]);
    },
    reshape: (x, dims) => node('Reshape', [x, integers(dims)]),
    transpose: (x, order) => node('Transpose', [x], [ints('perm', order)]),
    concat: (inputs, axis) => node('Concat', inputs, [int('axis', axis)]),
    slice(x, axis, from, to) {
      return opset >= 10
        ? node('Slice', [x, integers([from]), integers([to]), integers([axis])])
        : node('Slice', [x], [ints('starts', [from]), ints('ends', [to]), ints('axes', [axis])]);
    },
    gather: (x, axis, indices) => node('Gather', [x, integers(indices)], [int('axis', axis)]),
    gatherAt: (x, axis, indices) => node('Gather', [x, indices], [int('axis', axis)]),
    take(x, places, dims) {
      const [flat, all] = [x, places].map((one) => node('Reshape', [one, integers([-1])])) as [
        string,
        string,
      ];
      const found = node(opset >= 11 ? 'GatherElements' : 'Gather', [flat, all], [int('axis', 0)]);
      return node('Reshape', [found, integers(dims)]);
    },
    unsqueeze(x, axis) {
      return opset >= 13
        ? node('Unsqueeze', [x, integers([axis])])
        : node('Unsqueeze', [x], [ints('axes', [axis])]);
    },
    cast: (x, type) => node('Cast', [x], [int('to', DataType[type])]),
    clip(x, low, high) {
      return opset >= 11
        ? node('Clip', [x, floats([], [low]), floats([], [high])])
        : node('Clip', [x], [float('min', low), float('max', high)]);
    },
    scaleAndShift(x, dims, factor, offset) {
      const scaled = factor.every((one) => one === 1) ? x : node('Mul', [x, floats(dims, factor)]);
      return offset.every((one) => one === 0) ? scaled : node('Add', [scaled, floats(dims, offset)]);
    },
    mean(x, axes) {
      return opset >= 18
        ? node('ReduceMean', [x, integers(axes)])
        : node('ReduceMean', [x], [ints('axes', axes)]);
    },
    pad(x, pads, value) {
      return opset >= 11
        ? node('Pad', [x, integers(pads), floats([], [value])])
        : node('Pad', [x], [ints('pads', pads), float('value', value)]);
    },
    averagePool: (x, side, stride, pad) => pool('AveragePool', x, side, stride, pad),
    maxPool: (x, side, stride, pad) => pool('MaxPool', x, side, stride, pad),
    argMin: (x, axis) => node('ArgMin', [x], [int('axis', axis)]),
    conv: (x, spec) => convolve('Conv', x, spec),
    convTranspose: (x, spec) => convolve('ConvTranspose', x, spec),
    nameOutput(x, name) {
      const maker = nodes.find((one) => one.output?.[0] === x);
      if (maker?.output === undefined || maker.output === null) throw new Error(`no node makes ${x}`);
      maker.output[0] = name;
    },
    graph() {
      const read = new Set<string>();
      walkGraphs({ node: nodes }, (inner) => {
        for (const one of inner.node ?? []) for (const name of one.input ?? []) read.add(name);
        for (const one of inner.output ?? []) read.add(one.name ?? '');
      });
      return {
        node: nodes,
        initializer: initializers.filter((one) => read.has(one.name ?? '')),
        sparseInitializer: included.flatMap((one) => one.sparseInitializer ?? []),
        quantizationAnnotation: included.flatMap((one) => one.quantizationAnnotation ?? []),
      };
    },
  };
}

function int(name: string, value: number): AttributeProto {
  return { name, type: AttributeType.int, i: value };
}

function ints(name: string, values: readonly number[]): AttributeProto {
  return { name, type: AttributeType.ints, ints: [...values] };
}

function float(name: string, value: number): AttributeProto {
  return { name, type: AttributeType.float, f: value };
}
