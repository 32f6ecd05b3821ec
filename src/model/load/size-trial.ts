/** Sizes of a network's images, found by following shapes through its graph. */
import type { NodeProto } from '../graph/onnx.js';
import { firstUnknownNode, type Shapes } from '../graph/shapes.js';
import { imagesOf } from '../ports/several.js';
import { axesOf, type TensorLayout } from '../ports/tensors.js';
import type { RunSize } from '../ports/with-constants.js';
import type { GraphEnd, GraphEnds } from './graph-ends.js';
import { MAX_SCALE } from './manifest-fields.js';

/**
 * Returns the shapes in a network, with its constants, for images of these dimensions, and a source frame of
 * the size `source`.
 */
export type ShapesFor = (
  dims: readonly number[],
  run: RunSize,
  source: { readonly width: number; readonly height: number },
) => Shapes;

/** Where the channels of the frames are, and those of the picture. */
export interface Layouts {
  readonly input: TensorLayout;
  readonly output: TensorLayout;
}

/** Returns the number of channels that a file declares. */
export function channelsOf({ dims, isFlat }: GraphEnd, layout: TensorLayout): number | undefined {
  return isFlat ? 1 : dims[axesOf(layout).channels];
}

/** Returns output size over input size, as the file declares them; undefined if it does not. */
export function declaredScale({ input, output }: GraphEnds, layouts: Layouts): number | undefined {
  const { height, width } = axesOf(layouts.input);
  const there = axesOf(output.isFlat ? 'nhw' : layouts.output);
  const [across, down] = [
    (output.dims[there.width] ?? 0) / (input.dims[width] ?? 1),
    (output.dims[there.height] ?? 0) / (input.dims[height] ?? 1),
  ];
  return across === down && isScale(across) ? across : undefined;
}

function isScale(ratio: number): boolean {
  return Number.isInteger(ratio) && ratio >= 1 && ratio <= MAX_SCALE;
}

/** The facts found by following shapes through the graph; unknown ones are undefined. */
export interface Trial {
  readonly scale?: number | undefined;
  readonly multiple?: number | undefined;
  readonly channels?: number | undefined;
  /** True if the frames have a fixed size, and the output that of the source. */
  readonly sizedBySource?: boolean;
  /** The first node whose output shape is unknown. */
  readonly lost?: NodeProto | undefined;
}

const MULTIPLES = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/** Sides that are multiples of all of them, and large enough for any padding inside. */
const [TRIAL_HEIGHT, TRIAL_WIDTH] = [1024, 1536];

/** Returns whether the frames have a fixed size. */
export function isSizeFixed({ input: { dims } }: GraphEnds, layout: TensorLayout): boolean {
  const { height, width } = axesOf(layout);
  return dims[height] !== undefined && dims[width] !== undefined;
}

/**
 * Follows the shape of one image size through the graph. `isSourceOpen`: another input takes the source frame
 * in its own size.
 */
export function sizeTrial(
  shapesFor: ShapesFor,
  ends: GraphEnds,
  { input: layout, output: outputLayout }: Layouts,
  isSourceOpen = false,
  height = TRIAL_HEIGHT,
  width = TRIAL_WIDTH,
): Trial {
  const { input, output } = ends;
  const axes = axesOf(layout);
  const wanted = input.dims.map(
    (dim, at) => dim ?? (at === axes.height ? height : at === axes.width ? width : 1),
  );
  const { 0: batch = 1, [axes.height]: high = 1, [axes.width]: wide = 1 } = wanted;
  const own = { height: high, width: wide };
  const shapes = shapesFor(wanted, { batch, ...own, layout }, { height, width });
  const { dims: given } = shapes.of(output.name) ?? {};
  const found = given && imagesOf(ends.several, given);
  const [first = 1, ...sides] = found ?? [];
  const known = output.isFlat && sides.length === 2 ? [first, 1, ...sides] : found;
  const there = axesOf(output.isFlat ? 'nhw' : outputLayout);
  const [down, across] = [known?.[there.height], known?.[there.width]];
  if (known?.length !== 4 || down === undefined || across === undefined)
    return { lost: firstUnknownNode(shapes, output.name) };
  const over = (of: { readonly width: number; readonly height: number }): number | undefined =>
    down / of.height === across / of.width && isScale(down / of.height) ? down / of.height : undefined;
  const ofSource = isSourceOpen && isSizeFixed(ends, layout) ? over({ height, width }) : undefined;
  return {
    scale: ofSource ?? over(own),
    sizedBySource: ofSource !== undefined,
    channels: known[there.channels],
  };
}

/** Follows the shapes of several image sizes through the graph, which shows scale and multiple. */
export function trialOf(
  shapesFor: ShapesFor,
  ends: GraphEnds,
  layouts: Layouts,
  isSourceOpen: boolean,
): Trial {
  const trial = (height: number, width: number) =>
    sizeTrial(shapesFor, ends, layouts, isSourceOpen, height, width);
  const whole = trial(TRIAL_HEIGHT, TRIAL_WIDTH);
  if (isSizeFixed(ends, layouts.input) && !isSourceOpen) return { ...whole, multiple: 1 };
  if (whole.scale === undefined) return whole;
  const fits = (multiple: number) =>
    [1, 2, 3].every(
      (step) =>
        trial(TRIAL_HEIGHT + step * multiple, TRIAL_WIDTH + (step + 1) * multiple).scale === whole.scale,
    );
  return { ...whole, multiple: MULTIPLES.find(fits) };
}
