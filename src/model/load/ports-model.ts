/** Models whose ends have roles: from a manifest of format 2, or from the command line. */
import { JobError } from '../../system/errors.js';
import { type ModelProto, opsetOf } from '../graph/onnx.js';
import type { ConstantSource } from '../ports/constant-source.js';
import { type Constant, type FramesFacts, readConstant } from '../ports/constants.js';
import { declaredEnds } from '../ports/ends.js';
import { type RunSize, withConstants } from '../ports/with-constants.js';
import {
  type Description,
  deriveImageModel,
  factsOf,
  type KnownFacts,
  layoutFrom,
} from './derive-manifest.js';
import { finish, type Request } from './finish.js';
import { type GraphEnds, graphEnds } from './graph-ends.js';
import type { LoadedModel } from './loaded-model.js';
import { readLimited, resolveInside } from './model-files.js';
import type { PortsManifest } from './ports-manifest.js';

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
  const { overrides } = request;
  const [[input, inputPort], [output, outputPort]] = [
    imageOf(manifest.inputs, 'frames'),
    imageOf(manifest.outputs, 'picture'),
  ];
  const sources = await sourcesOf(request, path, manifest);
  const ends = graphEnds(proto.graph ?? {}, file, { input, output, constants: new Set(sources.keys()) });
  const { scale, multiple, chroma } = manifest;
  const known = {
    ...{ scale, multiple, chroma },
    ...given(factsOf(overrides, { input: inputPort, output: outputPort })),
  };
  const { constants, derived } = await describeNetwork(
    request,
    { file, proto, ends, sources, known },
    'manifest',
  );
  const model = finish(request, file, proto, ends, derived, manifest.macsPerPixel, [digest], [], constants);
  return { ...model, precision: manifest.precision ?? model.precision };
}

/** Returns the one port of a role. `parseManifest` has checked that there is one. */
function imageOf<P extends { readonly role: string }, R extends P['role']>(
  ports: ReadonlyMap<string, P>,
  role: R,
): [string, P & { readonly role: R }] {
  for (const [name, port] of ports) if (port.role === role) return [name, port as P & { readonly role: R }];
  throw new JobError('internal', `a manifest has no end with the role "${role}"`);
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
    if (port.role === 'frames' && over) {
      throw new JobError(
        'model',
        `"${name}" takes the frames, as "${path}" says, so --input ${name} does not apply`,
      );
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
    const isFile = source.kind !== 'numbers';
    sources.set(name, isFile ? { ...source, file: await resolveInside(path, source.file) } : source);
  }
  return sources;
}

interface Undescribed extends Omit<ReadNetwork, 'digest'> {
  readonly ends: GraphEnds;
  readonly sources: ReadonlyMap<string, ConstantSource>;
  readonly known: KnownFacts;
}

/** Reads the constants, and derives what the graph tells with them in place. */
export async function describeNetwork(
  request: Request,
  { file, proto, ends, sources, known }: Undescribed,
  description: Description,
) {
  const { channels, range } = known.input;
  const frames = { layout: layoutFrom(ends, known), channels, range };
  const constants = await readConstants(request, sources, proto, file, frames);
  const graphFor = (run: RunSize) => withConstants(proto.graph ?? {}, constants, run);
  const derived = deriveImageModel(graphFor, opsetOf(proto) ?? 0, ends, file, known, description);
  return { constants, derived };
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
