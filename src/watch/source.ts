import * as fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Log } from '../report/log.js';
import { connect } from '../storage/azure/blob-client.js';
import { atName, type BlobLocation, type Location, nameBelow } from '../storage/location/location.js';
import { videosInContainer, videosInFolder } from '../storage/video-listing.js';
import { messageOf } from '../system/errors.js';
import { blobVideo, type Video, videoIn } from './videos.js';

/** The place that is watched. */
export interface Source {
  /** For messages. */
  readonly display: string;
  /** What there is to do, one after the other: nothing is looked for before it is asked for. */
  look(): AsyncIterable<Offer>;
  /** What a job is given as its INPUT. */
  address(name: string): string;
  /** How many are there but cannot be had yet, as of the last look. */
  unready(): number;
}

export type Offer =
  | {
      readonly kind: 'video';
      readonly video: Video;
      /** Wants to be told what became of it. */
      readonly answer?: (taken: Taken) => Promise<void>;
    }
  /** Something that cannot be a video, which the source itself has set aside. */
  | { readonly kind: 'set aside' };

/**
 * What became of a video that was looked at: `done`, `failed` (set aside) just now, or `settled` before; `again`: to be
 * looked at again, as with `unsure`: another watcher has it, but may have died; `taken`: another has it; `unfinished`:
 * this watcher is to end and it is not.
 */
export type Taken = 'done' | 'failed' | 'settled' | 'again' | 'unsure' | 'taken' | 'unfinished';

export async function openSource(location: Location, signal: AbortSignal, log: Log): Promise<Source> {
  return location.kind === 'file' ? folderSource(resolve(location.path), log) : blobSource(location, signal);
}

async function folderSource(folder: string, log: Log): Promise<Source> {
  const told = new Set<string>();
  const list = (): Promise<readonly string[]> =>
    videosInFolder(folder, 'all', (unlisted, error) => {
      if (!told.has(unlisted)) log.warn(`${unlisted} is left out: ${messageOf(error)}`);
      told.add(unlisted);
    });
  await list();
  let before = new Map<string, string>();
  let unready = 0;
  return {
    display: folder,
    address: (name) => join(folder, name),
    unready: () => unready,
    // A file has to look the same twice: it may still be being written.
    async *look() {
      const now = new Map<string, string>();
      const videos: Video[] = [];
      for (const name of await list()) {
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
      yield* videos.map(offered);
    },
  };
}

function offered(video: Video): Offer {
  return { kind: 'video', video };
}

async function blobSource(location: BlobLocation, signal: AbortSignal): Promise<Source> {
  const access = await connect(location);
  return {
    display: location.url,
    address: (name) => atName(location, nameBelow(location, name)).url,
    unready: () => 0,
    async *look() {
      const blobs = await videosInContainer(access, signal);
      yield* blobs.map(({ name, etag, bytes }) => offered(blobVideo(location, name, etag, bytes)));
    },
  };
}
