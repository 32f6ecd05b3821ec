import type { GraphBuilder } from '../graph/graph-builder.js';
import { isDefaultDomain } from '../graph/graph-reading.js';
import { prefixed } from '../graph/inline.js';
import {
  attribute,
  DataType,
  elements,
  type GraphProto,
  intsAttribute,
  type NodeProto,
  toNumber,
} from '../graph/onnx.js';
import type { NetworkFacts } from '../load/network.js';

/** Operators that may turn NaN or infinity into a finite number. */
const MASKING: ReadonlySet<string> = new Set([
  ...['Clip', 'Max', 'Min', 'Relu', 'HardSwish'],
  ...['Erf', 'HardSigmoid', 'Sigmoid', 'Softsign', 'Tanh'],
  'QuantizeLinear',
]);

/** Elementwise operators that preserve NaN and infinity. */
const PRESERVING: ReadonlySet<string> = new Set([
  ...['Abs', 'Add', 'Ceil', 'Div', 'Floor', 'LeakyRelu', 'Mul', 'Neg', 'Round', 'Sub'],
  ...['DequantizeLinear', 'Identity', 'Transpose'],
]);

const FLOATS: ReadonlySet<number> = new Set([DataType.float32, DataType.float16, DataType.float64]);

const FLOAT_ENDS: ReadonlySet<string> = new Set(['float32', 'float16', 'float64', 'bfloat16']);

/** The output of a network that is included in a graph. */
export interface NetworkEnd {
  /** Its name in the rest of the graph, and in the network. */
  readonly value: string;
  readonly output: string;
  /** Its ONNX element type. */
  readonly type: string;
  readonly batch: number;
}

/**
 * Adds a check whether the network gave finite numbers only for each frame: bool [batch, 1]; undefined if it
 * can give no others.
 *
 * It checks the mean, which is finite if all numbers are, and costs one pass over them. If the network ends
 * with an operator that limits its range (Tanh, Sigmoid, Clip, a cast to bytes), it checks the value before
 * that. A network that ends in integer arithmetic needs no check. Non-finite values that a ReLU or the like
 * masks inside a network are missed.
 */
export function finiteCheck(
  builder: GraphBuilder,
  network: GraphProto,
  { value, output, type, batch }: NetworkEnd,
  { shapes }: Pick<NetworkFacts, 'shapes'>,
): string | undefined {
  const found = beforeMasking(network, output);
  if (found === output && !mayBeNonFinite(type)) return undefined;
  const checked = found === output ? value : found;
  // The type of a value inside the network is not known; ONNX Runtime removes a cast to the same type.
  const floats = checkedFloats(builder, checked, found === output ? type : 'unknown');
  return finiteFrames(builder, floats, batch, partsOf(found, shapes));
}

/**
 * Adds a cast to float32 of numbers to be checked. Of float64 it takes zeros and NaN: large numbers would be
 * infinite in float32.
 */
export function checkedFloats(builder: GraphBuilder, value: string, type: string): string {
  if (type === 'float32') return value;
  return builder.cast(type === 'float64' ? builder.node('Sub', [value, value]) : value, 'float32');
}

/** Returns whether numbers of an ONNX element type may be NaN or infinite. */
export function mayBeNonFinite(type: string): boolean {
  return FLOAT_ENDS.has(type);
}

/**
 * Adds the check of float32 values of a batch of frames, each of which can be cut into `parts` equal parts:
 * bool [batch, 1].
 */
export function finiteFrames(builder: GraphBuilder, floats: string, batch: number, parts: number): string {
  const values = builder.reshape(floats, [batch, parts, -1]);
  // By channels (or rows) first: threads share them.
  const mean = builder.mean(builder.mean(values, [2]), [1, 2]);
  // Infinity minus itself is NaN, and NaN is less than no number.
  const finite = builder.node('Less', [builder.node('Sub', [mean, mean]), builder.floats([], [1])]);
  return builder.reshape(finite, [batch, 1]);
}

/** Returns the last value on the path to `output` after which no operator masks NaN or infinity. */
function beforeMasking(network: GraphProto, output: string): string {
  const makers = new Map(
    (network.node ?? []).flatMap((node) => node.output?.map((name) => [name, node]) ?? []),
  );
  const constants = new Set((network.initializer ?? []).map(({ name }) => name));
  const isConstant = (name: string): boolean =>
    name === '' || constants.has(name) || makers.get(name)?.opType === 'Constant';
  let found = output;
  let value = output;
  for (;;) {
    const maker = makers.get(value);
    const effect = maker === undefined ? 'other' : effectOf(maker);
    const [source, second] = maker?.input?.filter((name) => !isConstant(name)) ?? [];
    if (effect === 'other' || source === undefined || second !== undefined) return found;
    value = source;
    if (effect === 'masks') found = value;
  }
}

function effectOf(node: NodeProto): 'masks' | 'preserves' | 'other' {
  const type = node.opType ?? '';
  if (!isDefaultDomain(node)) return 'other';
  if (type === 'Cast') return FLOATS.has(toNumber(attribute(node, 'to')?.i)) ? 'preserves' : 'masks';
  if (MASKING.has(type)) return 'masks';
  // The batch axis must stay first.
  if (type === 'Transpose' && intsAttribute(node, 'perm')?.[0] !== 0) return 'other';
  return PRESERVING.has(type) ? 'preserves' : 'other';
}

/** Returns into how many equal parts each frame of a value can be cut. */
function partsOf(found: string, shapes: NetworkFacts['shapes']): number {
  const own = shapes.nodes.flatMap(({ node }) => node.output ?? []).find((name) => prefixed(name) === found);
  const dims = own === undefined ? undefined : shapes.of(own)?.dims;
  return dims !== undefined && dims.length === 4 && elements(dims) > 0 ? (dims[1] ?? 1) : 1;
}
