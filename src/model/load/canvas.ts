import { JobError } from '../../system/errors.js';
import { dimsOf, float32Tensor, float32Values, type GraphProto } from '../graph/onnx.js';
import type { Fields } from './json-fields.js';

/** The canvas of a network: a field of soft noise under every frame, which strokes follow on plain places. */
export interface Canvas {
  /** The initializer of the graph that holds its strength, a single float32 number. */
  readonly initializer: string;
  /** Standard deviation of the field, in luma samples of 0..1. */
  readonly strength: number;
}

/** Largest factor of --canvas. */
export const MAX_CANVAS = 3;

export function canvasEntry(entry: Fields): Canvas {
  return { initializer: entry.string('initializer'), strength: canvasStrength(entry, 'strength') };
}

export function canvasStrength(entry: Fields, key: string): number {
  return entry.number(key, { min: 0, max: 1 });
}

/**
 * Returns the graph with this strength of its canvas.
 *
 * @throws {JobError} model: when the graph lacks the initializer that the manifest names.
 */
export function withCanvas(graph: GraphProto, { initializer, strength }: Canvas, file: string): GraphProto {
  const own = graph.initializer?.find((one) => one.name === initializer);
  if (own === undefined || float32Values(own)?.length !== 1) {
    throw new JobError(
      'model',
      `"${file}" has no float32 initializer "${initializer}" of one number, which its manifest names for the canvas`,
    );
  }
  const replaced = float32Tensor(initializer, dimsOf(own), Float32Array.of(strength));
  return { ...graph, initializer: (graph.initializer ?? []).map((one) => (one === own ? replaced : one)) };
}
