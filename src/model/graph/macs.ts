import { elements, intAttribute } from './onnx.js';
import type { ShapedNode, Shapes } from './shapes.js';

/**
 * Counts the MACs (multiply-accumulate operations) of one run of a graph: convolutions and matrix products
 * only, as in the literature, and only those that are computed in every run.
 *
 * @returns undefined if the shape of some operator's result, and so perhaps a convolution's size, is unknown.
 */
export function countMacs(shapes: Shapes): number | undefined {
  let sum = 0;
  for (const node of shapes.nodes) {
    const macs = nodeMacs(node);
    if (macs === undefined) return undefined;
    sum += macs;
  }
  return sum;
}

function nodeMacs({ node, inputs: [a, b], outputs: [output], fixed }: ShapedNode): number | undefined {
  if (fixed) return 0;
  switch (node.opType) {
    case 'Conv':
      // One product per output and weight of its filter.
      return output && b && elements(output.dims) * elements(b.dims.slice(1));
    case 'ConvTranspose':
      // One product per input and weight of its filter.
      return a && b && elements(a.dims) * elements(b.dims.slice(1));
    case 'MatMul':
      return output && a && elements(output.dims) * (a.dims.at(-1) ?? 0);
    case 'Gemm':
      return output && a && elements(output.dims) * (a.dims[1 - intAttribute(node, 'transA', 0)] ?? 0);
    default:
      return output === undefined ? undefined : 0;
  }
}
