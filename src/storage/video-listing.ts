import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { JobError, messageOf } from '../system/errors.js';
import type { BlobAccess } from './azure/blob-access.js';
import { blobsIn, type ListedBlob } from './azure/blob-listing.js';

/** Suffixes of the names of videos. */
const VIDEO = /\.(?:mp4|m4v|mov|qt|mkv|webm|avi|mpg|mpeg|m2v|ts|mts|m2ts|wmv|flv|3gp|mxf|ogv)$/i;
/** Names of folders that belong to running jobs and to watchers. */
const OURS = /\.framescatter(?:-watch)?$/;

/**
 * Returns whether `name` is a video by its suffix, not hidden, and not in a folder of a job or a watcher. A
 * blob's name may have `.` or `..` between its slashes. On a file system that would be another name: it is no
 * video's.
 */
export function isVideoName(name: string): boolean {
  const parts = name.split('/');
  return parts.every(isLookedInto) && VIDEO.test(name);
}

/** Returns whether a name in a folder is neither hidden nor that of a folder of a job or a watcher. */
export function isLookedInto(part: string): boolean {
  return part !== '' && !part.startsWith('.') && !OURS.test(part);
}

/**
 * Called with a folder that cannot be listed, and with a video or folder whose name Node.js cannot pass on.
 */
export type Unlisted = (path: string, error: unknown) => void;

/**
 * Returns the names of the videos below `folder`, or only in it, sorted. Links are left out: their targets
 * may lie anywhere. `unlisted` is called with a subfolder that cannot be listed (`lost+found`), but not with
 * one that has vanished meanwhile.
 *
 * @throws {JobError} input: when `folder` itself cannot be listed.
 */
export async function videosInFolder(
  folder: string,
  depth: 'all' | 'top',
  unlisted: Unlisted = () => {},
): Promise<readonly string[]> {
  const names: string[] = [];
  async function list(below: string): Promise<void> {
    for (const entry of await entriesOf(join(folder, below))) {
      const name = join(below, entry.name);
      if (!entry.faithful) {
        const wanted = entry.isFile() ? VIDEO.test(name) : depth === 'all' && entry.isDirectory();
        if (wanted && isLookedInto(entry.name)) {
          unlisted(join(folder, name), new Error('its name is not valid UTF-8; rename it'));
        }
        continue;
      }
      if (entry.isFile() && isVideoName(name)) names.push(name);
      if (depth === 'all' && entry.isDirectory() && isLookedInto(entry.name)) await listIfThere(name);
    }
  }
  async function listIfThere(below: string): Promise<void> {
    try {
      await list(below);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') unlisted(join(folder, below), error);
    }
  }
  try {
    await list('');
  } catch (error) {
    throw new JobError('input', `the folder ${folder} cannot be listed: ${messageOf(error)}`, {
      hint: 'give a folder that exists and may be read',
    });
  }
  return names.sort();
}

/** Returns the entries of `folder`. A name that is not UTF-8 is not faithful. */
export async function entriesOf(folder: string) {
  const entries = await fs.readdir(folder, { withFileTypes: true, encoding: 'buffer' });
  return entries.map((entry) => {
    const bytes: Buffer = entry.name;
    const name = bytes.toString('utf8');
    return {
      name,
      faithful: bytes.equals(Buffer.from(name)),
      isFile: () => entry.isFile(),
      isSymbolicLink: () => entry.isSymbolicLink(),
      isDirectory: () => entry.isDirectory(),
    };
  });
}

/** Returns the videos below the container or folder of `access`, in the order of their names. */
export function videosInContainer(access: BlobAccess, signal: AbortSignal): Promise<readonly ListedBlob[]> {
  return blobsIn(access, isVideoName, { depth: 'all', code: 'input' }, signal);
}
