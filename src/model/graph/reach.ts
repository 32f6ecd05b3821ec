/** How far a network looks: the pixels of its input that a pixel of its output depends on. */
import { intAttribute, intsAttribute, type NodeProto, stringAttribute } from './onnx.js';
import type { Known } from './shape-rule.js';
import type { ShapedNode, Shapes } from './shapes.js';

/**
 * Element i of a tensor, along one axis, depends on the pixels from `step * i + from` to `step * i + to` of
 * the input.
 */
interface Along {
  readonly step: number;
  readonly from: number;
  readonly to: number;
}

/** A tensor that depends on the input: where its rows and columns are, and what they depend on. */
interface Area {
  readonly axes: readonly [down: number, across: number];
  readonly along: readonly [down: Along, across: Along];
}

/** What a network looks at, in pixels of its input. */
export interface Reach {
  /** The most rows or columns between a pixel of the output and one that it depends on. */
  readonly pixels: number;
  /** Moved by this many pixels, the input gives an output that is moved alike. */
  readonly stride: number;
}

/** The operator that looks at whole frames, or of which it is not known how far it looks. */
export interface Unbounded {
  readonly operator: string;
}

export function isBounded(reach: Reach | Unbounded): reach is Reach {
  return 'pixels' in reach;
}

const POINTWISE: ReadonlySet<string> = new Set(
  (
    'Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign Mish Gelu ' +
    'Swish Erf Exp Log Sqrt Reciprocal Neg Abs Sign Round Floor Ceil Sin Cos Not Clip Identity Dropout Cast ' +
    'QuantizeLinear DequantizeLinear BatchNormalization Add Sub Mul Div Pow Min Max Sum Mean Where Equal Less ' +
    'LessOrEqual Greater GreaterOrEqual And Or'
  ).split(' '),
);

/** Operators whose numbers are one for each channel. */
const BY_CHANNEL: ReadonlySet<string> = new Set(['BatchNormalization', 'QuantizeLinear', 'DequantizeLinear']);

/** Elements on either side that a resizing mode reads, rounding of positions included. */
const RESIZE_READS: Readonly<Record<string, number>> = { nearest: 1, linear: 2, cubic: 3 };

/**
 * Returns how far a network looks whose shapes are known, from its output to its input of images. An
 * operator that is not followed counts as one that looks at whole frames.
 *
 * @param axes the axes of the input's rows and columns.
 * @param pixelsPerElement pixels of the frame to one element of the input: 2 for blocks of 4:2:0.
 */
export function reachOf(
  shapes: Shapes,
  input: string,
  axes: readonly [down: number, across: number],
  pixelsPerElement: number,
  output: string,
): Reach | Unbounded {
  const one: Along = { step: pixelsPerElement, from: 0, to: pixelsPerElement - 1 };
  const areas = new Map<string, Area>([[input, { axes, along: [one, one] }]]);
  /** Values that follow from sizes: those of a tile differ from those of a frame. */
  const sized = new Set<string>();
  const lost = new Map<string, string>();
  let stride = pixelsPerElement;
  for (const shaped of shapes.nodes) {
    const { node, fixed } = shaped;
    const [reads, makes] = [node.input ?? [], node.output ?? []];
    const before = reads.map((name) => lost.get(name)).find((operator) => operator !== undefined);
    const follows = reads.some((name) => areas.has(name) || sized.has(name));
    if (before === undefined && !follows) continue;
    if (fixed) {
      for (const name of makes) sized.add(name);
      continue;
    }
    const area = before === undefined ? areaOf(shaped, areas, sized) : undefined;
    for (const name of makes) {
      if (area === undefined) lost.set(name, before ?? node.opType ?? '');
      else areas.set(name, area);
    }
    for (const { step } of area?.along ?? []) stride = leastMultiple(stride, Math.max(1, step));
  }
  const made = areas.get(output);
  if (made === undefined) return { operator: lost.get(output) ?? 'its output' };
  const pixels = made.along.map(({ step, from, to }) => Math.ceil(Math.max(step - 1 - from, to)));
  return { pixels: Math.max(0, ...pixels), stride };
}

/** Returns what a node's output depends on; undefined if that is not known. */
function areaOf(
  shaped: ShapedNode,
  areas: ReadonlyMap<string, Area>,
  sized: ReadonlySet<string>,
): Area | undefined {
  const { node, inputs, outputs } = shaped;
  const reads = node.input ?? [];
  const [first] = reads;
  const own = first === undefined ? undefined : areas.get(first);
  const type = node.domain && node.domain !== 'ai.onnx' ? '' : (node.opType ?? '');
  const isNamed = (axis: number): boolean =>
    own?.axes.includes(positive(axis, inputs[0]?.dims.length ?? 0)) === true;
  if (POINTWISE.has(type)) return pointwise(shaped, areas, sized);
  if (type === 'Concat')
    return isNamed(intAttribute(node, 'axis', 0)) ? undefined : pointwise(shaped, areas, sized);
  // What follows reads one image, by numbers that are the same for every frame.
  if (own === undefined || reads.slice(1).some((name) => areas.has(name))) return undefined;
  switch (type) {
    case 'Split':
    case 'Softmax':
    case 'LogSoftmax':
      return isNamed(intAttribute(node, 'axis', type === 'Split' ? 0 : -1)) ? undefined : own;
    case 'Transpose': {
      const order = intsAttribute(node, 'perm') ?? [];
      const [down, across] = own.axes.map((axis) => order.indexOf(axis));
      return down === undefined || across === undefined || down < 0 || across < 0
        ? undefined
        : { ...own, axes: [down, across] };
    }
    case 'Conv':
    case 'MaxPool':
    case 'AveragePool':
      return windows(shaped, own, false);
    case 'ConvTranspose':
      return windows(shaped, own, true);
    case 'Pad':
      return padded(shaped, own);
    case 'Slice':
      return sliced(shaped, own);
    case 'Resize':
    case 'Upsample':
      return resized(shaped, own);
    case 'DepthToSpace':
    case 'SpaceToDepth': {
      const side = intAttribute(node, 'blocksize', 1);
      return each(own, ({ step, from, to }) =>
        type === 'DepthToSpace'
          ? { step: step / side, from: from - (step * (side - 1)) / side, to }
          : { step: step * side, from, to: to + step * (side - 1) },
      );
    }
    case 'Reshape':
      return inputs[0]?.dims.join() === outputs[0]?.dims.join() ? own : undefined;
    default:
      return undefined;
  }
}

/** Joins what operands of one size depend on. Other operands must be the same at every place. */
function pointwise(
  { node, inputs, outputs: [output] }: ShapedNode,
  areas: ReadonlyMap<string, Area>,
  sized: ReadonlySet<string>,
): Area | undefined {
  let joined: Area | undefined;
  const rank = output?.dims.length ?? 0;
  const reads = node.input ?? [];
  const some = reads.map((name) => areas.get(name)).find((area) => area !== undefined);
  if (output === undefined || some === undefined) return undefined;
  for (const [at, name] of reads.entries()) {
    const area = areas.get(name);
    if (area === undefined) {
      if (sized.has(name) || !isSameEverywhere(node, inputs[at], some.axes, rank)) return undefined;
      continue;
    }
    const dims = inputs[at]?.dims ?? [];
    if (dims.length !== rank || area.axes.some((axis) => dims[axis] !== output.dims[axis])) return undefined;
    if (joined === undefined) joined = area;
    else if (area.axes.join() !== joined.axes.join()) return undefined;
    else {
      const [down, across] = [joined.along[0], joined.along[1]].map((one, axis) =>
        union(one, area.along[axis] ?? one),
      );
      if (down === undefined || across === undefined) return undefined;
      joined = { axes: joined.axes, along: [down, across] };
    }
  }
  return joined;
}

function isSameEverywhere(
  { opType }: NodeProto,
  operand: Known | undefined,
  axes: readonly number[],
  rank: number,
): boolean {
  if (operand === undefined) return false;
  if (opType === 'Concat') return false;
  if (BY_CHANNEL.has(opType ?? '')) return true;
  return axes.every((axis) => (operand.dims[operand.dims.length - rank + axis] ?? 1) === 1);
}

function union(a: Along, b: Along): Along | undefined {
  if (a.step !== b.step) return undefined;
  return { step: a.step, from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) };
}

/** Follows a convolution or pooling, or a transposed convolution. */
function windows({ node, inputs, outputs }: ShapedNode, own: Area, transposed: boolean): Area | undefined {
  if (own.axes.join() !== '2,3') return undefined;
  const kernel = intsAttribute(node, 'kernel_shape') ?? inputs[1]?.dims.slice(2);
  const automatic = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (kernel?.length !== 2 || outputs[0] === undefined) return undefined;
  const number = (name: string, axis: number, byDefault: number) =>
    intsAttribute(node, name)?.[axis] ?? byDefault;
  const known = automatic === 'NOTSET' || automatic === 'VALID';
  let isFollowed = true;
  const area = each(own, ({ step, from, to }, axis) => {
    const extent = ((kernel[axis] ?? 1) - 1) * number('dilations', axis, 1);
    const stride = number('strides', axis, 1);
    // SAME of a stride depends on the size.
    if (!known && (stride !== 1 || transposed)) isFollowed = false;
    const before = known
      ? number('pads', axis, 0)
      : automatic === 'SAME_UPPER'
        ? Math.floor(extent / 2)
        : Math.ceil(extent / 2);
    if (!transposed)
      return { step: step * stride, from: from - before * step, to: to + (extent - before) * step };
    const finer = step / stride;
    return { step: finer, from: from + (before - extent) * finer, to: to + before * finer };
  });
  return isFollowed ? area : undefined;
}

function padded({ node, inputs }: ShapedNode, own: Area): Area | undefined {
  const pads = intsAttribute(node, 'pads') ?? inputs[1]?.values;
  // Axes, of opset 18, are rare.
  if (pads === undefined || node.input?.[3]) return undefined;
  return each(own, ({ step, from, to }, at) => {
    const shift = (pads[own.axes[at] ?? 0] ?? 0) * step;
    return { step, from: from - shift, to: to - shift };
  });
}

function sliced({ node, inputs }: ShapedNode, own: Area): Area | undefined {
  const [x, starts, ends, axes, steps] = inputs;
  const from = intsAttribute(node, 'starts') ?? starts?.values;
  const named = intsAttribute(node, 'axes') ?? (node.input?.[3] ? axes?.values : from?.map((_, at) => at));
  const by = node.input?.[4] ? steps?.values : from?.map(() => 1);
  if (x === undefined || from === undefined || named === undefined || by === undefined) return undefined;
  if (!intsAttribute(node, 'ends') && ends?.values === undefined) return undefined;
  const places = named.map((axis) => positive(axis, x.dims.length));
  const unclear = places.some(
    (axis, at) => own.axes.includes(axis) && ((from[at] ?? -1) < 0 || (by[at] ?? 0) < 1),
  );
  if (unclear) return undefined;
  return each(own, (along, at) => {
    const place = places.indexOf(own.axes[at] ?? 0);
    if (place < 0) return along;
    const shift = (from[place] ?? 0) * along.step;
    return { step: along.step * (by[place] ?? 1), from: along.from + shift, to: along.to + shift };
  });
}

/** Follows a change of size by a whole factor, whose positions do not depend on the size. */
function resized({ node, inputs: [x], outputs: [output] }: ShapedNode, own: Area): Area | undefined {
  const reads = RESIZE_READS[stringAttribute(node, 'mode', 'nearest')];
  const positions = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  const isFollowed = ['half_pixel', 'pytorch_half_pixel', 'asymmetric'].includes(positions);
  if (reads === undefined || !isFollowed || intAttribute(node, 'antialias', 0) !== 0) return undefined;
  const factors = own.axes.map((axis) => (output?.dims[axis] ?? 0) / (x?.dims[axis] ?? 1));
  if (!factors.every((factor) => factor > 0 && (Number.isInteger(factor) || Number.isInteger(1 / factor))))
    return undefined;
  return each(own, ({ step, from, to }, at) => {
    const next = step / (factors[at] ?? 1);
    return { step: next, from: from - reads * step, to: to + reads * step + Math.max(0, next - step) };
  });
}

function each({ axes, along: [down, across] }: Area, change: (along: Along, at: number) => Along): Area {
  return { axes, along: [change(down, 0), change(across, 1)] };
}

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Returns the least common multiple of two whole numbers. */
export function leastMultiple(a: number, b: number): number {
  const divisor = (x: number, y: number): number => (y === 0 ? x : divisor(y, x % y));
  return (a / divisor(a, b)) * b;
}
