import {
  attribute,
  elements,
  float32Values,
  intAttribute,
  intsAttribute,
  intValues,
  type NodeProto,
} from './onnx.js';
import { type Known, MOST_FOLLOWED, type ShapeContext, type ShapeRule } from './shape-rule.js';
import { windowRules } from './shape-rules-windows.js';

// Each rule is the shape clause of that operator in the ONNX specification (onnx/docs/Operators.md).

const SAME_AS_FIRST =
  'Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign Mish Gelu Swish Erf ' +
  'Exp Log Sqrt Reciprocal Neg Abs Sign Round Sin Cos Not Clip Identity Softmax LogSoftmax Dropout LRN ' +
  'InstanceNormalization BatchNormalization LayerNormalization GroupNormalization LpNormalization RMSNormalization ' +
  'MeanVarianceNormalization QuantizeLinear DequantizeLinear';

const BROADCASTING =
  'Add Sub Mul Div Pow Min Max Sum Mean Mod Where Equal Less LessOrEqual Greater GreaterOrEqual And Or';

const REDUCTIONS =
  'ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp';

/** The rules by operator type, for the default domain. */
export const RULES: ReadonlyMap<string, ShapeRule> = new Map<string, ShapeRule>([
  ...SAME_AS_FIRST.split(' ').map((type): [string, ShapeRule] => [type, sameAsFirst]),
  ...BROADCASTING.split(' ').map((type): [string, ShapeRule] => [type, broadcasting]),
  ...REDUCTIONS.split(' ').map((type): [string, ShapeRule] => [type, reduction]),
  ...windowRules,
  ['Cast', cast],
  ['Floor', ({ inputs: [x] }) => mapped(x, Math.floor)],
  ['Ceil', ({ inputs: [x] }) => mapped(x, Math.ceil)],
  ['Shape', shape],
  ['ConstantOfShape', constantOfShape],
  ['Range', range],
  ['Gather', gather],
  ['GatherElements', ({ inputs: [, indices] }) => indices && [{ dims: indices.dims }]],
  ['Concat', concat],
  ['Slice', slice],
  ['Split', split],
  ['Transpose', transpose],
  ['Reshape', reshape],
  ['Flatten', flatten],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Expand', ({ inputs: [x, to] }) => x && to?.values && [knownDims(broadcast([x.dims, to.values]))]],
  [
    'Tile',
    ({ inputs: [x, by] }) =>
      x && by?.values && [{ dims: x.dims.map((dim, at) => dim * (by.values?.[at] ?? 1)) }],
  ],
  ['DepthToSpace', (context) => blocks(context, 1)],
  ['SpaceToDepth', (context) => blocks(context, -1)],
  ['ArgMin', indexAlong],
  ['ArgMax', indexAlong],
  ['MatMul', matMul],
  ['Gemm', gemm],
]);

function sameAsFirst({ node, inputs: [x] }: ShapeContext) {
  return x && [node.opType === 'Identity' ? x : { dims: x.dims }];
}

function mapped(x: Known | undefined, operation: (value: number) => number) {
  return x && [x.values === undefined ? x : { ...x, values: x.values.map(operation) }];
}

function cast({ node, inputs: [x] }: ShapeContext) {
  const to = intAttribute(node, 'to', 1);
  const integer = to === 6 || to === 7;
  return (
    x && [x.values ? { dims: x.dims, values: integer ? x.values.map(Math.trunc) : x.values, integer } : x]
  );
}

function knownDims(dims: readonly number[] | undefined): Known | undefined {
  return dims && { dims };
}

function broadcast(all: readonly (readonly number[])[]): readonly number[] | undefined {
  const rank = Math.max(...all.map((dims) => dims.length));
  const result: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const sides = all.map((dims) => dims[dims.length - rank + axis] ?? 1).filter((side) => side !== 1);
    if (sides.some((side) => side !== sides[0])) return undefined;
    result.push(sides[0] ?? 1);
  }
  return result;
}

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: Math.max,
  Min: Math.min,
};

function broadcasting({ node, inputs }: ShapeContext) {
  const all = inputs.filter((one) => one !== undefined);
  const dims = all.length === inputs.length ? broadcast(all.map((one) => one.dims)) : undefined;
  if (dims === undefined) return undefined;
  const operation = ARITHMETIC[node.opType ?? ''];
  const [a, b] = all;
  const size = elements(dims);
  const follows = (one: Known) => one.values?.length === size || one.values?.length === 1;
  if (operation === undefined || all.length !== 2 || !a || !b || !follows(a) || !follows(b))
    return [{ dims }];
  const integer = a.integer === true && b.integer === true;
  const values = Array.from({ length: size }, (_, at) => {
    const value = operation(
      a.values?.[at % (a.values.length || 1)] ?? 0,
      b.values?.[at % (b.values.length || 1)] ?? 0,
    );
    return integer ? Math.trunc(value) : value;
  });
  return [{ dims, values, integer }];
}

function axesOf(context: ShapeContext, input: number): readonly number[] | undefined {
  const { node, inputs } = context;
  return intsAttribute(node, 'axes') ?? (node.input?.[input] ? inputs[input]?.values : []);
}

function reduction(context: ShapeContext) {
  const [x] = context.inputs;
  const axes = axesOf(context, 1);
  if (x === undefined || axes === undefined) return undefined;
  const reduced = (at: number) =>
    axes.length === 0 || axes.some((axis) => (axis + x.dims.length) % x.dims.length === at);
  const keep = intAttribute(context.node, 'keepdims', 1) === 1;
  return [{ dims: x.dims.flatMap((dim, at) => (reduced(at) ? (keep ? [1] : []) : [dim])) }];
}

function shape({ node, inputs: [x] }: ShapeContext) {
  const end = attribute(node, 'end');
  const values = x?.dims.slice(intAttribute(node, 'start', 0), end && intAttribute(node, 'end', 0));
  return values && [{ dims: [values.length], values, integer: true }];
}

function range({ inputs }: ShapeContext) {
  const [start, limit, delta] = inputs.map((one) => one?.values?.[0]);
  if (start === undefined || limit === undefined || !delta) return undefined;
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (count > MOST_FOLLOWED) return [{ dims: [count] }];
  const integer = inputs.every((one) => one?.integer === true);
  return [{ dims: [count], values: Array.from({ length: count }, (_, at) => start + at * delta), integer }];
}

function gather({ node, inputs: [x, indices] }: ShapeContext) {
  if (x === undefined || indices === undefined) return undefined;
  const axis = positive(intAttribute(node, 'axis', 0), x.dims.length);
  const dims = [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)];
  if (x.dims.length !== 1 || !x.values || !indices.values) return [{ dims }];
  const values = indices.values.map((at) => x.values?.at(at) ?? Number.NaN);
  return [{ ...x, dims, values }];
}

function constantOfShape({ node, inputs: [shape] }: ShapeContext) {
  const dims = shape?.values;
  const value = attribute(node, 'value')?.t;
  const integers = value && intValues(value);
  const [one] = integers ?? (value ? float32Values(value) : undefined) ?? [];
  if (dims === undefined || one === undefined || elements(dims) > MOST_FOLLOWED) return dims && [{ dims }];
  const values = Array<number>(elements(dims)).fill(one);
  return [{ dims, values, integer: integers !== undefined }];
}

function concat({ node, inputs }: ShapeContext) {
  const all = inputs.filter((one) => one !== undefined);
  const first = all[0];
  if (first === undefined || all.length !== inputs.length) return undefined;
  const axis = positive(intAttribute(node, 'axis', 0), first.dims.length);
  const agrees = ({ dims }: Known) =>
    dims.length === first.dims.length && dims.every((dim, at) => at === axis || dim === first.dims[at]);
  if (!all.every(agrees)) return undefined;
  const dims = first.dims.with(
    axis,
    all.reduce((sum, one) => sum + (one.dims[axis] ?? 0), 0),
  );
  if (dims.length !== 1 || all.some((one) => one.values === undefined)) return [{ dims }];
  return [{ ...first, dims, values: all.flatMap((one) => one.values ?? []) }];
}

function slice(context: ShapeContext) {
  const { node, inputs } = context;
  const [x, startInput, endInput, , stepInput] = inputs;
  const starts = intsAttribute(node, 'starts') ?? startInput?.values;
  const ends = intsAttribute(node, 'ends') ?? endInput?.values;
  const axes = axesOf(context, 3);
  const steps = node.input?.[4] ? stepInput?.values : [];
  if (x === undefined || !starts || !ends || !axes || !steps) return undefined;
  const dims = [...x.dims];
  let values = x.values;
  for (const [at, start] of starts.entries()) {
    const axis = positive(axes[at] ?? at, dims.length);
    const side = dims[axis] ?? 0;
    const step = steps[at] ?? 1;
    const clamp = (one: number) => Math.min(Math.max(one < 0 ? one + side : one, step < 0 ? -1 : 0), side);
    const from = Math.min(clamp(start), step < 0 ? side - 1 : side);
    const count = Math.max(0, Math.ceil((clamp(ends[at] ?? 0) - from) / step));
    dims[axis] = count;
    values =
      values && Array.from({ length: count }, (_, index) => values?.[from + index * step] ?? Number.NaN);
  }
  return [values && dims.length === 1 ? { ...x, dims, values } : { dims }];
}

function split({ node, opset, inputs: [x, sizes] }: ShapeContext) {
  const count = node.output?.length ?? 0;
  if (x === undefined || count === 0) return undefined;
  const axis = positive(intAttribute(node, 'axis', 0), x.dims.length);
  const side = x.dims[axis] ?? 0;
  const given =
    intsAttribute(node, 'split') ?? (node.input?.[1] ? sizes?.values : parts(side, count, opset >= 18));
  return given?.map((size) => ({ dims: x.dims.with(axis, size) }));
}

/** Splits a side into equal parts; the last one may be smaller if `uneven`. */
function parts(side: number, count: number, uneven: boolean): readonly number[] | undefined {
  if (!uneven && side % count !== 0) return undefined;
  const each = Math.ceil(side / count);
  return Array.from({ length: count }, (_, at) => (at + 1 < count ? each : side - each * at));
}

function transpose({ node, inputs: [x] }: ShapeContext) {
  const order = intsAttribute(node, 'perm') ?? x?.dims.map((_, at, all) => all.length - 1 - at);
  return x && order && [{ dims: order.map((axis) => x.dims[axis] ?? Number.NaN) }];
}

function reshape({ node, inputs: [x, to] }: ShapeContext) {
  const wanted = intsAttribute(node, 'shape') ?? to?.values;
  if (x === undefined || wanted === undefined) return undefined;
  const keepsZero = intAttribute(node, 'allowzero', 0) === 1;
  const dims = wanted.map((dim, at) => (dim === 0 && !keepsZero ? (x.dims[at] ?? Number.NaN) : dim));
  const rest = elements(dims.filter((dim) => dim !== -1));
  const whole = dims.map((dim) => (dim === -1 ? elements(x.dims) / rest : dim));
  return elements(whole) === elements(x.dims) ? [{ ...x, dims: whole }] : undefined;
}

function flatten({ node, inputs: [x] }: ShapeContext) {
  if (x === undefined) return undefined;
  const axis = intAttribute(node, 'axis', 1);
  return [{ dims: [elements(x.dims.slice(0, axis)), elements(x.dims.slice(axis))] }];
}

function squeeze(context: ShapeContext) {
  const [x] = context.inputs;
  const axes = axesOf(context, 1);
  if (x === undefined || axes === undefined) return undefined;
  const gone = axes.map((axis) => positive(axis, x.dims.length));
  return [{ ...x, dims: x.dims.filter((dim, at) => (axes.length === 0 ? dim !== 1 : !gone.includes(at))) }];
}

function unsqueeze(context: ShapeContext) {
  const [x] = context.inputs;
  const axes = axesOf(context, 1);
  if (x === undefined || axes === undefined) return undefined;
  const dims = [...x.dims];
  const rank = dims.length + axes.length;
  for (const axis of axes.map((one) => positive(one, rank)).toSorted((a, b) => a - b))
    dims.splice(axis, 0, 1);
  return [{ ...x, dims }];
}

function blocks({ node, inputs: [x] }: ShapeContext, direction: 1 | -1) {
  const [n, c, h, w] = x?.dims ?? [];
  const side = blockSize(node) ** direction;
  if (n === undefined || c === undefined || h === undefined || w === undefined) return undefined;
  return [{ dims: [n, c / side ** 2, h * side, w * side] }];
}

function blockSize(node: NodeProto): number {
  return intAttribute(node, 'blocksize', 1);
}

function indexAlong({ node, inputs: [x] }: ShapeContext) {
  if (x === undefined) return undefined;
  const axis = positive(intAttribute(node, 'axis', 0), x.dims.length);
  return [
    { dims: intAttribute(node, 'keepdims', 1) === 1 ? x.dims.with(axis, 1) : x.dims.toSpliced(axis, 1) },
  ];
}

function matMul({ inputs: [a, b] }: ShapeContext) {
  if (a === undefined || b === undefined || a.dims.length < 2 || b.dims.length < 2) return undefined;
  const outer = broadcast([a.dims.slice(0, -2), b.dims.slice(0, -2)]);
  if (a.dims.at(-1) !== b.dims.at(-2)) return undefined;
  return outer && [{ dims: [...outer, a.dims.at(-2) ?? 0, b.dims.at(-1) ?? 0] }];
}

function gemm({ node, inputs: [a, b] }: ShapeContext) {
  if (a?.dims.length !== 2 || b?.dims.length !== 2) return undefined;
  const rows = a.dims[intAttribute(node, 'transA', 0)] ?? 0;
  return [{ dims: [rows, b.dims[1 - intAttribute(node, 'transB', 0)] ?? 0] }];
}

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
