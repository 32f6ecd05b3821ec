import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The file calls that make something last. A parameter, so that tests can make each of them fail. */
export type DurableFiles = Pick<typeof fs, 'open' | 'rename'>;

/** Errors of `link` on file systems without hard links (exFAT, SMB, some of FUSE). */
export const NO_LINKS: readonly unknown[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

const TEMPORARY = /^\.framescatter-[0-9a-f]{16}\.new$/;

/**
 * Returns a name beside `path` for the file that is to replace it. The name is random, so nothing exists
 * there yet, and it is short enough even if `path` is as long as a name can be.
 */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.framescatter-${randomBytes(8).toString('hex')}.new`);
}

/** Returns whether `name` is the last part of a path that `temporaryBeside` returned. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Flushes the file at `path` to the disk. */
export async function syncFile(path: string): Promise<void> {
  await sync(path, 'r+', fs);
}

/** Flushes a folder's entries, so that a rename in it outlasts a power cut. */
export async function syncFolder(folder: string, files: DurableFiles = fs): Promise<void> {
  await sync(folder, 'r', files);
}

async function sync(path: string, flags: 'r' | 'r+', files: DurableFiles): Promise<void> {
  await using handle = await files.open(path, flags);
  await handle.sync();
}

/** Moves a finished, flushed file into place; it lasts once this returns. */
export async function moveIntoPlace(from: string, to: string, files: DurableFiles = fs): Promise<void> {
  await files.rename(from, to);
  await syncFolder(dirname(to), files);
}

/**
 * Writes a small file whole or not at all: readers of `path` see the old text or the new, never a part. A
 * link at `path` is replaced, not followed.
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
