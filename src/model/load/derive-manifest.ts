import { JobError } from '../../system/errors.js';
import type { NodeProto } from '../graph/onnx.js';
import type {
  ChannelOrder,
  ChromaSampling,
  NamedRange,
  PixelTensor,
  TensorLayout,
  ValueRange,
} from '../ports/tensors.js';
import { axesOf, channelCount, isWhole } from '../ports/tensors.js';
import type { GraphEnd, GraphEnds } from './graph-ends.js';
import type { PixelIo } from './loaded-model.js';
import { MAX_MULTIPLE, MAX_SCALE } from './manifest-fields.js';
import type { ImagePort } from './ports-manifest.js';
import { channelsOf, declaredScale, isSizeFixed, type ShapesFor, trialOf } from './size-trial.js';

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

/** What is known of an image model beside its graph, from a manifest and the command line. */
export interface KnownFacts {
  readonly input: ImagePort;
  readonly output: ImagePort;
  readonly scale?: number | undefined;
  readonly multiple?: number | undefined;
  readonly chroma?: ChromaSampling | undefined;
  /** True if another input takes the source frame in its own size. */
  readonly isSourceOpen?: boolean;
}

export interface DerivedModel {
  readonly io: PixelIo;
  readonly scale: number;
  readonly multiple: number;
  /** True if the frames have a fixed size, and the picture has the size of the source. */
  readonly sizedBySource: boolean;
  /** What was found out, for the log. */
  readonly found: string;
}

/** How the caller describes a model, for the remedies. */
export type Description = 'options' | 'manifest';

/** The remedies for what is not known. */
const REMEDIES = {
  layout: {
    lacks: 'where its channels are',
    options: '--model-layout nchw|nhwc',
    manifest: '"layout": "nchw" or "nhwc"',
  },
  range: {
    lacks: 'which numbers are black and white',
    options: '--model-range 0..1|0..255|-1..1',
    manifest: '"range": "0..1", "0..255" or "-1..1"',
  },
  channels: {
    lacks: 'in which order its colours are',
    options: '--model-channels rgb|bgr',
    manifest: '"channels": "rgb" or "bgr"',
  },
  scale: {
    lacks: 'by what factor it upscales',
    options: `--model-scale 1..${MAX_SCALE}`,
    manifest: `"scale": 1..${MAX_SCALE}`,
  },
  multiple: {
    lacks: 'of what number width and height must be multiples (1: of any)',
    options: `--model-multiple 1..${MAX_MULTIPLE}`,
    manifest: `"multiple": 1..${MAX_MULTIPLE}`,
  },
} as const;
export type Lacking = Set<keyof typeof REMEDIES>;

/** Returns the facts that the command line gives. */
export function factsOf(overrides: ModelOverrides, ports?: Pick<KnownFacts, 'input' | 'output'>): KnownFacts {
  const { layout, channels, range, scale, multiple, chroma } = overrides;
  const image = (port: ImagePort = {}): ImagePort => ({
    ...port,
    ...(layout === undefined ? {} : { layout }),
    ...(channels === undefined || port.channels === 'grey' ? {} : { channels }),
    ...(range === undefined ? {} : { range }),
  });
  return { input: image(ports?.input), output: image(ports?.output), scale, multiple, chroma };
}

/**
 * Derives the description of a model from its graph and what is known. No graph says which numbers are black
 * and white, or which of three channels is red.
 *
 * @throws {JobError} model: when facts are missing; the message lists them, the hint what gives them.
 */
export function deriveImageModel(
  shapesFor: ShapesFor,
  ends: GraphEnds,
  file: string,
  known: KnownFacts,
  description: Description,
): DerivedModel {
  const open: Lacking = new Set();
  const layout = layoutFrom(ends, known);
  if (layout === undefined) open.add('layout');
  const isSourceOpen = known.isSourceOpen === true;
  const outputLayout = known.output.layout ?? layout ?? 'nchw';
  const layouts = layout && { input: layout, output: outputLayout };
  const trial = layouts && trialOf(shapesFor, ends, layouts, isSourceOpen);
  const inputCount = layout && ends.input.dims[axesOf(layout).channels];
  const outputCount = layout && (channelsOf(ends.output, outputLayout) ?? trial?.channels ?? inputCount);
  const input = imageTensor(ends.input, file, layout ?? 'nchw', inputCount, known.input, open);
  const output = imageTensor(ends.output, file, outputLayout, outputCount, known.output, open);
  const scale = known.scale ?? trial?.scale ?? (layouts && declaredScale(ends, layouts));
  if (scale === undefined && layout !== undefined) open.add('scale');
  const multiple = known.multiple ?? trial?.multiple;
  if (multiple === undefined && layout !== undefined) open.add('multiple');
  const isMissing = scale === undefined || multiple === undefined;
  if (input === undefined || output === undefined || isMissing || open.size > 0) {
    const why =
      isMissing && trial?.lost ? ` (its operator ${nodeName(trial.lost)} is not supported for this)` : '';
    throw lacking(open, file, description, why);
  }
  const described = `${input.type} ${input.layout} ${input.channels} ${rangeText(input.range)} -> ${output.channels}`;
  return {
    io: { io: 'rgb', input, output, chroma: known.chroma ?? defaultChroma(scale) },
    scale,
    multiple,
    // Where no shape tells, an input of the source's own size is there for the picture.
    sizedBySource: trial?.sizedBySource ?? (isSourceOpen && isSizeFixed(ends, layout ?? 'nchw')),
    found: `${described}, scale ${scale}, multiple ${multiple}`,
  };
}

/**
 * Describes the frames of a network of which nothing else is known.
 *
 * @throws {JobError} model: when facts are missing.
 */
export function describeInput(end: GraphEnd, known: KnownFacts, file: string): Required<PixelTensor> {
  const open: Lacking = new Set();
  const layout = layoutFrom({ input: end, output: end }, known);
  if (layout === undefined) open.add('layout');
  const count = layout && end.dims[axesOf(layout).channels];
  const input = imageTensor(end, file, layout ?? 'nchw', count, known.input, open);
  if (input !== undefined && open.size === 0) return input;
  throw lacking(open, file, 'manifest');
}

/**
 * Returns the error for facts that are missing, which says what gives them. `of` is what they are missing of,
 * if not of the whole model.
 */
export function lacking(open: Lacking, file: string, description: Description, why = '', of = ''): JobError {
  const lacks = [...open].map((one) => REMEDIES[one].lacks).join('; ');
  const remedies = [...open].map((one) => REMEDIES[one][description]);
  return description === 'options'
    ? new JobError('model', `"${file}" has no manifest, and its graph does not say ${lacks}${why}`, {
        hint: `add ${remedies.join(' ')}, or write a manifest beside the model`,
      })
    : new JobError('model', `neither the manifest of "${file}" nor its graph says${of} ${lacks}${why}`, {
        hint: `add ${remedies.join(', ')} to the manifest`,
      });
}

function rangeText(range: ValueRange): string {
  return typeof range === 'string' ? range : 'mean and std';
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

/** Returns where the channels of the frames are; undefined if neither the graph nor anything else says. */
export function layoutFrom({ input, output }: GraphEnds, known: KnownFacts): TensorLayout | undefined {
  if (known.input.layout !== undefined) return known.input.layout;
  for (const { dims, isFlat } of [input, output]) {
    if (isFlat) continue;
    const [first, last] = [isChannels(dims[1]), isChannels(dims[3])];
    if (first !== last) return first ? 'nchw' : 'nhwc';
  }
  return undefined;
}

function isChannels(dim: number | undefined): boolean {
  return dim === 1 || dim === 3;
}

/**
 * Returns what an image's tensor means, as far as it is known; undefined if not all of it is: `open` then
 * gets what is not. `layout` is where its channels are, if it has an axis of them, and `count` their number.
 */
export function imageTensor(
  { name, type, isFlat }: GraphEnd,
  file: string,
  layout: TensorLayout,
  count: number | undefined,
  known: ImagePort,
  open: Lacking,
): Required<PixelTensor> | undefined {
  if (count !== undefined && count !== 1 && count !== 3) {
    throw new JobError('model', `"${name}" of "${file}" has ${count} channels; images have 1 or 3`, {
      hint:
        count === 6
          ? 'for blocks of I420, write a manifest with "io": "i420"'
          : 'export the model for RGB or grey images',
    });
  }
  if (count === 3 && known.channels === 'grey') {
    throw new JobError('model', `"${name}" of "${file}" has 3 channels, and its manifest says grey`);
  }
  const range = isWhole(type) ? '0..255' : known.range;
  if (range === undefined) open.add('range');
  const channels = count === 1 ? 'grey' : known.channels;
  if (channels === undefined) open.add('channels');
  if (range === undefined || channels === undefined) return undefined;
  const own = rangeOf(range, channelCount(channels));
  if (own === undefined && typeof range !== 'string')
    throw new JobError(
      'model',
      `"${name}" of "${file}" has ${channelCount(channels)} channel${channels === 'grey' ? '' : 's'}, and its "range" has ${range.mean.length}`,
      { hint: 'correct "mean" and "std" in its manifest' },
    );
  return { name, layout: isFlat ? 'nhw' : layout, type, channels, range: own ?? range };
}

/** Returns a range for so many channels. A manifest that does not say their number has it for three. */
function rangeOf(range: ValueRange, count: number): ValueRange | undefined {
  if (typeof range === 'string' || range.mean.length === count) return range;
  const { mean, std } = range;
  const isSame = [mean, std].every((list) => list.every((one) => one === list[0]));
  return isSame && mean.length > count ? { mean: mean.slice(0, count), std: std.slice(0, count) } : undefined;
}
