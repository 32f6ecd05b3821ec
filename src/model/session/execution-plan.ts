import { isDefaultDomain } from '../graph/graph-reading.js';
import {
  DataType,
  elements,
  type GraphProto,
  intAttribute,
  type ModelProto,
  opsetOf,
  toNumber,
  type ValueInfoProto,
  valueDims,
} from '../graph/onnx.js';
import { inferShapes, type ShapedNode } from '../graph/shapes.js';

/** An operator of a run on a CPU: its inputs, and the tensor that it makes. */
export interface Step {
  readonly reads: readonly string[];
  readonly makes: string;
  readonly bytes: number;
  /** Shape and element size: tensors of one kind may share memory. */
  readonly kind: string;
  /** True if it may overwrite its input. */
  readonly inPlace: boolean;
  /** Bytes that it needs only while it runs. */
  readonly scratch: number;
}

export interface ExecutionPlan {
  readonly steps: readonly Step[];
  /** The output tensor, whose memory is the caller's. */
  readonly result: string;
  /** Bytes of the tensors that are made once, when the session begins, and read in every run. */
  readonly heldBytes: number;
}

/** Operators that only give their input another shape, and take no memory. */
const RESHAPING: ReadonlySet<string> = new Set([
  ...['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity', 'Dropout'],
]);
const IN_PLACE: ReadonlySet<string> = new Set([
  ...[
    'Abs',
    'Add',
    'Clip',
    'Div',
    'Exp',
    'LeakyRelu',
    'Mul',
    'Neg',
    'Relu',
    'Sigmoid',
    'Sqrt',
    'Sub',
    'Tanh',
  ],
]);
const BOOLEAN: ReadonlySet<string> = new Set([
  ...['And', 'Equal', 'Greater', 'GreaterOrEqual', 'IsInf', 'IsNaN', 'Less', 'LessOrEqual', 'Not', 'Or'],
]);
/** Bytes per element. CPUs compute float16 in float32. */
const ELEMENT_BYTES: Readonly<Record<number, number>> = {
  [DataType.float32]: 4,
  [DataType.float16]: 4,
  [DataType.uint8]: 1,
  [DataType.int8]: 1,
  [DataType.uint16]: 2,
  [DataType.int32]: 4,
  [DataType.int64]: 8,
  [DataType.float64]: 8,
};
const FLOAT_BYTES = 4;

/**
 * Plans the operators of a graph of static shapes as ONNX Runtime executes them on a CPU. Its convolutions
 * work on channels in blocks of `channelBlock`: their input is reordered, and their output is reordered back
 * before any other operator reads it.
 *
 * @returns undefined if the size of some tensor is unknown.
 */
export function executionPlan(model: ModelProto, channelBlock: number): ExecutionPlan | undefined {
  const graph: GraphProto = model.graph ?? {};
  const [input, ...further] = graph.input ?? [];
  const [output] = graph.output ?? [];
  const dimsOf = (one: ValueInfoProto) => valueDims(one)?.map((dim) => dim ?? 0);
  const dims = input && dimsOf(input);
  if (input === undefined || output === undefined || dims === undefined) return undefined;
  const others = new Map(further.map((one) => [one.name ?? '', dimsOf(one) ?? []]));
  const shapes = inferShapes(graph, opsetOf(model) ?? 0, input.name ?? '', dims, others);

  const steps: Step[] = [];
  const elementBytes = new Map(
    (graph.initializer ?? []).map((one) => [one.name ?? '', bytesOf(one.dataType)]),
  );
  const constants = new Set(elementBytes.keys());
  elementBytes.set(input.name ?? '', bytesOf(input.type?.tensorType?.elemType));
  /**
   * Tensors that are only reshaped, by their new names; and the dimensions of tensors with blocked channels.
   */
  const renamed = new Map<string, string>();
  const blocked = new Map<string, readonly number[]>();
  const made = new Set<string>();
  const fixed = new Map<string, number>();
  const held = new Set<string>();
  const padded = ([batch = 0, channels = 0, ...area]: readonly number[]): number[] => [
    ...[batch, Math.ceil(channels / channelBlock) * channelBlock, ...area],
  ];

  function add(
    reads: readonly string[],
    makes: string,
    size: readonly number[],
    element: number,
    more: Partial<Step> = {},
  ) {
    if (made.has(makes)) return;
    made.add(makes);
    const kind = `${element}:${size.join()}`;
    steps.push({ reads, makes, bytes: element * elements(size), kind, inPlace: false, scratch: 0, ...more });
  }

  /** Returns the tensor with unblocked channels. */
  function plain(value: string): string {
    const size = blocked.get(value);
    if (size === undefined) return value;
    add([value], `${value}/plain`, size, FLOAT_BYTES);
    return `${value}/plain`;
  }

  function convolve({ inputs, outputs, node }: ShapedNode, read: string): boolean {
    const [source, kernel] = [inputs[0]?.dims, inputs[1]?.dims];
    const [result, name] = [outputs[0]?.dims, node.output?.[0]];
    if (!source || !result || name === undefined || kernel?.length !== 4) return false;
    const channels = kernel[1] ?? 0;
    const few = channels < channelBlock;
    if (intAttribute(node, 'group', 1) !== 1 || (!few && channels % 4 !== 0)) return false;
    let from = few ? plain(read) : read;
    if (!few && !blocked.has(read)) {
      add([read], `${read}/blocks`, padded(source), FLOAT_BYTES);
      from = `${read}/blocks`;
    }
    add([from], name, padded(result), FLOAT_BYTES);
    blocked.set(name, result);
    return true;
  }

  for (const shaped of shapes.nodes) {
    const { node, inputs, outputs } = shaped;
    const type = isDefaultDomain(node) ? (node.opType ?? '') : '';
    const names = node.output ?? [];
    if (shaped.fixed) {
      for (const [at, name] of names.entries()) {
        if (outputs[at] === undefined) return undefined;
        const element = elementOf(shaped, type, (one) => elementBytes.get(one));
        constants.add(name);
        elementBytes.set(name, element);
        fixed.set(name, element * elements(outputs[at]?.dims ?? []));
      }
      continue;
    }
    for (const name of node.input ?? []) if (fixed.has(name)) held.add(name);
    const reads = (node.input ?? [])
      .filter((name) => name !== '' && !constants.has(name))
      .map((name) => renamed.get(name) ?? name);
    const element = elementOf(shaped, type, (name) => elementBytes.get(name));
    for (const name of names) elementBytes.set(name, element);
    const [first] = reads;
    if (type === 'Conv' && element === FLOAT_BYTES && first !== undefined && convolve(shaped, first))
      continue;
    const size = first === undefined ? undefined : blocked.get(first);
    const name = names[0];
    if (type === 'Relu' && first !== undefined && size !== undefined && name !== undefined) {
      add([first], name, padded(size), FLOAT_BYTES, { inPlace: true });
      blocked.set(name, size);
      continue;
    }
    const plains = reads.map(plain);
    if (RESHAPING.has(type) && plains[0] !== undefined && name !== undefined) {
      renamed.set(name, plains[0]);
      continue;
    }
    for (const [at, result] of names.entries()) {
      const known = outputs[at]?.dims;
      if (known === undefined) return undefined;
      const scratch = at === 0 && type === 'ConvTranspose' ? columns(inputs) : 0;
      add(plains, result, known, element, { inPlace: IN_PLACE.has(type), scratch });
    }
  }
  const result = output.name ?? '';
  const heldBytes = [...held].reduce((sum, name) => sum + (fixed.get(name) ?? 0), 0);
  return { steps, result: renamed.get(result) ?? result, heldBytes };
}

function bytesOf(type: number | null | undefined): number {
  return ELEMENT_BYTES[toNumber(type)] ?? FLOAT_BYTES;
}

function elementOf({ node }: ShapedNode, type: string, known: (name: string) => number | undefined): number {
  if (type === 'Cast') return bytesOf(intAttribute(node, 'to', DataType.float32));
  if (type === 'Shape') return 8;
  if (type === 'QuantizeLinear' || BOOLEAN.has(type)) return 1;
  if (type === 'DequantizeLinear') return FLOAT_BYTES;
  return known(node.input?.[type === 'Where' ? 1 : 0] ?? '') ?? FLOAT_BYTES;
}

/**
 * Returns the scratch bytes of a transposed convolution of one image: a matrix product, whose sums are then
 * added up.
 */
function columns([source, kernel]: ShapedNode['inputs']): number {
  const [, , height = 0, width = 0] = source?.dims ?? [];
  return FLOAT_BYTES * elements(kernel?.dims.slice(1) ?? []) * height * width;
}
