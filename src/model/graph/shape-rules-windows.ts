import { attribute, intAttribute, intsAttribute, stringAttribute } from './onnx.js';
import type { Known, ShapeContext, ShapeRule } from './shape-rule.js';

/**
 * Rules of operators that slide a window over height and width, or resize them, as in the ONNX specification.
 */
export const windowRules: readonly (readonly [string, ShapeRule])[] = [
  ['Conv', (context) => convolution(context)],
  ['ConvTranspose', (context) => transposedConvolution(context)],
  ['MaxPool', (context) => pool(context)],
  ['AveragePool', (context) => pool(context)],
  ['LpPool', (context) => pool(context)],
  ['GlobalAveragePool', (context) => globalPool(context)],
  ['GlobalMaxPool', (context) => globalPool(context)],
  ['Pad', (context) => pad(context)],
  ['Resize', (context) => resize(context)],
  ['Upsample', (context) => resize(context)],
];

function convolution(context: ShapeContext) {
  const [x, weights] = context.inputs;
  if (x === undefined || weights === undefined) return undefined;
  const group = intAttribute(context.node, 'group', 1);
  if (x.dims[1] !== (weights.dims[1] ?? 0) * group) return undefined;
  const spatial = slide(context, x.dims.slice(2), weights.dims.slice(2));
  return spatial && [{ dims: [x.dims[0] ?? 0, weights.dims[0] ?? 0, ...spatial] }];
}

function pool(context: ShapeContext) {
  const [x] = context.inputs;
  const kernel = intsAttribute(context.node, 'kernel_shape');
  if (x === undefined || kernel === undefined) return undefined;
  const spatial = slide(context, x.dims.slice(2), kernel);
  return spatial && [{ dims: [...x.dims.slice(0, 2), ...spatial] }];
}

function globalPool({ inputs: [x] }: ShapeContext) {
  return x && [{ dims: x.dims.map((dim, at) => (at < 2 ? dim : 1)) }];
}

function slide({ node }: ShapeContext, sides: readonly number[], kernel: readonly number[]) {
  const strides = intsAttribute(node, 'strides');
  const dilations = intsAttribute(node, 'dilations');
  const pads = intsAttribute(node, 'pads');
  const round = intAttribute(node, 'ceil_mode', 0) === 1 ? Math.ceil : Math.floor;
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  const result = sides.map((side, at) => {
    const stride = strides?.[at] ?? 1;
    if (mode.startsWith('SAME')) return Math.ceil(side / stride);
    const around = mode === 'VALID' ? 0 : (pads?.[at] ?? 0) + (pads?.[at + sides.length] ?? 0);
    const reach = ((kernel[at] ?? 1) - 1) * (dilations?.[at] ?? 1) + 1;
    return round((side + around - reach) / stride) + 1;
  });
  return result.every((side) => side > 0) ? result : undefined;
}

function transposedConvolution({ node, inputs: [x, weights] }: ShapeContext) {
  if (x === undefined || weights === undefined) return undefined;
  const sides = x.dims.slice(2);
  const given = intsAttribute(node, 'output_shape');
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  const spatial = sides.map((side, at) => {
    const stride = intsAttribute(node, 'strides')?.[at] ?? 1;
    if (mode.startsWith('SAME')) return side * stride;
    const pads = intsAttribute(node, 'pads');
    const around = (pads?.[at] ?? 0) + (pads?.[at + sides.length] ?? 0);
    const reach = ((weights.dims[at + 2] ?? 1) - 1) * (intsAttribute(node, 'dilations')?.[at] ?? 1) + 1;
    return stride * (side - 1) + (intsAttribute(node, 'output_padding')?.[at] ?? 0) + reach - around;
  });
  const channels = (weights.dims[1] ?? 0) * intAttribute(node, 'group', 1);
  return [{ dims: [x.dims[0] ?? 0, channels, ...(given?.slice(-sides.length) ?? spatial)] }];
}

function pad({ node, inputs: [x, amounts] }: ShapeContext) {
  const pads = intsAttribute(node, 'pads') ?? amounts?.values;
  if (x === undefined || pads?.length !== 2 * x.dims.length) return undefined;
  const rank = x.dims.length;
  const reflects = stringAttribute(node, 'mode', 'constant') === 'reflect';
  const dims = x.dims.map((dim, at) => {
    const [before, behind] = [pads[at] ?? 0, pads[at + rank] ?? 0];
    return reflects && Math.max(before, behind) >= dim ? Number.NaN : dim + before + behind;
  });
  return [{ dims }];
}

function resize(context: ShapeContext) {
  const { node, opset, inputs } = context;
  const [x] = inputs;
  const partial = attribute(node, 'axes') ?? attribute(node, 'keep_aspect_ratio_policy');
  if (x === undefined || partial !== undefined) return undefined;
  const named = node.opType === 'Resize' && opset >= 11;
  const sizes = named && node.input?.[3] ? inputs[3] : undefined;
  if (node.input?.[3] && named) return whole(x, sizes?.values);
  const scales = attribute(node, 'scales')?.floats ?? inputs[named ? 2 : 1]?.values;
  return whole(x, scales && x.dims.map((dim, at) => Math.floor(dim * (scales[at] ?? Number.NaN))));
}

function whole(x: Known, dims: readonly number[] | undefined) {
  return dims?.length === x.dims.length ? [{ dims }] : undefined;
}
