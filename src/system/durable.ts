import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The file calls that make something last. A parameter so that tests can make each of them fail. */
export type DurableFiles = Pick<typeof fs, 'open' | 'rename'>;

/** What file systems without hard links answer to `link` (exFAT, SMB, some of FUSE). */
export const NO_LINKS: readonly unknown[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

const TEMPORARY = /^\.framescatter-[0-9a-f]{16}\.new$/;

/**
 * A name beside `path` for what is to take its place. Nobody can foresee it, so nothing waits there for what is written, and
 * it is no longer where `path` is as long as a name can be.
 */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.framescatter-${randomBytes(8).toString('hex')}.new`);
}

/** True of the last part of what `temporaryBeside` gives. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

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

/**
 * Writes a small file whole or not at all: whoever reads `path` sees the old text or the new, never a part. A link at `path` is
 * replaced, not followed.
 */
export async function writeAtomically(path: string, text: string, files: DurableFiles = fs): Promise<void> {
  const temporary = temporaryBeside(path);
  const handle = await files.open(temporary, 'wx');
  try {
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await moveIntoPlace(temporary, path, files);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}
