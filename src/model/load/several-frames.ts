/** Reads what a manifest says of models that give several frames at once. */
import type { GraphProto } from '../graph/onnx.js';
import { declaredEnds } from '../ports/ends.js';
import type { SeveralFrames } from '../ports/several.js';
import type { FramesPort, OutputPort } from './ports-manifest.js';

/** Returns how a network gives several frames at once; undefined if it gives one. */
export function severalOf(
  { chunk, window, edge = 'replicate' }: FramesPort,
  picture: readonly [name: string, port: OutputPort & { readonly role: 'picture' }] | undefined,
  graph: GraphProto,
): SeveralFrames | undefined {
  if (chunk !== undefined) return { kind: 'chunk', frames: chunk, edge };
  if (picture === undefined || window === undefined) return undefined;
  const [name, { take }] = picture;
  const dims = declaredEnds(graph).outputs.find((end) => end.name === name)?.dims;
  // Of as many frames as go in, it is the one with the same neighbours.
  return take === undefined && dims?.length !== 5
    ? undefined
    : { kind: 'take', place: take ?? window.before };
}
