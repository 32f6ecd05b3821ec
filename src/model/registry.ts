import { createHash } from 'node:crypto';
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JobError, messageOf } from '../errors.js';
import { describeImage, describeStyles, fixedBy } from './describe.js';
import { type GraphEnds, graphEnds } from './graph-ends.js';
import { inferImageModel, type ModelOverrides } from './infer.js';
import type { LoadedModel } from './loaded-model.js';
import {
  type ImageManifest,
  MAX_MULTIPLE,
  MAX_SCALE,
  type Manifest,
  type StylesManifest,
} from './manifest.js';
import {
  checkedDigest,
  modelBytesLimit,
  parseModel,
  readLimited,
  readManifest,
  resolveInside,
} from './model-files.js';
import { type ModelProto, opsetOf } from './onnx.js';
import { blendVectors, parseStyles, withStyle } from './styles.js';

/** One thing that `--model` can name. */
export interface ModelListing {
  readonly name: string;
  readonly kind: 'style' | 'image';
  /** The manifest's own name: the network's. */
  readonly network: string;
  /** Path of the manifest, and of the ONNX file. */
  readonly manifest: string;
  readonly file: string;
  readonly title?: string;
  readonly artist?: string;
  readonly year?: number | string;
  /** Path of a picture of what it does. */
  readonly picture?: string;
  readonly licence?: string;
  readonly macsPerPixel?: number;
}

export interface LoadOptions {
  /** Folder of the manifests that names are looked up in. */
  readonly folder: string;
  /** 0 (the source) to 1.5 (exaggerated); default 1, the network's own picture. */
  readonly strength?: number;
  readonly overrides?: ModelOverrides;
  /** Largest ONNX file in bytes; default: FRAMESCATTER_MAX_MODEL_BYTES in the environment, or 1 GiB. */
  readonly maxBytes?: number;
}

export const MAX_STRENGTH = 1.5;

/**
 * Every style and model that the manifests (*.json) of `folder` name, sorted by name.
 *
 * @throws JobError('model') when the folder cannot be read, a manifest is wrong, or two give the same name.
 */
export async function listModels(folder: string): Promise<readonly ModelListing[]> {
  const found = await readFolder(folder);
  return found
    .flatMap(({ path, manifest }) => listings(path, manifest))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Loads what `--model` says: a style (`wave`), a blend (`wave:0.6,starry-night:0.4`: weights are divided by their sum), an
 * image model's name, or the path of an ONNX file (anything with a `/` or ending in `.onnx`). A manifest beside such a
 * file, `x.json` or `x.onnx.json`, describes it; without one its graph and `overrides` have to.
 *
 * @throws JobError('model') that says which file or name, and what is wrong with it.
 */
export async function loadModel(spec: string, options: LoadOptions): Promise<LoadedModel> {
  const { strength = 1, overrides = {} } = options;
  checkRanges(strength, overrides);
  const request: Request = {
    spec,
    strength,
    overrides,
    limit: options.maxBytes ?? modelBytesLimit(process.env),
  };
  if (spec.includes('/') || /\.onnx$/i.test(spec)) return loadFile(request);

  const found = await readFolder(options.folder);
  const image = found.find(({ manifest }) => manifest.kind === 'image' && manifest.name === spec);
  if (image?.manifest.kind === 'image') return loadImage(request, image.path, image.manifest);
  const styles = parseStyles(spec);
  const homes = styles.map(({ name }) => homeOf(name, found, options.folder));
  const [home] = homes;
  const stranger = homes.findIndex((one) => one.path !== home?.path);
  if (home === undefined || stranger >= 0) {
    const names = `"${styles[0]?.name}" and "${styles[stranger]?.name}"`;
    throw new JobError('model', `the styles ${names} belong to different networks: they cannot be blended`);
  }
  return loadStyles(request, home.path, home.manifest);
}

interface Request {
  readonly spec: string;
  readonly strength: number;
  readonly overrides: ModelOverrides;
  readonly limit: number;
}

interface FoundManifest<M extends Manifest = Manifest> {
  readonly path: string;
  readonly manifest: M;
}

async function readFolder(folder: string): Promise<readonly FoundManifest[]> {
  let files: string[];
  try {
    files = await readdir(folder);
  } catch (cause) {
    throw new JobError('model', `the folder of models "${folder}" cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
  const paths = files.filter((file) => file.endsWith('.json')).map((file) => join(folder, file));
  const found = await Promise.all(
    paths.toSorted().map(async (path) => ({ path, manifest: await readManifest(path) })),
  );
  const owners = new Map<string, string>();
  for (const listing of found.flatMap(({ path, manifest }) => listings(path, manifest))) {
    const owner = owners.get(listing.name);
    if (owner !== undefined) {
      throw new JobError('model', `Both "${owner}" and "${listing.manifest}" name a model "${listing.name}"`);
    }
    owners.set(listing.name, listing.manifest);
  }
  return found;
}

function listings(path: string, manifest: Manifest): readonly ModelListing[] {
  const shared = {
    network: manifest.name,
    manifest: path,
    file: join(dirname(path), manifest.file),
    ...(manifest.licence === undefined ? {} : { licence: manifest.licence }),
    ...(manifest.macsPerPixel === undefined ? {} : { macsPerPixel: manifest.macsPerPixel }),
  };
  if (manifest.kind === 'image') return [{ ...shared, name: manifest.name, kind: 'image' }];
  return manifest.styles.map(({ name, title, artist, year, picture }) => ({
    ...shared,
    name,
    kind: 'style',
    title,
    artist,
    year,
    picture: join(dirname(path), picture),
  }));
}

function homeOf(
  style: string,
  found: readonly FoundManifest[],
  folder: string,
): FoundManifest<StylesManifest> {
  for (const { path, manifest } of found) {
    if (manifest.kind === 'styles' && manifest.styles.some((one) => one.name === style))
      return { path, manifest };
  }
  const names = found
    .flatMap(({ path, manifest }) => listings(path, manifest))
    .map((one) => one.name)
    .toSorted();
  throw new JobError('model', `there is no model or style "${style}" in "${folder}"`, {
    hint:
      names.length === 0
        ? 'It has none at all.'
        : `It has: ${names.join(', ')}. A model of your own is given by its path`,
  });
}

async function loadStyles(request: Request, path: string, manifest: StylesManifest): Promise<LoadedModel> {
  const given = Object.entries(request.overrides).find(([, value]) => value !== undefined);
  if (given !== undefined) {
    throw new JobError(
      'model',
      `"${request.spec}" is fully described by "${path}": it takes no --model-${given[0]}`,
    );
  }
  const styles = parseStyles(request.spec);
  const file = await resolveInside(path, manifest.file);
  const bytes = await readLimited(file, request.limit);
  const digest = checkedDigest(bytes, manifest.sha256, file);
  const proto = parseModel(bytes, file);
  const { vector, digests } = await blendVectors(manifest, path, styles);
  const graph = withStyle(proto.graph ?? {}, manifest, vector, file);
  const ends = graphEnds(graph, file, { input: manifest.input, output: manifest.output });
  proto.graph = graph;
  const described = { io: describeStyles(manifest, ends, file), scale: 1, multiple: manifest.multiple };
  return finish(
    request,
    file,
    proto,
    ends,
    described,
    manifest.macsPerPixel,
    [digest, ...digests, styles],
    [],
  );
}

async function loadImage(request: Request, path: string, manifest: ImageManifest): Promise<LoadedModel> {
  const file = await resolveInside(path, manifest.file);
  const bytes = await readLimited(file, request.limit);
  const digest = checkedDigest(bytes, manifest.sha256, file);
  const proto = parseModel(bytes, file);
  const names = { input: manifest.input.name, output: manifest.output.name };
  const ends = graphEnds(proto.graph ?? {}, file, names);
  const described = describeImage(manifest, ends, file, request.overrides);
  return finish(request, file, proto, ends, described, manifest.macsPerPixel, [digest], []);
}

async function loadFile(request: Request): Promise<LoadedModel> {
  const { spec, overrides } = request;
  for (const path of [spec.replace(/\.onnx$/i, '.json'), `${spec}.json`]) {
    if (path === spec || !(await exists(path))) continue;
    const manifest = await readManifest(path);
    if (manifest.kind === 'image') {
      const file = await resolveInside(path, manifest.file);
      if (file !== (await realpath(spec).catch(() => undefined))) {
        throw new JobError('model', `"${path}" describes "${file}", not "${spec}"`, {
          hint: 'Correct its key "file".',
        });
      }
      return loadImage(request, path, manifest);
    }
    const names = manifest.styles.map((style) => style.name).join(', ');
    throw new JobError('model', `"${spec}" is a network of several styles: name one instead of the file`, {
      hint: `Styles: ${names}.`,
    });
  }
  const bytes = await readLimited(spec, request.limit);
  const digest = checkedDigest(bytes, undefined, spec);
  const proto = parseModel(bytes, spec);
  const ends = graphEnds(proto.graph ?? {}, spec, {});
  const { notes, ...described } = inferImageModel(
    proto.graph ?? {},
    opsetOf(proto) ?? 0,
    ends,
    spec,
    overrides,
  );
  return finish(request, spec, proto, ends, described, undefined, [digest], notes);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function finish(
  { spec, strength }: Request,
  file: string,
  proto: ModelProto,
  ends: GraphEnds,
  described: Pick<LoadedModel, 'io' | 'scale' | 'multiple'>,
  macsPerPixel: number | undefined,
  sources: readonly unknown[],
  notes: readonly string[],
): LoadedModel {
  const { io, scale, multiple } = described;
  const identity = JSON.stringify({ sources, io, scale, multiple, strength });
  return {
    name: spec,
    file,
    proto,
    io,
    scale,
    multiple,
    strength,
    ...fixedBy(io, ends, file),
    macsPerPixel,
    sha256: createHash('sha256').update(identity).digest('hex'),
    notes,
  };
}

function checkRanges(strength: number, { scale, multiple }: ModelOverrides): void {
  const within = (value: number | undefined, low: number, high: number) =>
    value === undefined || (value >= low && value <= high);
  const whole = (value: number | undefined, high: number) =>
    within(value, 1, high) && Number.isInteger(value ?? 1);
  if (!within(strength, 0, MAX_STRENGTH)) {
    throw new JobError('usage', `a strength of ${strength} is not between 0 and ${MAX_STRENGTH}`);
  }
  if (!whole(scale, MAX_SCALE))
    throw new JobError('usage', `a model scale of ${scale} is not one of 1..${MAX_SCALE}`);
  if (!whole(multiple, MAX_MULTIPLE)) {
    throw new JobError(
      'usage',
      `a model multiple of ${multiple} is not a whole number from 1 to ${MAX_MULTIPLE}`,
    );
  }
}
