import {
  constantInts,
  countReaders,
  isDefaultDomain,
  type Kernel,
  type PlainConv,
  plainConv,
} from '../graph/graph-reading.js';
import {
  float32Tensor,
  type GraphProto,
  intsAttribute,
  type NodeProto,
  stringAttribute,
} from '../graph/onnx.js';

/** An affine map y = rows x + offset, in float64. */
export interface Affine {
  readonly rows: readonly (readonly number[])[];
  readonly offset: readonly number[];
}

/**
 * Fuses an affine map of `input`'s channels into the weights of the convolutions that read it, so that it
 * costs nothing per frame. Only if that is exact: every reader must be a convolution with its weights in the
 * file (or take only the shape), and padding, if any, must consist of the input's own samples.
 *
 * @returns the graph with those convolutions rewritten; undefined if that is impossible.
 */
export function fuseIntoFirst(graph: GraphProto, input: string, map: Affine): GraphProto | undefined {
  const convs = convsReading(graph, input);
  if (!convs?.every(({ kernel }) => kernel.inputs === map.rows.length)) return undefined;
  return rewritten(
    graph,
    convs.map(({ node, kernel }) => ({ node, kernel: afterMap(kernel, map) })),
  );
}

/**
 * Fuses an affine map of `output`'s channels into the convolution that makes it, with any padding, or into
 * the terms of a sum of several (such as a skip connection). Each term gets the map's matrix, and one of them
 * its offset.
 *
 * @returns the graph with those convolutions rewritten; undefined if that is impossible.
 */
export function fuseIntoLast(graph: GraphProto, output: string, map: Affine): GraphProto | undefined {
  const convs = countReaders(graph, output) === 0 ? convsMaking(graph, output) : undefined;
  if (!convs?.every(({ kernel }) => kernel.outputs === map.rows.length)) return undefined;
  const linear: Affine = { rows: map.rows, offset: map.offset.map(() => 0) };
  return rewritten(
    graph,
    convs.map(({ node, kernel }, at) => ({ node, kernel: beforeMap(kernel, at === 0 ? map : linear) })),
  );
}

/**
 * Returns all convolutions that read `value`, directly or through a Pad; undefined if anything else reads
 * more of it than its shape.
 */
function convsReading(graph: GraphProto, value: string): readonly PlainConv[] | undefined {
  const readers = (graph.node ?? []).filter((node) => node.input?.includes(value));
  // With more uses than readers, a node reads it twice, or a node of an inner graph does.
  if (readers.length === 0 || countReaders(graph, value) !== readers.length) return undefined;
  const found = readers.map((node) => {
    if (node.input?.[0] !== value) return undefined;
    if (node.opType === 'Shape' && isDefaultDomain(node)) return [];
    if (repeatsSamples(graph, node)) return convsReading(graph, node.output?.[0] ?? '');
    const conv = plainConv(graph, node);
    return conv === undefined || padsWithZeros(conv) ? undefined : [conv];
  });
  return found.every((one) => one !== undefined) ? found.flat() : undefined;
}

/**
 * Returns the convolutions whose sum `value` is; undefined if it is anything else, or a term has other
 * readers.
 */
function convsMaking(graph: GraphProto, value: string): readonly PlainConv[] | undefined {
  const maker = graph.node?.find((node) => node.output?.includes(value));
  if (maker === undefined) return undefined;
  if (maker.opType !== 'Add' || !isDefaultDomain(maker)) {
    const conv = plainConv(graph, maker);
    return conv && [conv];
  }
  const terms = (maker.input ?? []).map((term) =>
    countReaders(graph, term) === 1 ? convsMaking(graph, term) : undefined,
  );
  return terms.every((one) => one !== undefined) ? terms.flat() : undefined;
}

/** Returns the kernel that gives, from the samples, what `kernel` gives from the mapped samples. */
function afterMap(kernel: Kernel, map: Affine): Kernel {
  const { outputs, inputs, area } = kernel;
  const weights = new Float64Array(outputs * inputs * area);
  const bias = Float64Array.from(kernel.bias);
  for (let out = 0; out < outputs; out++) {
    for (const [channel, row] of map.rows.entries()) {
      for (let tap = 0; tap < area; tap++) {
        const weight = kernel.weights[(out * inputs + channel) * area + tap] ?? 0;
        bias[out] = (bias[out] ?? 0) + weight * (map.offset[channel] ?? 0);
        for (const [source, factor] of row.entries()) {
          const at = (out * inputs + source) * area + tap;
          weights[at] = (weights[at] ?? 0) + weight * factor;
        }
      }
    }
  }
  return { ...kernel, weights, bias };
}

/** Returns the kernel that gives the mapped results of `kernel`. */
function beforeMap(kernel: Kernel, map: Affine): Kernel {
  const each = kernel.inputs * kernel.area;
  const weights = new Float64Array(kernel.outputs * each);
  const bias = Float64Array.from(map.offset);
  for (const [out, row] of map.rows.entries()) {
    for (const [source, factor] of row.entries()) {
      bias[out] = (bias[out] ?? 0) + factor * (kernel.bias[source] ?? 0);
      for (let at = 0; at < each; at++) {
        weights[out * each + at] =
          (weights[out * each + at] ?? 0) + factor * (kernel.weights[source * each + at] ?? 0);
      }
    }
  }
  return { ...kernel, weights, bias };
}

function padsWithZeros({ node, kernel }: PlainConv): boolean {
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (mode === 'VALID' || kernel.area === 1)
    return (intsAttribute(node, 'pads') ?? []).some((pad) => pad !== 0);
  return mode !== 'NOTSET' || (intsAttribute(node, 'pads') ?? []).some((pad) => pad !== 0);
}

/**
 * Returns whether a node pads height and width by reflection or repetition: it commutes with a map of the
 * channels.
 */
function repeatsSamples(graph: GraphProto, pad: NodeProto): boolean {
  if (pad.opType !== 'Pad' || !isDefaultDomain(pad)) return false;
  const mode = stringAttribute(pad, 'mode', 'constant');
  if (mode !== 'reflect' && mode !== 'edge' && mode !== 'wrap') return false;
  if (pad.input?.[3]) return false; // an `axes` input, which is rare, changes the order of the amounts
  const amounts = intsAttribute(pad, 'pads') ?? constantInts(graph, pad.input?.[1]);
  return amounts?.length === 8 && [0, 1, 4, 5].every((at) => amounts[at] === 0);
}

/**
 * Replaces the kernels of some convolutions. The prefix of their names is that of neither a network nor a
 * builder.
 */
function rewritten(graph: GraphProto, convs: readonly PlainConv[]): GraphProto {
  const initializers = [...(graph.initializer ?? [])];
  const added = (dims: readonly number[], values: ArrayLike<number>): string => {
    const name = `folded/${initializers.length}`;
    initializers.push(float32Tensor(name, dims, values));
    return name;
  };
  const nodes = new Map(
    convs.map(({ node, kernel }): [NodeProto, NodeProto] => {
      const numbers = [added(kernel.dims, kernel.weights), added([kernel.outputs], kernel.bias)];
      return [node, { ...node, input: [node.input?.[0] ?? '', ...numbers] }];
    }),
  );
  return {
    ...graph,
    initializer: initializers,
    node: (graph.node ?? []).map((node) => nodes.get(node) ?? node),
  };
}
