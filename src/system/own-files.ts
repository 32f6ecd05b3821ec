/** File calls for folders that others may have put something into: no link is followed, and only regular files are opened. */
import * as fs from 'node:fs/promises';
import { JobError } from './errors.js';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const HINT = 'no job made it: remove it, or give another --work-dir';

/**
 * Opens the regular file at `path`. Errors: JobError `journal` where it is a link, a folder, a pipe or a device, which is not
 * waited for; otherwise those of the file system.
 */
export async function openRegular(path: string, flags: number = O_RDONLY): Promise<fs.FileHandle> {
  const handle = await fs.open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o666).catch((error: unknown) => {
    // ELOOP: a link; EISDIR: a folder; ENXIO: a pipe that nobody reads, or a socket.
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

/** The text of the regular file at `path`. Errors as `openRegular`. */
export async function readRegular(path: string): Promise<string> {
  const handle = await openRegular(path);
  try {
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** The size in bytes of the regular file at `path`; undefined where there is none. */
export async function sizeOfRegular(path: string): Promise<number | undefined> {
  const stats = await fs.lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  return stats?.isFile() === true ? stats.size : undefined;
}

/** Removes the name `path`, where there is one. Errors: JobError `journal` where it is a folder. */
export async function removeFile(path: string): Promise<void> {
  await fs.unlink(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return;
    // Linux says EISDIR, POSIX EPERM.
    throw ['EISDIR', 'EPERM'].includes(codeOf(error)) ? notAFile(path) : error;
  });
}

/** Makes the folder `path` where it is missing. Errors: JobError `journal` where it is a link or anything else. */
export async function makeFolder(path: string): Promise<void> {
  await fs.mkdir(path).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
  if (!(await fs.lstat(path)).isDirectory())
    throw new JobError('journal', `${path} is not a folder`, { hint: HINT });
}

/** The code of an error of the operating system; empty where it is another error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function notAFile(path: string): JobError {
  return new JobError('journal', `${path} is not a file`, { hint: HINT });
}
