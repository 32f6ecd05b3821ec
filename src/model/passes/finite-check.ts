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
import type { SampleType } from '../load/manifest.js';
import type { NetworkFacts } from '../load/network.js';

/** Operators that may turn a NaN or an infinity into an ordinary number. */
const HIDING: ReadonlySet<string> = new Set([
  ...['Clip', 'Max', 'Min', 'Relu', 'HardSwish'],
  ...['Erf', 'HardSigmoid', 'Sigmoid', 'Softsign', 'Tanh'],
  'QuantizeLinear',
]);

/** Operators that keep them, number by number. */
const KEEPING: ReadonlySet<string> = new Set([
  ...['Abs', 'Add', 'Ceil', 'Div', 'Floor', 'LeakyRelu', 'Mul', 'Neg', 'Round', 'Sub'],
  ...['DequantizeLinear', 'Identity', 'Transpose'],
]);

const FLOATS: ReadonlySet<number> = new Set([DataType.float32, DataType.float16, DataType.float64]);

/** The end of a network that has been included in a graph. */
export interface NetworkEnd {
  /** Its result as the graph goes on with it, and the name that the network has for it. */
  readonly value: string;
  readonly output: string;
  readonly type: SampleType;
  readonly batch: number;
}

/**
 * Adds what tells, frame by frame, whether the network gave finite numbers only: uint8 [batch, 1], 1 where it did, else 0.
 *
 * A mean is finite if its numbers are, and no more work than reading them once. A network that ends by squeezing its numbers
 * into a range (Tanh, Sigmoid, Clip, a cast to bytes) is checked before that. One that ends in integer arithmetic has nothing to
 * check. What a ReLU or the like inside a network has hidden is not found.
 */
export function finiteCheck(
  builder: GraphBuilder,
  network: GraphProto,
  { value, output, type, batch }: NetworkEnd,
  { shapes }: Pick<NetworkFacts, 'shapes'>,
): string {
  const found = beforeHiding(network, output);
  if (found === output && type === 'uint8') return builder.bytes([batch, 1], Array<number>(batch).fill(1));
  const checked = found === output ? value : found;
  // Of what type a value within the network is goes unsaid; a cast to its own type is left out when it is loaded.
  const floats = found === output && type === 'float32' ? checked : builder.cast(checked, 'float32');
  const parts = builder.reshape(floats, [batch, partsOf(found, shapes), -1]);
  // By channels (or rows) first: they are shared out among threads.
  const mean = builder.mean(builder.mean(parts, [2]), [1, 2]);
  // NaN is less than nothing, and infinity minus itself is NaN.
  const finite = builder.node('Less', [builder.node('Sub', [mean, mean]), builder.floats([], [1])]);
  return builder.reshape(builder.cast(finite, 'uint8'), [batch, 1]);
}

/** The last value on the way to `output` behind which nothing hides what is not finite. */
function beforeHiding(network: GraphProto, output: string): string {
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
    if (effect === 'hides') found = value;
  }
}

function effectOf(node: NodeProto): 'hides' | 'keeps' | 'other' {
  const type = node.opType ?? '';
  if (!isDefaultDomain(node)) return 'other';
  if (type === 'Cast') return FLOATS.has(toNumber(attribute(node, 'to')?.i)) ? 'keeps' : 'hides';
  if (HIDING.has(type)) return 'hides';
  // Frames are to stay one after another.
  if (type === 'Transpose' && intsAttribute(node, 'perm')?.[0] !== 0) return 'other';
  return KEEPING.has(type) ? 'keeps' : 'other';
}

/** Into how many equal parts each frame of a value can be cut. */
function partsOf(found: string, shapes: NetworkFacts['shapes']): number {
  const own = shapes.nodes.flatMap(({ node }) => node.output ?? []).find((name) => prefixed(name) === found);
  const dims = own === undefined ? undefined : shapes.of(own)?.dims;
  return dims !== undefined && dims.length === 4 && elements(dims) > 0 ? (dims[1] ?? 1) : 1;
}
