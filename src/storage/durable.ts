import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { derivedPath } from './derived-names.js';

/** The file calls that make something last. A parameter so that tests can make each of them fail. */
export type DurableFiles = Pick<typeof fs, 'open' | 'rename'>;

/** What file systems without hard links answer to `link` (exFAT, SMB, some of FUSE). */
export const NO_LINKS: readonly unknown[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** Flushes a folder's entries, so that a rename in it outlasts a power cut. */
export async function syncFolder(folder: string, files: DurableFiles = fs): Promise<void> {
  const handle = await files.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves a finished, flushed file into place; it lasts once this returns. */
export async function moveIntoPlace(from: string, to: string, files: DurableFiles = fs): Promise<void> {
  await files.rename(from, to);
  await syncFolder(dirname(to), files);
}

/** Writes a small file whole or not at all: whoever reads `path` sees the old text or the new, never a part. */
export async function writeAtomically(path: string, text: string, files: DurableFiles = fs): Promise<void> {
  const temporary = derivedPath(path, '.new');
  const handle = await files.open(temporary, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await moveIntoPlace(temporary, path, files);
}
