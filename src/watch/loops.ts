import * as fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type BlobLocation, display, type Location } from '../storage/location/location.js';
import { JobError } from '../system/errors.js';

/**
 * Refuses an output that is the watched location, is inside it or contains it: an output would later be taken
 * for a new video. Compares folders by device and inode, so that links and mounts cannot hide the nesting.
 *
 * @throws {JobError} usage: when one is inside the other.
 */
export async function refuseLoop(input: Location, output: Location): Promise<void> {
  const nested =
    input.kind === 'blob' && output.kind === 'blob'
      ? blobsNested(input, output)
      : input.kind === 'file' && output.kind === 'file' && (await foldersNested(input.path, output.path));
  if (!nested) return;
  throw new JobError(
    'usage',
    `--out ${display(output)} overlaps with the watched ${display(input)}: outputs would be taken for new videos`,
    { hint: 'give --out a separate container or folder' },
  );
}

function blobsNested(a: BlobLocation, b: BlobLocation): boolean {
  if (a.service !== b.service || a.container !== b.container) return false;
  const [one, other] = [a.name, b.name].map((name) => (name === '' ? '' : `${name}/`)) as [string, string];
  return one.startsWith(other) || other.startsWith(one);
}

async function foldersNested(a: string, b: string): Promise<boolean> {
  const [ofA, ofB] = [await ancestors(a), await ancestors(b)];
  return ofB.includes(ofA[0] ?? '') || ofA.includes(ofB[0] ?? '');
}

/**
 * Returns the identities of a folder and of all its parents. A folder that does not exist yet is identified
 * by its path.
 */
async function ancestors(path: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    folder = await fs.realpath(folder).catch(() => folder);
    const stats = await fs.stat(folder).catch(() => undefined);
    found.push(stats === undefined ? folder : `${stats.dev}:${stats.ino}`);
    if (dirname(folder) === folder) return found;
  }
}
