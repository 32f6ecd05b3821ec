/** Finds pictures in folders and containers, by their names. */
import { JobError, messageOf } from '../system/errors.js';
import type { BlobAccess } from './azure/blob-access.js';
import { blobsIn, type ListedBlob } from './azure/blob-listing.js';
import { entriesOf, isLookedInto, isVideoName } from './video-listing.js';

const PICTURE = /\.(?:jpe?g|png|webp|tiff?)$/i;

/** The files in a folder, not in its subfolders; names in order. */
export interface FolderListing {
  readonly pictures: readonly string[];
  /** Pictures whose names are not UTF-8. Node.js cannot pass these on; shown with replacement characters. */
  readonly unnamable: readonly string[];
  /** Links with names of pictures. They are left out: their targets may lie anywhere. */
  readonly links: number;
  readonly videos: number;
}

/** Returns whether `name` is a picture by its suffix, and not hidden. */
export function isPictureName(name: string): boolean {
  return isLookedInto(name.slice(name.lastIndexOf('/') + 1)) && PICTURE.test(name);
}

/**
 * Lists a folder. With `matches`, only the names that it takes.
 *
 * @throws {JobError} input: when the folder cannot be listed.
 */
export async function picturesInFolder(
  folder: string,
  matches: (name: string) => boolean = () => true,
): Promise<FolderListing> {
  const pictures: string[] = [];
  const unnamable: string[] = [];
  let [links, videos] = [0, 0];
  const entries = await entriesOf(folder === '' ? '.' : folder).catch((error: unknown) => {
    throw new JobError('input', `the folder ${folder} cannot be listed: ${messageOf(error)}`, {
      hint: 'give a folder that exists and may be read',
    });
  });
  for (const entry of entries) {
    if (!matches(entry.name)) continue;
    if (entry.isFile() && isVideoName(entry.name)) videos += 1;
    if (!isPictureName(entry.name)) continue;
    if (entry.isSymbolicLink()) links += 1;
    else if (entry.isFile()) (entry.faithful ? pictures : unnamable).push(entry.name);
  }
  return { pictures: pictures.sort(), unnamable: unnamable.sort(), links, videos };
}

/** What a folder of a container holds, not its subfolders; pictures in the order of their names. */
export interface ContainerListing {
  readonly pictures: readonly ListedBlob[];
  readonly videos: number;
}

/** Lists the container or folder of `access`. Names are relative to it. */
export async function picturesInContainer(
  access: BlobAccess,
  signal: AbortSignal,
): Promise<ContainerListing> {
  const takes = (name: string): boolean => isVideoName(name) || isPictureName(name);
  const found = await blobsIn(access, takes, { depth: 'top', code: 'input' }, signal);
  const pictures = found.filter(({ name }) => isPictureName(name));
  return { pictures, videos: found.length - pictures.length };
}

/** Returns the blobs in the container or folder of `access`, by their names, with their metadata. */
export async function blobsPresent(
  access: BlobAccess,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ListedBlob>> {
  const options = { depth: 'top', code: 'output', withMetadata: true } as const;
  const found = await blobsIn(access, () => true, options, signal);
  return new Map(found.map((blob) => [blob.name, blob]));
}
