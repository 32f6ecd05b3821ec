/** Reads what a manifest says of the inputs with the role "source". */
import type { GraphProto } from '../graph/onnx.js';
import type { SourceFeed } from '../ports/source.js';
import { describeInput, layoutFrom } from './derive-manifest.js';
import { fixedSizeOf, imageInput, ofSize, refuseMissingInputs } from './graph-ends.js';
import type { PortsManifest } from './ports-manifest.js';

/** An input that takes the source frame, and the only batch that it allows, if it fixes one. */
export interface ReadSource {
  readonly feed: SourceFeed;
  readonly batch: number | undefined;
}

/**
 * Returns the inputs that take the source frame.
 *
 * @throws {JobError} model: when one is missing, no image, or not described.
 */
export function readSources(
  { inputs }: PortsManifest,
  graph: GraphProto,
  file: string,
): readonly ReadSource[] {
  return [...inputs].flatMap(([name, port]): readonly ReadSource[] => {
    if (port.role !== 'source') return [];
    refuseMissingInputs(graph, file, [name]);
    const { role: _, size, ...image } = port;
    const known = { input: image, output: {} };
    const whole = imageInput(graph, file, name);
    const end = ofSize(whole, size, layoutFrom({ input: whole, output: whole }, known), file);
    const tensor = describeInput(end, known, file);
    return [{ feed: { tensor, size: fixedSizeOf(end, tensor.layout, file) }, batch: end.dims[0] }];
  });
}
