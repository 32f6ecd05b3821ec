import { JobError } from '../../system/errors.js';
import type { GraphProto, NodeProto } from '../graph/onnx.js';
import { firstUnknownNode, inferShapes } from '../graph/shapes.js';
import type {
  ChannelOrder,
  ChromaSampling,
  NamedRange,
  PixelTensor,
  TensorLayout,
} from '../ports/tensors.js';
import { axesOf } from '../ports/tensors.js';
import type { GraphEnd, GraphEnds } from './graph-ends.js';
import type { PixelIo } from './loaded-model.js';
import { MAX_MULTIPLE, MAX_SCALE } from './manifest.js';

/** The description of an image model on the command line. It overrides or replaces the manifest. */
export interface ModelOverrides {
  readonly layout?: TensorLayout;
  /** Order of the three-channel tensors. */
  readonly channels?: Exclude<ChannelOrder, 'grey'>;
  /** Range of both input and output. */
  readonly range?: NamedRange;
  readonly scale?: number;
  readonly multiple?: number;
  readonly chroma?: ChromaSampling;
}

export interface DerivedModel {
  readonly io: PixelIo;
  readonly scale: number;
  readonly multiple: number;
  readonly notes: readonly string[];
}

/**
 * Derives the description of a model without a manifest from its graph and `overrides`. No graph says which
 * numbers are black and white, or which of three channels is red.
 *
 * @throws {JobError} model: when facts are missing; the message lists them, the hint the options that give
 *   them.
 */
export function deriveImageModel(
  graph: GraphProto,
  opset: number,
  ends: GraphEnds,
  file: string,
  overrides: ModelOverrides,
): DerivedModel {
  const open = new Map<string, string>();
  const layout = layoutOf(ends, overrides, open);
  const trial = layout && trialOf(graph, opset, ends, layout);
  const inputCount = layout && ends.input.dims[axesOf(layout).channels];
  const outputCount = layout && (ends.output.dims[axesOf(layout).channels] ?? trial?.channels ?? inputCount);
  const input = tensor(ends.input, file, layout ?? 'nchw', inputCount, overrides, open);
  const output = tensor(ends.output, file, layout ?? 'nchw', outputCount, overrides, open);
  const scale = overrides.scale ?? trial?.scale ?? (layout && declaredScale(ends, layout));
  if (scale === undefined && layout !== undefined) {
    open.set('by what factor it upscales', `--model-scale 1..${MAX_SCALE}`);
  }
  const multiple = overrides.multiple ?? trial?.multiple;
  if (multiple === undefined && layout !== undefined) {
    open.set(
      'of what number width and height must be multiples (1: of any)',
      `--model-multiple 1..${MAX_MULTIPLE}`,
    );
  }
  const isMissing = scale === undefined || multiple === undefined;
  if (input === undefined || output === undefined || isMissing || open.size > 0) {
    const why =
      isMissing && trial?.lost ? ` (its operator ${nodeName(trial.lost)} is not supported for this)` : '';
    throw new JobError(
      'model',
      `"${file}" has no manifest, and its graph does not say ${[...open.keys()].join('; ')}${why}`,
      {
        hint: `add ${[...open.values()].join(' ')}, or write a manifest beside the model`,
      },
    );
  }
  const described = `${input.type} ${input.layout} ${input.channels} ${input.range} -> ${output.channels}`;
  return {
    io: { io: 'rgb', input, output, chroma: overrides.chroma ?? defaultChroma(scale) },
    scale,
    multiple,
    notes: [`model without a manifest, treated as ${described}, scale ${scale}, multiple ${multiple}`],
  };
}

function nodeName({ opType, name }: NodeProto): string {
  return name ? `${opType} "${name}"` : `${opType}`;
}

/**
 * Returns the default. The round trip is exact with `nearest`, but after upscaling its blocks would be
 * visible.
 */
export function defaultChroma(scale: number): ChromaSampling {
  return scale === 1 ? 'nearest' : 'linear';
}

function layoutOf(
  { input, output }: GraphEnds,
  overrides: ModelOverrides,
  open: Map<string, string>,
): TensorLayout | undefined {
  if (overrides.layout !== undefined) return overrides.layout;
  for (const { dims } of [input, output]) {
    const [first, last] = [isChannels(dims[1]), isChannels(dims[3])];
    if (first !== last) return first ? 'nchw' : 'nhwc';
  }
  open.set('where its channels are', '--model-layout nchw|nhwc');
  return undefined;
}

function isChannels(dim: number | undefined): boolean {
  return dim === 1 || dim === 3;
}

function tensor(
  { name, type }: GraphEnd,
  file: string,
  layout: TensorLayout,
  count: number | undefined,
  overrides: ModelOverrides,
  open: Map<string, string>,
): Required<PixelTensor> | undefined {
  if (count !== undefined && count !== 1 && count !== 3) {
    throw new JobError('model', `"${name}" of "${file}" has ${count} channels; images have 1 or 3`, {
      hint:
        count === 6
          ? 'for blocks of I420, write a manifest with "io": "i420"'
          : 'export the model for RGB or grey images',
    });
  }
  const range = type === 'uint8' ? '0..255' : overrides.range;
  if (range === undefined) open.set('which numbers are black and white', '--model-range 0..1|0..255|-1..1');
  const channels = count === 1 ? 'grey' : overrides.channels;
  if (channels === undefined) open.set('in which order its colours are', '--model-channels rgb|bgr');
  return range && channels && { name, layout, type, channels, range };
}

function declaredScale({ input, output }: GraphEnds, layout: TensorLayout): number | undefined {
  const { height, width } = axesOf(layout);
  const [across, down] = [
    (output.dims[width] ?? 0) / (input.dims[width] ?? 1),
    (output.dims[height] ?? 0) / (input.dims[height] ?? 1),
  ];
  return across === down && isScale(across) ? across : undefined;
}

function isScale(ratio: number): boolean {
  return Number.isInteger(ratio) && ratio >= 1 && ratio <= MAX_SCALE;
}

/** The facts found by following shapes through the graph; unknown ones are undefined. */
interface Trial {
  readonly scale?: number | undefined;
  readonly multiple?: number | undefined;
  readonly channels?: number | undefined;
  /** The first node whose output shape is unknown. */
  readonly lost?: NodeProto | undefined;
}

const MULTIPLES = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/** Sides that are multiples of all of them, and large enough for any padding inside. */
const [TRIAL_HEIGHT, TRIAL_WIDTH] = [1024, 1536];

/** Follows the shapes of several image sizes through the graph, which shows scale and multiple. */
function trialOf(graph: GraphProto, opset: number, ends: GraphEnds, layout: TensorLayout): Trial {
  const axes = axesOf(layout);
  const { dims } = ends.input;
  const isFixed = dims[axes.height] !== undefined && dims[axes.width] !== undefined;
  const trial = (height: number, width: number): Trial => {
    const wanted = dims.map(
      (dim, at) => dim ?? (at === axes.height ? height : at === axes.width ? width : 1),
    );
    const shapes = inferShapes(graph, opset, ends.input.name, wanted);
    const known = shapes.of(ends.output.name)?.dims;
    const [down, across] = [known?.[axes.height], known?.[axes.width]];
    if (known?.length !== 4 || down === undefined || across === undefined)
      return { lost: firstUnknownNode(shapes, ends.output.name) };
    const scales = [down / (wanted[axes.height] ?? 0), across / (wanted[axes.width] ?? 0)];
    return {
      scale: scales[0] === scales[1] && isScale(scales[0] ?? 0) ? scales[0] : undefined,
      channels: known[axes.channels],
    };
  };
  const whole = trial(TRIAL_HEIGHT, TRIAL_WIDTH);
  if (isFixed) return { ...whole, multiple: 1 };
  if (whole.scale === undefined) return whole;
  const fits = (multiple: number) =>
    [1, 2, 3].every(
      (step) =>
        trial(TRIAL_HEIGHT + step * multiple, TRIAL_WIDTH + (step + 1) * multiple).scale === whole.scale,
    );
  return { ...whole, multiple: MULTIPLES.find(fits) };
}
