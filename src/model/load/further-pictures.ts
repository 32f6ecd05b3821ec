/** Describes the pictures that a network gives beside its main one. */
import { JobError } from '../../system/errors.js';
import type { GraphProto } from '../graph/onnx.js';
import type { TensorLayout } from '../ports/tensors.js';
import { imageTensor, type Lacking, lacking } from './derive-manifest.js';
import { furtherEnd, type GraphEnd } from './graph-ends.js';
import type { FurtherPicture } from './loaded-model.js';
import type { PicturePort, PortsManifest } from './ports-manifest.js';
import { channelsOf, declaredScale, type ShapesFor, sizeTrial } from './size-trial.js';

/** An output that gives a further picture, and what the manifest says of it. */
export interface FurtherOutput {
  readonly end: GraphEnd;
  readonly port: PicturePort;
}

/**
 * Returns the outputs of a manifest that give further pictures: all but the first with that role.
 *
 * @param input the frames' input.
 * @throws {JobError} model: when the graph lacks one, or it is no image of a supported type.
 */
export function furtherOutputs(
  outputs: PortsManifest['outputs'],
  graph: GraphProto,
  file: string,
  input: GraphEnd,
): readonly FurtherOutput[] {
  const pictures = [...outputs].flatMap(([name, port]) => (port.role === 'picture' ? [{ name, port }] : []));
  return pictures.slice(1).map(({ name, port }) => ({ end: furtherEnd(graph, file, input, name), port }));
}

/** Of a matte or mask; what else a picture holds, the manifest says. */
const DEFAULT_RANGE = '0..1';

/**
 * Describes further pictures by the graph and the manifest. `layout` is that of the frames.
 *
 * @throws {JobError} model: when facts are missing, or a picture has no size that a video could have.
 */
export function describeFurther(
  shapesFor: ShapesFor,
  input: GraphEnd,
  layout: TensorLayout,
  further: readonly FurtherOutput[],
  file: string,
): readonly FurtherPicture[] {
  return further.map(({ end, port }) => {
    const own = port.layout ?? layout;
    const ends = { input, output: end };
    const layouts = { input: layout, output: own };
    const open: Lacking = new Set();
    const { scale: found, channels, lost } = sizeTrial(shapesFor, ends, layouts);
    const known = { range: DEFAULT_RANGE, ...port } as const;
    const tensor = imageTensor(end, file, own, channelsOf(end, own) ?? channels, known, open);
    const scale = port.scale ?? found ?? declaredScale(ends, layouts);
    // Its size is known then, and is no whole multiple.
    if (scale === undefined && lost === undefined) {
      throw new JobError(
        'model',
        `the picture "${end.name}" of "${file}" is not 1, 2, 3 or 4 times as large as the frames, across and down`,
        { hint: 'export the model with a Resize to the size of the frames behind it, or omit the picture' },
      );
    }
    if (scale === undefined) open.add('scale');
    if (tensor === undefined || scale === undefined || open.size > 0)
      throw lacking(open, file, 'manifest', '', ` of the picture "${end.name}"`);
    return { name: end.name, tensor, scale };
  });
}
