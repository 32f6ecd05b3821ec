import { JobError } from '../../system/errors.js';
import { didYouMean } from '../../system/suggestion.js';
import { DataType, elementType, type GraphProto, type ValueInfoProto, valueDims } from '../graph/onnx.js';
import { type DeclaredEnd, type DeclaredEnds, declaredEnds, endText } from '../ports/ends.js';
import { looksOf } from '../ports/looks.js';
import { imagesOf, type SeveralFrames, severalText } from '../ports/several.js';
import { axesOf, type SampleType, type TensorLayout } from '../ports/tensors.js';
import { type Feed, imageDims } from '../ports/window.js';

/** The input or the output of a network, as its file declares it. */
export interface GraphEnd {
  readonly name: string;
  readonly type: SampleType;
  /** Four dimensions, undefined if dynamic; all undefined if the file does not even give their number. */
  readonly dims: readonly (number | undefined)[];
  /** True if it has no axis of channels, [N, H, W]: `dims` has a 1 in its place, as in [N, 1, H, W]. */
  readonly isFlat?: true;
}

export interface GraphEnds {
  readonly input: GraphEnd;
  readonly output: GraphEnd;
  /** How the output gives several frames, if it does. */
  readonly several?: SeveralFrames | undefined;
}

const TYPES: ReadonlyMap<number | undefined, SampleType> = new Map([
  [DataType.float32, 'float32'],
  [DataType.float16, 'float16'],
  [DataType.uint8, 'uint8'],
  [DataType.int32, 'int32'],
]);

/**
 * Which ends of a graph are meant: the names of the frames' and the picture's, and of inputs with a value.
 */
export interface EndNames {
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  readonly constants?: ReadonlySet<string>;
  /** How the input takes frames, if not one image. */
  readonly feed?: Feed | undefined;
  readonly several?: SeveralFrames | undefined;
}

/**
 * Returns the input that takes the frames and the output that gives the picture.
 *
 * @throws {JobError} model: when an end is missing, is no image of a supported type, or has no role.
 */
export function graphEnds(graph: GraphProto, file: string, names: EndNames): GraphEnds {
  const input = framesEnd(graph, file, names);
  const outputs = graph.output ?? [];
  const output = names.output === undefined ? outputs[0] : outputs.find((one) => one.name === names.output);
  if (output === undefined || (names.output === undefined && outputs.length !== 1))
    throw severalOutputs(graph, file);
  refusePassedOn(graph, file, output.name ?? '');
  const { several } = names;
  if (several !== undefined) {
    const images = { of: (dims: Dims) => imagesOf(several, dims), text: severalText(several) };
    return { input, output: end(output, graph, file, 'output', images), several };
  }
  const looks = looksOf(declaredEnds(graph)).get(output.name ?? '');
  const isMeant = names.output !== undefined || looks?.lines?.role === 'picture';
  return {
    input,
    output: isMeant ? pictureEnd(output, graph, file, input) : end(output, graph, file, 'output'),
  };
}

/**
 * Returns the output of this name, which gives a further picture.
 *
 * @throws {JobError} model: when it is missing, or is no image of a supported type.
 */
export function furtherEnd(graph: GraphProto, file: string, input: GraphEnd, name: string): GraphEnd {
  refuseMissingOutputs(graph, file, [name]);
  const output = graph.output?.find((one) => one.name === name);
  if (output === undefined) throw severalOutputs(graph, file);
  return pictureEnd(output, graph, file, input);
}

/** Returns an output that gives images; without an axis of channels, if its first one is that of `input`. */
function pictureEnd(output: ValueInfoProto, graph: GraphProto, file: string, input: GraphEnd): GraphEnd {
  const [batch, ...sides] = valueDims(output) ?? [];
  const isOfBatch = batch === undefined || batch === 1 || batch === input.dims[0];
  if (sides.length !== 2 || !isOfBatch) return end(output, graph, file, 'output');
  const type = sampleType(output, graph, file, 'output');
  return { name: output.name ?? '', type, dims: [batch, 1, ...sides], isFlat: true };
}

/**
 * Returns the input that takes the frames.
 *
 * @throws {JobError} model: when it is missing, is no image of a supported type, or another has no role.
 */
export function framesEnd(graph: GraphProto, file: string, names: EndNames): GraphEnd {
  const { constants = new Set<string>() } = names;
  const valued = new Set((graph.initializer ?? []).map((one) => one.name));
  const all = (graph.input ?? []).filter((one) => !valued.has(one.name));
  refuseMissing(names, declaredEnds(graph), file);
  const inputs = all.filter((one) => !constants.has(one.name ?? ''));
  const input = names.input === undefined ? inputs[0] : inputs.find((one) => one.name === names.input);
  if (input === undefined || inputs.length !== 1)
    throw severalInputs(graph, file, input?.name ?? '', constants);
  const { feed } = names;
  const text =
    feed?.stack === 'chunk'
      ? severalText({ kind: 'chunk', frames: feed.offsets.length, edge: 'replicate' })
      : `${feed?.offsets.length} frames stacked by ${feed?.stack}`;
  return end(input, graph, file, 'input', feed && { of: (dims) => imageDims(feed, dims), text });
}

/**
 * Returns an input that takes one image.
 *
 * @throws {JobError} model: when it is no image of a supported type.
 */
export function imageInput(graph: GraphProto, file: string, name: string): GraphEnd {
  const input = (graph.input ?? []).find((one) => one.name === name);
  return end(input ?? {}, graph, file, 'input');
}

/** Returns an input with the size that its manifest gives it. */
export function ofSize(
  end: GraphEnd,
  size: { readonly width: number; readonly height: number } | undefined,
  layout: TensorLayout | undefined,
  file: string,
): GraphEnd {
  if (size === undefined) return end;
  const { height, width } = axesOf(layout ?? 'nchw');
  const given = new Map([
    [height, size.height],
    [width, size.width],
  ]);
  const dims = end.dims.map((dim, at) => {
    const side = given.get(at);
    if (side === undefined || dim === undefined || dim === side) return side ?? dim;
    throw new JobError('model', `"${file}" takes frames of another size than ${size.width}x${size.height}`, {
      hint: 'omit "size": the graph fixes it',
    });
  });
  return { ...end, dims };
}

/** Refuses inputs that the graph does not have. */
export function refuseMissingInputs(graph: GraphProto, file: string, names: readonly string[]): void {
  refuseMissing({ constants: new Set(names) }, declaredEnds(graph), file);
}

/** Refuses outputs that the graph does not have, or only passes on. */
export function refuseMissingOutputs(graph: GraphProto, file: string, names: readonly string[]): void {
  for (const output of names) {
    refuseMissing({ output }, declaredEnds(graph), file);
    refusePassedOn(graph, file, output);
  }
}

/** Refuses an output that is an input. */
function refusePassedOn(graph: GraphProto, file: string, output: string): void {
  if (!declaredEnds(graph).inputs.some(({ name }) => name === output)) return;
  throw new JobError('model', `the output "${output}" of "${file}" is its input, which no operator changes`, {
    hint: 'choose another output, or put an Identity before it',
  });
}

/** Refuses names that the graph does not have. */
function refuseMissing(names: EndNames, declared: DeclaredEnds, file: string): void {
  const check = (name: string, what: string, ends: readonly DeclaredEnd[]) => {
    const own = ends.map((one) => one.name);
    if (own.includes(name)) return;
    throw new JobError(
      'model',
      `"${file}" has no ${what} "${name}"${didYouMean(name, own)}; it has ${list(ends)}`,
      { hint: `correct the name in its manifest${what === 'input' ? ', or after --input' : ''}` },
    );
  };
  if (names.input !== undefined) check(names.input, 'input', declared.inputs);
  for (const name of names.constants ?? []) check(name, 'input', declared.inputs);
  if (names.output !== undefined) check(names.output, 'output', declared.outputs);
}

/**
 * Returns the refusal of a graph whose inputs do not all have a role; `frames` is the one for frames, if
 * known.
 */
function severalInputs(
  graph: GraphProto,
  file: string,
  frames: string,
  constants: ReadonlySet<string>,
): JobError {
  const declared = declaredEnds(graph);
  const looks = looksOf(declared);
  const open = declared.inputs.filter(({ name }) => !constants.has(name));
  const [first] = open;
  if (first === undefined || declared.inputs.length === 0)
    return new JobError(
      'model',
      `"${file}" has no input left for the frames: it has ${list(declared.inputs)}`,
      {
        hint: 'omit the --input of the one that takes the frames',
      },
    );
  const others = open.filter(({ name }) => name !== frames || looks.get(name)?.what !== 'the frames');
  const values = (others.length < open.length ? others : open.slice(1)).map((one) => {
    const { what = '', lines } = looks.get(one.name) ?? {};
    const ways = lines && [
      `"${one.name}": ${JSON.stringify(lines)} in "inputs" of a manifest`,
      ...(lines.role === 'constant' ? [`--input ${one.name}=${example(lines)}`] : []),
    ];
    return `"${one.name}" looks like ${what}${ways === undefined ? ', which cannot be given yet' : `: ${ways.join(', or ')}`}`;
  });
  return new JobError(
    'model',
    `"${file}" has ${open.length} inputs without a value (${list(open)}); one takes the frames, and the others need a role`,
    { hint: `${values.join('; ')}; framescatter models inspect prints a manifest to start from` },
  );
}

function example(lines: Readonly<Record<string, unknown>>): string {
  return String(lines.value ?? lines.npy ?? lines.picture);
}

function severalOutputs(graph: GraphProto, file: string): JobError {
  const { outputs } = declaredEnds(graph);
  const looks = looksOf(declaredEnds(graph));
  const lines = outputs.flatMap(({ name }) => {
    const { what = '', lines } = looks.get(name) ?? {};
    return lines === undefined ? [] : [`"${name}" looks like ${what}: "${name}": ${JSON.stringify(lines)}`];
  });
  return new JobError(
    'model',
    `"${file}" has ${outputs.length} outputs (${list(outputs)}) where one was expected`,
    {
      hint:
        lines.length === 0
          ? 'none of them looks like a picture or a table: export the model with one as output'
          : `name those to keep in "outputs" of a manifest: ${lines.join('; ')}; framescatter models inspect prints one`,
    },
  );
}

function list(ends: readonly DeclaredEnd[]): string {
  return ends.map(endText).join(', ') || 'none';
}

type Dims = readonly (number | undefined)[];

/** How an end that holds several frames is taken as images, and what it should be. */
interface Images {
  of(dims: Dims): Dims | undefined;
  readonly text: string;
}

function end(
  value: ValueInfoProto,
  graph: GraphProto,
  file: string,
  what: 'input' | 'output',
  images?: Images,
): GraphEnd {
  const type = sampleType(value, graph, file, what);
  const stacked = valueDims(value);
  const dims =
    stacked === undefined
      ? [undefined, undefined, undefined, undefined]
      : images
        ? images.of(stacked)
        : stacked;
  if (dims === undefined) {
    throw new JobError(
      'model',
      `the ${what} of "${file}" is [${stacked?.map((dim) => dim ?? '?').join(', ')}], which is not ` +
        `${images?.text}`,
      { hint: `correct ${what === 'input' ? '"window" or "chunk"' : '"take" or "chunk"'} in its manifest` },
    );
  }
  if (dims.length !== 4) {
    throw new JobError(
      'model',
      `the ${what} of "${file}" has ${dims.length} dimensions; a batch of images has 4`,
      hintFor(value, graph, what),
    );
  }
  return { name: value.name ?? '', type, dims };
}

function sampleType(
  value: ValueInfoProto,
  graph: GraphProto,
  file: string,
  what: 'input' | 'output',
): SampleType {
  const type = TYPES.get(elementType(value));
  if (type !== undefined) return type;
  throw new JobError(
    'model',
    `the ${what} of "${file}" is neither float32, float16, uint8 nor int32`,
    hintFor(value, graph, what),
  );
}

/** Returns the manifest lines that would make an end run that is no image. */
function hintFor({ name }: ValueInfoProto, graph: GraphProto, what: 'input' | 'output'): { hint?: string } {
  const found = looksOf(declaredEnds(graph)).get(name ?? '');
  if (found?.lines === undefined || found.lines.role === 'constant') return {};
  const line = `"${name}": ${JSON.stringify(found.lines)}`;
  return {
    hint: `it looks like ${found.what}: write ${line} in "${what}s" of a manifest; framescatter models inspect prints one`,
  };
}

/**
 * Returns the only image size that a file allows, as its width and height dimensions; undefined if both are
 * dynamic.
 *
 * @throws {JobError} model: when only one of them is fixed.
 */
export function fixedSizeOf(
  { dims }: GraphEnd,
  layout: TensorLayout,
  file: string,
): { readonly width: number; readonly height: number } | undefined {
  const axes = axesOf(layout);
  const [height, width] = [dims[axes.height], dims[axes.width]];
  if (height === undefined && width === undefined) return undefined;
  if (height !== undefined && width !== undefined) return { width, height };
  throw new JobError('model', `"${file}" fixes the height or the width of its input, but not both`, {
    hint: 'export it with both dynamic, or both fixed',
  });
}
