import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JobError, messageOf } from '../../system/errors.js';
import { didYouMean } from '../../system/suggestion.js';
import type { ImageManifest, Manifest, StylesManifest } from './manifest.js';

/** The values of `--size`: networks of one set of styles, by the manifest's name. */
export const MODEL_SIZES = ['fast', 'fine'] as const;
export type ModelSize = (typeof MODEL_SIZES)[number];

/** The default size of a style that has several. */
export const DEFAULT_SIZE: ModelSize = 'fast';

/** An entry that `--model`, with `--size` if a style has several sizes, can name. */
export interface ModelListing {
  readonly name: string;
  readonly kind: 'style' | 'image';
  readonly size?: ModelSize;
  /** True if its name without a size means this entry. */
  readonly isDefault: boolean;
  /** The network's name: that of the manifest. */
  readonly network: string;
  /** Paths of the manifest and of the ONNX file. */
  readonly manifest: string;
  readonly file: string;
  readonly title?: string;
  readonly artist?: string;
  readonly year?: number | string;
  /** Path of a sample image. */
  readonly picture?: string;
  readonly licence?: string;
  readonly macsPerPixel?: number;
}

export interface FoundManifest<M extends Manifest = Manifest> {
  readonly path: string;
  readonly manifest: M;
}

/** The manifests of a folder. */
export type Catalogue = readonly FoundManifest[];

/**
 * Lists every style and model in the manifests (*.json) of `folder`, sorted by name, then by size.
 *
 * @throws {JobError} model: when the folder cannot be read, a manifest is wrong, or two give the same name.
 */
export async function listModels(folder: string): Promise<readonly ModelListing[]> {
  const catalogue = await readCatalogue(folder);
  const rank = ({ size }: ModelListing) => (size === undefined ? -1 : MODEL_SIZES.indexOf(size));
  return catalogue
    .flatMap((found) => listings(found, catalogue))
    .toSorted((a, b) => (a.name === b.name ? rank(a) - rank(b) : a.name < b.name ? -1 : 1));
}

/**
 * Reads every manifest of a folder.
 *
 * @throws {JobError} model: when `listModels` would.
 */
export async function readCatalogue(folder: string): Promise<Catalogue> {
  let files: string[];
  try {
    files = await readdir(folder);
  } catch (cause) {
    throw new JobError('model', `the folder of models "${folder}" cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
  // Loaded here: the command line, on every rank, needs only the names of sizes.
  const { readManifest } = await import('./model-files.js');
  const paths = files.filter((file) => file.endsWith('.json')).map((file) => join(folder, file));
  const found = await Promise.all(
    paths.toSorted().map(async (path) => ({ path, manifest: await readManifest(path) })),
  );
  refuseSameNames(found);
  return found;
}

/** Returns the image model called `name`. */
export function findImage(catalogue: Catalogue, name: string): FoundManifest<ImageManifest> | undefined {
  for (const { path, manifest } of catalogue) {
    if (manifest.kind === 'image' && manifest.name === name) return { path, manifest };
  }
  return undefined;
}

/**
 * Returns the network that has all of the styles: of the given size, else of the default size, else any.
 *
 * @throws {JobError} model: when a style does not exist, or not in that size, or no network has all of them.
 */
export function findStyles(
  catalogue: Catalogue,
  styles: readonly string[],
  size: ModelSize | undefined,
  folder: string,
): FoundManifest<StylesManifest> {
  for (const style of styles) refuseUnknown(catalogue, style, size, folder);
  const home = preferred(networksOf(catalogue, styles).filter(({ manifest }) => fits(manifest, size)));
  if (home !== undefined) return home;
  const names = styles.map((style) => `"${style}"`).join(' and ');
  throw new JobError('model', `the styles ${names} belong to different networks and cannot be blended`);
}

/** Returns the networks that have all of the styles. */
function networksOf(
  catalogue: Catalogue,
  styles: readonly string[],
): readonly FoundManifest<StylesManifest>[] {
  return catalogue.flatMap(({ path, manifest }) => {
    const names = namesIn(manifest);
    const isHome = manifest.kind === 'styles' && styles.every((style) => names.includes(style));
    return isHome ? [{ path, manifest }] : [];
  });
}

function preferred(
  homes: readonly FoundManifest<StylesManifest>[],
): FoundManifest<StylesManifest> | undefined {
  return homes.find(({ manifest }) => manifest.name === DEFAULT_SIZE) ?? homes[0];
}

function fits(manifest: StylesManifest, size: ModelSize | undefined): boolean {
  return size === undefined || manifest.name === size;
}

function refuseUnknown(
  catalogue: Catalogue,
  style: string,
  size: ModelSize | undefined,
  folder: string,
): void {
  const homes = networksOf(catalogue, [style]);
  if (homes.some(({ manifest }) => fits(manifest, size))) return;
  if (homes.length > 0) {
    const sizes = homes.flatMap(({ manifest }) => sizeOf(manifest) ?? []);
    throw new JobError('model', `the style "${style}" does not come in the size "${size}"`, {
      hint:
        sizes.length === 0
          ? 'it has one size: omit --size'
          : `it comes in: ${sizes.join(', ')}; framescatter models lists all styles`,
    });
  }
  const names = [...new Set(catalogue.flatMap(({ manifest }) => namesIn(manifest)))].toSorted();
  throw new JobError(
    'model',
    `there is no model or style "${style}" in "${folder}"${didYouMean(style, names)}`,
    {
      hint:
        names.length === 0
          ? 'it contains no models'
          : `it has ${names.join(', ')}; give a model of your own by its path`,
    },
  );
}

function namesIn(manifest: Manifest): readonly string[] {
  return manifest.kind === 'image' ? [manifest.name] : manifest.styles.map((style) => style.name);
}

/** Returns the size of a network of styles, by its name. */
export function sizeOf(manifest: Manifest): ModelSize | undefined {
  return manifest.kind === 'styles' ? MODEL_SIZES.find((size) => size === manifest.name) : undefined;
}

/** Refuses a name that two manifests use, unless it is a style of several sizes. */
function refuseSameNames(catalogue: Catalogue): void {
  const owners = new Map<string, FoundManifest[]>();
  for (const found of catalogue) {
    const size = sizeOf(found.manifest);
    for (const name of namesIn(found.manifest)) {
      const others = owners.get(name) ?? [];
      const same = others.find(
        ({ manifest }) => size === undefined || [undefined, size].includes(sizeOf(manifest)),
      );
      if (same !== undefined) {
        throw new JobError('model', `both "${same.path}" and "${found.path}" name a model "${name}"`);
      }
      owners.set(name, [...others, found]);
    }
  }
}

function listings({ path, manifest }: FoundManifest, catalogue: Catalogue): readonly ModelListing[] {
  const size = sizeOf(manifest);
  const shared = {
    network: manifest.name,
    manifest: path,
    file: join(dirname(path), manifest.file),
    ...(size === undefined ? {} : { size }),
    ...(manifest.licence === undefined ? {} : { licence: manifest.licence }),
    ...(manifest.macsPerPixel === undefined ? {} : { macsPerPixel: manifest.macsPerPixel }),
  };
  if (manifest.kind === 'image') return [{ ...shared, name: manifest.name, kind: 'image', isDefault: true }];
  return manifest.styles.map(({ name, title, artist, year, picture }) => ({
    ...shared,
    name,
    kind: 'style',
    isDefault: preferred(networksOf(catalogue, [name]))?.path === path,
    title,
    artist,
    year,
    picture: join(dirname(path), picture),
  }));
}
