import * as fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { connect } from '../storage/blob-client.js';
import { atName, type BlobLocation, type Location } from '../storage/location.js';
import { videosInContainer, videosInFolder } from '../storage/video-listing.js';
import { type Video, videoIn } from './videos.js';

/** The place that is watched. */
export interface Source {
  /** For messages. */
  readonly display: string;
  /** The videos that are there whole. A file has to look the same in two calls: it may still be being written. */
  look(): Promise<readonly Video[]>;
  /** What a job is given as its INPUT. */
  address(name: string): string;
  /** Names that are there but not ready, as of the last look. */
  unready(): number;
}

export async function openSource(location: Location, signal: AbortSignal): Promise<Source> {
  return location.kind === 'file' ? folderSource(resolve(location.path)) : blobSource(location, signal);
}

async function folderSource(folder: string): Promise<Source> {
  await videosInFolder(folder, 'all');
  let before = new Map<string, string>();
  let unready = 0;
  return {
    display: folder,
    address: (name) => join(folder, name),
    unready: () => unready,
    async look() {
      const now = new Map<string, string>();
      const videos: Video[] = [];
      for (const name of await videosInFolder(folder, 'all')) {
        const stats = await fs.stat(join(folder, name), { bigint: true }).catch(() => undefined);
        if (stats === undefined) continue; // moved away since
        const version = `${stats.size}-${stats.mtimeNs}`;
        now.set(name, version);
        // Not the folder's own path: on another machine the same share may be mounted elsewhere.
        if (before.get(name) === version)
          videos.push(videoIn('folder', { name, version, bytes: Number(stats.size) }));
      }
      before = now;
      unready = now.size - videos.length;
      return videos;
    },
  };
}

async function blobSource(location: BlobLocation, signal: AbortSignal): Promise<Source> {
  const access = await connect(location);
  const prefix = location.name === '' ? '' : `${location.name}/`;
  // One account has several addresses; its service name is the same for all.
  const place = `${location.service}/${location.container}/${prefix}`;
  return {
    display: location.url,
    address: (name) => atName(location, `${prefix}${name}`).url,
    unready: () => 0,
    look: async () =>
      (await videosInContainer(access, signal)).map(({ name, etag, bytes }) =>
        videoIn(place, { name, version: etag, bytes }),
      ),
  };
}
