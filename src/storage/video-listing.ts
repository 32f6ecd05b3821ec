import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { JobError, messageOf } from '../errors.js';
import { ask, type BlobAccess } from './blob-client.js';

/** Suffixes of what is taken for a video. */
const VIDEO = /\.(?:mp4|m4v|mov|qt|mkv|webm|avi|mpg|mpeg|m2v|ts|mts|m2ts|wmv|flv|3gp|mxf|ogv)$/i;
/** Folders of jobs at work and of watchers. */
const OURS = /\.framescatter(?:-watch)?$/;

/** A blob whose name is a video's; `name` is below the folder that was listed. */
export interface ListedBlob {
  readonly name: string;
  readonly etag: string;
  readonly bytes: number;
}

/**
 * Whether what is called `name` is taken: a video by its suffix, not hidden, and in no folder of a job or a watcher. A
 * name with `.` or `..` between its slashes, as a blob's may have, would be another name on a file system: never taken.
 */
export function isVideoName(name: string): boolean {
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part.startsWith('.') || OURS.test(part))) return false;
  return VIDEO.test(name);
}

/** Names of the videos below `folder`, or only in it, sorted. Files only: what a link leads to may lie anywhere. */
export async function videosInFolder(folder: string, depth: 'all' | 'top'): Promise<readonly string[]> {
  try {
    const entries = await fs.readdir(folder, { recursive: depth === 'all', withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length))
      .filter(isVideoName)
      .sort();
  } catch (error) {
    throw new JobError('input', `the folder ${folder} cannot be listed: ${messageOf(error)}`, {
      hint: 'give a folder that exists and may be read',
    });
  }
}

/** The videos below the container or folder of blobs that `access` is to, in the order of their names. */
export async function videosInContainer(
  access: BlobAccess,
  signal: AbortSignal,
): Promise<readonly ListedBlob[]> {
  const { name: folder } = access.location;
  const prefix = folder === '' ? '' : `${folder}/`;
  return ask(
    access,
    { verb: 'list', name: prefix, code: 'input' },
    async (attempt) => {
      const videos: ListedBlob[] = [];
      const blobs = access.container.listBlobsFlat({ prefix, abortSignal: attempt.signal });
      for await (const { name: whole, properties } of blobs) {
        attempt.alive();
        const name = whole.slice(prefix.length);
        const { etag, contentLength: bytes = 0 } = properties;
        if (isVideoName(name)) videos.push({ name, etag, bytes });
      }
      return videos;
    },
    signal,
  );
}
