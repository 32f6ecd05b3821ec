import { withoutUnread } from '../graph/graph-reading.js';
import { decodeModel, encodeModel } from '../graph/onnx.js';
import { withCastsAtEnds } from './casts-at-ends.js';
import { withOneEpsilon } from './one-epsilon.js';

/** Rewrites a composed graph, in fp32, for ONNX Runtime's WebGPU provider. Its results stay the same. */
export function toWebGpu(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes);
  const graph = withOneEpsilon(model.graph ?? {});
  return encodeModel({ ...model, graph: withoutUnread(withCastsAtEnds(graph) ?? graph) });
}
