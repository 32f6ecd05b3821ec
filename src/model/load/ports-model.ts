/** Models whose ends have roles: from a manifest of format 2, or from the command line. */
import { JobError } from '../../system/errors.js';
import { CUT_THRESHOLD } from '../../video/frames/scene-cuts.js';
import { type GraphProto, type ModelProto, opsetOf } from '../graph/onnx.js';
import { inferShapes } from '../graph/shapes.js';
import type { ConstantSource } from '../ports/constant-source.js';
import { type Constant, type FramesFacts, readConstant } from '../ports/constants.js';
import { type DeclaredEnd, declaredEnds, endText } from '../ports/ends.js';
import { isOfOneFrame } from '../ports/open-rows.js';
import { type SourceFeed, sourceDims, takesAnySize } from '../ports/source.js';
import { type CutRule, type Recurrence, type State, settleStates } from '../ports/state.js';
import type { Fit } from '../ports/tensors.js';
import { type Feed, stackedDims, windowOf } from '../ports/window.js';
import { withConstants } from '../ports/with-constants.js';
import {
  type Description,
  deriveImageModel,
  describeInput,
  factsOf,
  type KnownFacts,
  layoutFrom,
} from './derive-manifest.js';
import { finish, type Request } from './finish.js';
import { describeFurther, furtherOutputs } from './further-pictures.js';
import {
  fixedSizeOf,
  framesEnd,
  type GraphEnd,
  type GraphEnds,
  graphEnds,
  ofSize,
  refuseMissingInputs,
  refuseMissingOutputs,
} from './graph-ends.js';
import type { FurtherPicture, LoadedModel, ModelTable, TableIo } from './loaded-model.js';
import { readLimited, resolveInside } from './model-files.js';
import type { OutputPort, PortsManifest } from './ports-manifest.js';
import { severalOf } from './several-frames.js';
import type { ShapesFor } from './size-trial.js';
import { readSources } from './source-frames.js';
import { withLabels } from './table-manifest.js';

/** The most bytes of a file of labels: a thousand times those of ImageNet's. */
const MOST_LABEL_BYTES = 2 ** 24;

/** A network, read from its file. */
export interface ReadNetwork {
  readonly file: string;
  readonly proto: ModelProto;
  readonly digest: string;
}

/** Loads a network as its manifest of format 2 describes it. */
export async function loadPorts(
  request: Request,
  path: string,
  manifest: PortsManifest,
  { file, proto, digest }: ReadNetwork,
): Promise<LoadedModel> {
  const graph = proto.graph ?? {};
  const [input, inputPort] = portOf(manifest.inputs, 'frames') ?? missing('frames');
  const picture = portOf(manifest.outputs, 'picture');
  const sources = await sourcesOf(request, path, manifest);
  const feeds = feedsOf(manifest.inputs, graph);
  const [feed] = feeds;
  const states = await statesOf(request, path, manifest, proto, file);
  const read = readSources(manifest, graph, file);
  const beside = read.map(({ feed: { tensor } }) => tensor.name);
  const others = feeds.map(({ name }) => name).filter((name) => name !== input);
  const stated = (states?.states ?? []).map((state) => state.input);
  const taken = [...sources.keys(), ...others, ...stated, ...beside];
  const several = severalOf(inputPort, picture, graph);
  const names = { input, feed, several, constants: new Set(taken) };
  const cuts = cutRule(request, manifest);
  const isChunk = several?.kind === 'chunk';
  const window = isChunk ? undefined : windowOf(feeds, inputPort.edge ?? 'replicate', cuts?.neighbours);
  const tables = await tablesOf(path, manifest, graph, file);
  const { scale, multiple, chroma, macsPerPixel } = manifest;
  const known = {
    ...{ scale, multiple, chroma },
    ...given(factsOf(request.overrides, { input: inputPort, output: picture?.[1] ?? {} })),
  };
  const images = read.map(({ feed }) => feed);
  const made = (
    end: GraphEnd,
    { sizedBySource = false, ...described }: Described & { readonly sizedBySource?: boolean },
    constants: readonly Constant[],
    pictures: readonly FurtherPicture[] = [],
  ) => {
    const own = images.length === 0 ? undefined : { feeds: images, sizesPicture: sizedBySource };
    const finished = finish(request, file, proto, end, described, macsPerPixel, [digest], [], constants, {
      ...{ tables, pictures, feeds, window, recurrence: states, cuts, sources: own, several },
    });
    const [fixedBatch = finished.fixedBatch] = read.flatMap(({ batch }) => batch ?? []);
    const model = { ...finished, fixedBatch };
    const precision = manifest.precision ?? model.precision;
    const ends = declaredEnds(graph);
    if (!tables.some((table) => table.rows !== undefined && isOfOneFrame(table, ends, input)))
      return { ...model, precision };
    const note = `the outputs of "${file}" have no batch dimension: it runs frame by frame`;
    return { ...model, precision, fixedBatch: model.fixedBatch ?? 1, notes: [...model.notes, note] };
  };
  const sized = (end: GraphEnd): GraphEnd =>
    ofSize(end, inputPort.size, layoutFrom({ input: end, output: end }, known), file);
  if (picture === undefined) {
    const end = sized(framesEnd(graph, file, names));
    const described = describeFrames(
      end,
      known,
      inputPort.fit ?? 'stretch',
      file,
      takesAnySize({ feeds: images }),
    );
    return made(end, described, await readConstants(request, sources, proto, file, described.io.input));
  }
  const found = graphEnds(graph, file, { ...names, output: picture[0] });
  const ends = { ...found, input: sized(found.input) };
  const network = { file, proto, ends, feeds, sources, known, states: states?.states ?? [], images };
  const { constants, derived, shapesFor } = await describeNetwork(request, network, 'manifest');
  const further = furtherOutputs(manifest.outputs, graph, file, ends.input);
  const { layout } = derived.io.input;
  const pictures = describeFurther(shapesFor, ends.input, layout, further, file);
  return made(ends.input, derived, constants, pictures);
}

/** Returns the inputs that take frames. */
function feedsOf(inputs: PortsManifest['inputs'], graph: GraphProto): readonly Feed[] {
  const isSingle = (name: string): boolean =>
    declaredEnds(graph).inputs.find((end) => end.name === name)?.dims?.length === 3;
  return [...inputs].flatMap(([name, port]): readonly Feed[] => {
    if (port.role !== 'frames') return [];
    const { window, chunk, at = 0 } = port;
    if (chunk !== undefined)
      return [{ name, offsets: Array.from({ length: chunk }, (_, place) => place), stack: 'chunk' }];
    const stack = isSingle(name) ? 'single' : undefined;
    if (window === undefined) return [{ name, offsets: [at], stack }];
    const { before, after } = window;
    return [
      {
        name,
        offsets: Array.from({ length: before + after + 1 }, (_, place) => place - before),
        stack: window.stack,
      },
    ];
  });
}

type Described = Pick<LoadedModel, 'io' | 'scale' | 'multiple'>;

function missing(role: string): never {
  throw new JobError('internal', `a manifest has no end with the role "${role}"`);
}

/** Describes the frames of a network that gives no picture. */
function describeFrames(
  end: GraphEnd,
  known: KnownFacts,
  fit: Fit,
  file: string,
  takesAny: boolean,
): Described & { readonly io: TableIo } {
  const input = describeInput(end, known, file);
  const isFixed = fixedSizeOf(end, input.layout, file) !== undefined;
  if (!isFixed && fit !== 'stretch') {
    throw new JobError('model', `"${file}" takes frames of any size, so "fit" does not apply`, {
      hint: 'omit "fit", or add the "size" that it should have',
    });
  }
  const multiple = known.multiple ?? (isFixed && !takesAny ? 1 : undefined);
  if (multiple === undefined) {
    throw new JobError(
      'model',
      `the graph of "${file}" does not say of what number width and height must be multiples`,
      { hint: 'add "multiple" to the manifest: 1 if any will do, 32 for most detectors' },
    );
  }
  return { io: { io: 'table', input, chroma: known.chroma ?? 'linear', fit }, scale: 1, multiple };
}

function tablesOf(
  path: string,
  manifest: PortsManifest,
  graph: GraphProto,
  file: string,
): Promise<readonly ModelTable[]> {
  const ports = [...manifest.outputs].flatMap(([name, port]) =>
    port.role === 'table' ? [{ name, port }] : [],
  );
  return Promise.all(ports.map(({ name, port }) => tableOf(path, name, port, graph, file)));
}

async function tableOf(
  path: string,
  name: string,
  { decode, ends, rows }: Extract<OutputPort, { role: 'table' }>,
  graph: GraphProto,
  file: string,
): Promise<ModelTable> {
  refuseMissingOutputs(graph, file, [name, ...ends]);
  const { labels } = decode;
  const bytes =
    labels === undefined
      ? undefined
      : await readLimited(await resolveInside(path, labels), MOST_LABEL_BYTES, null);
  const text =
    bytes &&
    Buffer.from(bytes)
      .toString('utf8')
      .replace(/^\ufeff/, '');
  const lines = text?.split(/\r?\n/);
  while (lines?.at(-1) === '') lines.pop();
  return {
    name,
    spec: withLabels(decode.spec, lines),
    ends: [name, ...ends],
    ...(rows === undefined ? {} : { rows }),
  };
}

/** Returns the first port of a role. */
function portOf<P extends { readonly role: string }, R extends P['role']>(
  ports: ReadonlyMap<string, P>,
  role: R,
): [string, P & { readonly role: R }] | undefined {
  for (const [name, port] of ports) if (port.role === role) return [name, port as P & { readonly role: R }];
  return undefined;
}

/** Returns the sources of the constants, of the command line before those of the manifest. */
async function sourcesOf(
  { inputs }: Request,
  path: string,
  manifest: PortsManifest,
): Promise<ReadonlyMap<string, ConstantSource>> {
  const sources = new Map(inputs);
  for (const [name, port] of manifest.inputs) {
    const over = inputs.has(name);
    if (port.role !== 'constant' && over) {
      const what = port.role === 'state' ? 'is a state' : 'takes the frames';
      throw new JobError('model', `"${name}" ${what}, as "${path}" says, so --input ${name} does not apply`);
    }
    if (port.role !== 'constant') continue;
    const { source } = port;
    const own = inputs.get(name);
    if (own?.kind === 'picture' && source?.kind === 'picture') sources.set(name, { ...source, ...own });
    if (over) continue;
    if (source === undefined) {
      throw new JobError('model', `the input "${name}" has no value in "${path}"`, {
        hint: `add --input ${name}=VALUE: a number, numbers with commas, a .npy file or a picture`,
      });
    }
    sources.set(name, await inFolder(source, path));
  }
  return sources;
}

/** Returns a source with the path of its file, which a manifest names. */
async function inFolder(source: ConstantSource, path: string): Promise<ConstantSource> {
  return source.kind === 'numbers' ? source : { ...source, file: await resolveInside(path, source.file) };
}

/** Returns the states of a model, with their first values. */
async function statesOf(
  request: Request,
  path: string,
  { inputs }: PortsManifest,
  proto: ModelProto,
  file: string,
): Promise<Recurrence | undefined> {
  const ports = [...inputs].flatMap(([name, port]) => (port.role === 'state' ? [{ name, port }] : []));
  const every = ports.find(({ port }) => port.reset !== undefined)?.port.reset?.every;
  if (every === undefined) return undefined;
  refuseMissingInputs(
    proto.graph ?? {},
    file,
    ports.map(({ name }) => name),
  );
  refuseMissingOutputs(
    proto.graph ?? {},
    file,
    ports.map(({ port }) => port.from),
  );
  const sources = new Map<string, ConstantSource>();
  for (const { name, port } of ports)
    sources.set(name, port.source ? await inFolder(port.source, path) : { kind: 'numbers', values: [0] });
  const initials = await readConstants(request, sources, proto, file, undefined);
  const ends = declaredEnds(proto.graph ?? {});
  return {
    every,
    states: initials.map((initial) => {
      const output = ports.find(({ name }) => name === initial.name)?.port.from ?? '';
      const given = ends.outputs.find(({ name }) => name === output);
      refuseOtherType(initial, given, file);
      return { input: initial.name, output, initial };
    }),
  };
}

/** Refuses a state that is no float, or comes from an output of another type. */
function refuseOtherType(state: Constant, from: DeclaredEnd | undefined, file: string): void {
  const isFloat = state.type === 'float32' || state.type === 'float16';
  if (isFloat && from?.type === state.type) return;
  throw new JobError(
    'model',
    `the state ${endText(state)} of "${file}" comes from ${from && endText(from)}`,
    { hint: 'export both as float32' },
  );
}

/** Returns how the model stops at scene cuts, if it does. */
function cutRule(request: Request, { inputs, cutThreshold }: PortsManifest): CutRule | undefined {
  const ports = [...inputs.values()];
  const neighbours = ports.some((port) => port.role === 'frames' && port.cuts === true);
  const states = ports.some((port) => port.role === 'state' && port.reset?.cuts === true);
  if (!neighbours && !states) return undefined;
  return { threshold: request.cutThreshold ?? cutThreshold ?? CUT_THRESHOLD, neighbours, states };
}

interface Undescribed extends Omit<ReadNetwork, 'digest'> {
  readonly ends: GraphEnds;
  readonly feeds: readonly Feed[];
  readonly sources: ReadonlyMap<string, ConstantSource>;
  readonly known: KnownFacts;
  readonly states?: readonly State[];
  /** The inputs that take the source frame. */
  readonly images?: readonly SourceFeed[];
}

/** Reads the constants, and derives what the graph tells with them in place. */
export async function describeNetwork(
  request: Request,
  { file, proto, ends, feeds, sources, known, states = [], images = [] }: Undescribed,
  description: Description,
) {
  const { channels, range } = known.input;
  const frames = { layout: layoutFrom(ends, known), channels, range };
  const constants = await readConstants(request, sources, proto, file, frames);
  const shapesFor: ShapesFor = (dims, run, source) => {
    const all = new Map([
      ...feeds.map((feed) => [feed.name, stackedDims(feed, dims, run.layout)] as const),
      ...sourceDims({ feeds: images }, run.batch, source),
    ]);
    // A chunk is alone in its batch.
    const batch = ends.several?.kind === 'chunk' ? 1 : run.batch;
    const graph = withConstants(proto.graph ?? {}, constants, { ...run, batch });
    const own = all.get(ends.input.name) ?? dims;
    const infer: Parameters<typeof settleStates>[2] = (inner) =>
      inferShapes(graph, opsetOf(proto) ?? 0, ends.input.name, own, new Map([...all, ...inner]));
    return settleStates(states, run, infer).shapes;
  };
  const isSourceOpen = takesAnySize({ feeds: images });
  const derived = deriveImageModel(shapesFor, ends, file, { ...known, isSourceOpen }, description);
  return { constants, derived, shapesFor };
}

/** Reads the values of inputs. `frames` is what is known of the frames' tensor. */
export async function readConstants(
  { limit }: Request,
  sources: ReadonlyMap<string, ConstantSource>,
  proto: ModelProto,
  file: string,
  frames: FramesFacts | undefined,
): Promise<readonly Constant[]> {
  const ends = declaredEnds(proto.graph ?? {}).inputs.filter(({ name }) => sources.has(name));
  return Promise.all(
    ends.map((end) => {
      const source = sources.get(end.name) ?? { kind: 'numbers', values: [] };
      return readConstant(end, source, frames, file, (path) => readLimited(path, limit));
    }),
  );
}

/** Returns the entries of an object that are not undefined. */
function given<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
