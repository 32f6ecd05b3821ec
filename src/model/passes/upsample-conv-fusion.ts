import {
  constantInts,
  countReaders,
  initializer,
  isDefaultDomain,
  type Kernel,
  plainConv,
} from '../graph/graph-reading.js';
import {
  AttributeType,
  attribute,
  float32Tensor,
  float32Values,
  type GraphProto,
  int64Tensor,
  intsAttribute,
  type NodeProto,
  stringAttribute,
  type TensorProto,
} from '../graph/onnx.js';
import { inferShapes, type Shapes } from '../graph/shapes.js';

/**
 * The first operator set with Resize's scales as its third input, and Pad and Slice with their amounts as
 * inputs.
 */
const LEAST_OPSET = 11;

/** Modes of Resize by the nearest sample that repeat each sample once in either direction. */
const REPEATING = new Set([
  'asymmetric floor',
  'asymmetric round_prefer_floor',
  'half_pixel round_prefer_floor',
  'half_pixel round_prefer_ceil',
  'pytorch_half_pixel round_prefer_floor',
  'pytorch_half_pixel round_prefer_ceil',
]);

/**
 * Moves 3x3 convolutions before a nearest-neighbour upsampling by 2. Each of the four pixels of a 2x2 block
 * sees only 2x2 different samples, so four 2x2 kernels give the same numbers, except for rounding, with 4/9
 * of the MACs, and no tensor of the large size is padded or stored.
 *
 * Only if all sizes are known and the convolution pads by one: with zeros, or by reflection or repetition,
 * which are the same after upsampling.
 *
 * @param inputDims dimensions of the graph's value `input`.
 * @param kept names of weights whose convolutions must stay.
 */
export function fuseUpsampleConvs(
  graph: GraphProto,
  opset: number,
  input: string,
  inputDims: readonly number[],
  kept: ReadonlySet<string>,
): GraphProto {
  if (opset < LEAST_OPSET) return graph;
  const shapes = inferShapes(graph, opset, input, inputDims);
  const found = (graph.node ?? [])
    .filter(({ input }) => !kept.has(input?.[1] ?? ''))
    .flatMap((node) => upsampledConv(graph, shapes, node) ?? []);
  return found.reduce((changed, one, at) => rewritten(changed, one, `enlarged/${at}/`), graph);
}

/** An upsampling, a padding (by a node or by the convolution), and a convolution. */
interface UpsampledConv {
  readonly resize: NodeProto;
  readonly pad: NodeProto | undefined;
  readonly conv: NodeProto;
  readonly kernel: Kernel;
  /** Dimensions before upsampling: [batch, inputs, height, width]. */
  readonly dims: readonly number[];
}

function upsampledConv(graph: GraphProto, shapes: Shapes, node: NodeProto): UpsampledConv | undefined {
  const plain = plainConv(graph, node);
  if (plain === undefined || !hasUnitSteps(node)) return undefined;
  const [, , height, width] = plain.kernel.dims;
  if (height !== 3 || width !== 3 || stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET')
    return undefined;
  const before = soleMaker(graph, node.input?.[0]);
  const padding = intsAttribute(node, 'pads') ?? [0, 0, 0, 0];
  const pad = before?.opType === 'Pad' ? before : undefined;
  if (!padding.every((one) => one === (pad === undefined ? 1 : 0))) return undefined;
  if (pad !== undefined && !repeatsOneSample(graph, pad)) return undefined;
  const resize = pad === undefined ? before : soleMaker(graph, pad.input?.[0]);
  if (resize === undefined || !repeatsEachSample(graph, resize)) return undefined;
  const dims = shapes.of(resize.input?.[0] ?? '')?.dims;
  return dims?.length === 4 ? { resize, pad, conv: node, kernel: plain.kernel, dims } : undefined;
}

/** Returns the node that makes `value`, if `value` has one reader only. */
function soleMaker(graph: GraphProto, value: string | undefined): NodeProto | undefined {
  if (!value || countReaders(graph, value) !== 1 || graph.output?.some((one) => one.name === value))
    return undefined;
  const maker = graph.node?.find((node) => node.output?.includes(value));
  return maker && isDefaultDomain(maker) ? maker : undefined;
}

function hasUnitSteps(conv: NodeProto): boolean {
  return ['strides', 'dilations'].every(
    (name) => intsAttribute(conv, name)?.every((one) => one === 1) ?? true,
  );
}

/**
 * Returns whether a node pads by one sample on all sides, by repetition or by reflection of a pair of equal
 * samples.
 */
function repeatsOneSample(graph: GraphProto, pad: NodeProto): boolean {
  const mode = stringAttribute(pad, 'mode', 'constant');
  if ((mode !== 'reflect' && mode !== 'edge') || pad.input?.[3]) return false;
  return constantInts(graph, pad.input?.[1])?.join() === '0,0,1,1,0,0,1,1';
}

function repeatsEachSample(graph: GraphProto, resize: NodeProto): boolean {
  if (resize.opType !== 'Resize' || resize.input?.[3]) return false;
  if (stringAttribute(resize, 'mode', 'nearest') !== 'nearest' || attribute(resize, 'axes')) return false;
  const coordinates = stringAttribute(resize, 'coordinate_transformation_mode', 'half_pixel');
  const nearest = stringAttribute(resize, 'nearest_mode', 'round_prefer_floor');
  if (!REPEATING.has(`${coordinates} ${nearest}`)) return false;
  const scales = constantTensor(graph, resize.input?.[2]);
  return scales !== undefined && float32Values(scales)?.join() === '1,1,2,2';
}

function constantTensor(graph: GraphProto, name: string | undefined): TensorProto | undefined {
  const maker = graph.node?.find((node) => node.opType === 'Constant' && node.output?.[0] === name);
  return maker === undefined ? initializer(graph, name) : (attribute(maker, 'value')?.t ?? undefined);
}

/**
 * Returns the four kernels as one: [outputs * 4, inputs, 2, 2]. The window at (i, j) covers rows i - 1 and i
 * of the small tensor: all that rows 2i - 1 and 2i of the result depend on; columns likewise. So the four
 * results of a window are a 2x2 block that begins one row and one column early, with row 2i - 1 as its upper
 * row.
 */
function fourKernels({ outputs, inputs, weights }: Kernel): Float64Array {
  const small = new Float64Array(outputs * 4 * inputs * 4);
  for (let at = 0; at < outputs * inputs * 4 * 9; at++) {
    const [tap, block, input] = [at % 9, Math.floor(at / 9) % 4, Math.floor(at / 36) % inputs];
    const output = Math.floor(at / (36 * inputs));
    const [row, column] = [tapIn(Math.floor(tap / 3), block < 2), tapIn(tap % 3, block % 2 === 0)];
    const to = 4 * ((4 * output + block) * inputs + input) + 2 * row + column;
    small[to] = (small[to] ?? 0) + (weights[9 * (output * inputs + input) + tap] ?? 0);
  }
  return small;
}

/**
 * Returns which of a window's two samples tap 0, 1 or 2 reads, for its first result (an odd row) or its
 * second.
 */
function tapIn(tap: number, first: boolean): 0 | 1 {
  return tap < (first ? 2 : 1) ? 0 : 1;
}

/** Replaces the nodes of `found`. All new names begin with `prefix`. */
function rewritten(graph: GraphProto, found: UpsampledConv, prefix: string): GraphProto {
  const { resize, pad, conv, kernel, dims } = found;
  const [batch = 0, , height = 0, width = 0] = dims;
  const initializers: TensorProto[] = [];
  const add = (tensor: TensorProto): string => {
    initializers.push(tensor);
    return tensor.name ?? '';
  };
  const floats = (name: string, dims: readonly number[], values: ArrayLike<number>) =>
    add(float32Tensor(`${prefix}${name}`, dims, values));
  const integers = (name: string, values: readonly number[]) =>
    add(int64Tensor(`${prefix}${name}`, [values.length], values));
  const named = (name: string) => ({ name: `${prefix}${name}`, output: [`${prefix}${name}`] });

  const source = resize.input?.[0] ?? '';
  const channels = 4 * kernel.outputs;
  const bias = Array.from({ length: channels }, (_, at) => kernel.bias[Math.floor(at / 4)] ?? 0);
  const reshaped = (name: string, from: string, dims: readonly number[]): NodeProto => ({
    ...named(name),
    opType: 'Reshape',
    input: [`${prefix}${from}`, integers(`${name}Dims`, dims)],
  });
  const transposed = (name: string, from: string, order: readonly number[]): NodeProto => ({
    ...named(name),
    opType: 'Transpose',
    input: [`${prefix}${from}`],
    attribute: [ints('perm', order)],
  });
  const [h, w, all] = [height + 1, width + 1, batch * kernel.outputs];
  // In two steps that each move whole runs or single samples: on CPUs several times faster than DepthToSpace.
  const interleaved = [
    reshaped('columns', 'convolved', [2 * all, 2, h * w]),
    transposed('columnsBeside', 'columns', [0, 2, 1]),
    reshaped('rows', 'columnsBeside', [all, 2, h, 2 * w]),
    transposed('rowsBelow', 'rows', [0, 2, 1, 3]),
    reshaped('early', 'rowsBelow', [batch, kernel.outputs, 2 * h, 2 * w]),
  ];
  const nodes: NodeProto[] = [
    ...(pad === undefined
      ? []
      : [
          {
            ...pad,
            ...named('padded'),
            input: [source, ...(pad.input ?? []).slice(1)],
            attribute: [mode('edge')],
          },
        ]),
    {
      ...named('convolved'),
      opType: 'Conv',
      input: [
        pad === undefined ? source : `${prefix}padded`,
        floats('weights', [channels, kernel.inputs, 2, 2], fourKernels(kernel)),
        floats('bias', [channels], bias),
      ],
      attribute: [ints('kernel_shape', [2, 2]), ints('pads', Array(4).fill(pad === undefined ? 1 : 0))],
    },
    ...interleaved,
    {
      name: `${prefix}enlarged`,
      output: [...(conv.output ?? [])],
      opType: 'Slice',
      input: [`${prefix}early`, integers('from', [1, 1]), integers('to', [-1, -1]), integers('axes', [2, 3])],
    },
  ];
  return {
    ...graph,
    node: (graph.node ?? [])
      .filter((node) => node !== resize && node !== pad)
      .flatMap((node) => (node === conv ? nodes : [node])),
    initializer: [...(graph.initializer ?? []), ...initializers],
  };
}

function mode(value: string) {
  return { name: 'mode', type: AttributeType.string, s: Buffer.from(value) };
}

function ints(name: string, values: readonly number[]) {
  return { name, type: AttributeType.ints, ints: [...values] };
}
