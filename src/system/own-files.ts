/**
 * File calls for folders that others may have written to. They follow no link and open only regular files.
 */
import * as fs from 'node:fs/promises';
import { JobError } from './errors.js';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const HINT = 'framescatter did not create it: remove it, or give another --work-dir';

/**
 * Opens the regular file at `path`. Never waits for a pipe or a device.
 *
 * @throws {JobError} journal: when it is a link, a folder, a pipe or a device.
 */
export async function openRegular(path: string, flags: number = O_RDONLY): Promise<fs.FileHandle> {
  const handle = await fs.open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o666).catch((error: unknown) => {
    // ELOOP: a link; EISDIR: a folder; ENXIO: a pipe that no one reads, or a socket.
    throw ['ELOOP', 'EISDIR', 'ENXIO'].includes(codeOf(error)) ? notAFile(path) : error;
  });
  try {
    if ((await handle.stat()).isFile()) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  throw notAFile(path);
}

/** Returns the text of the regular file at `path`. Throws as `openRegular`. */
export async function readRegular(path: string): Promise<string> {
  await using handle = await openRegular(path);
  return await handle.readFile('utf8');
}

/** Returns the size in bytes of the regular file at `path`; undefined if there is none. */
export async function sizeOfRegular(path: string): Promise<number | undefined> {
  const stats = await fs.lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  return stats?.isFile() === true ? stats.size : undefined;
}

/**
 * Removes the name `path`, if it exists.
 *
 * @throws {JobError} journal: when it is a folder.
 */
export async function removeFile(path: string): Promise<void> {
  await fs.unlink(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return;
    // Linux says EISDIR, POSIX EPERM.
    throw ['EISDIR', 'EPERM'].includes(codeOf(error)) ? notAFile(path) : error;
  });
}

/**
 * Makes the folder `path` if it is missing.
 *
 * @throws {JobError} journal: when it is a link or anything else.
 */
export async function makeFolder(path: string): Promise<void> {
  await fs.mkdir(path).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
  if (!(await fs.lstat(path)).isDirectory())
    throw new JobError('journal', `${path} is not a folder`, { hint: HINT });
}

/** Returns the code of an error of the operating system; empty for any other error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function notAFile(path: string): JobError {
  return new JobError('journal', `${path} is not a file`, { hint: HINT });
}
