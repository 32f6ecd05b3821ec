import { createGraphBuilder } from './graph-builder.js';
import { DataType, encodeModel, type ValueInfoProto } from './onnx.js';

const OPSET = 17;
const IR_VERSION = 8;
const DIMS = [1, 1, 8, 8] as const;

/** Bytes of the small graph's input and output. */
export const SMALL_BYTES = 64;

/** Returns a graph that convolves its input with 1: a quick test of what a device needs to run any model. */
export function smallGraph(): Uint8Array {
  const builder = createGraphBuilder(OPSET);
  const weights = { dims: [1, 1, 1, 1], weights: [1], bias: [0] } as const;
  const convolved = builder.conv(builder.cast('x', 'float32'), weights);
  builder.nameOutput(builder.cast(builder.clip(convolved, 0, 255), 'uint8'), 'y');
  const end = (name: string): ValueInfoProto => ({
    name,
    type: {
      tensorType: { elemType: DataType.uint8, shape: { dim: DIMS.map((dimValue) => ({ dimValue })) } },
    },
  });
  return encodeModel({
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: OPSET }],
    graph: { name: 'small', ...builder.graph(), input: [end('x')], output: [end('y')] },
  });
}
