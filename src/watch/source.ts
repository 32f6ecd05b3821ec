import * as fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Log } from '../report/log.js';
import { connect } from '../storage/azure/blob-client.js';
import { atName, type BlobLocation, type Location, nameBelow } from '../storage/location/location.js';
import { videosInContainer, videosInFolder } from '../storage/video-listing.js';
import { messageOf } from '../system/errors.js';
import { blobVideo, type Video, videoIn } from './videos.js';

/** The location that is watched. */
export interface Source {
  /** For messages. */
  readonly display: string;
  /** Yields what there is to do, one after another, and searches only as far as it is iterated. */
  look(): AsyncIterable<Offer>;
  /** Returns the INPUT of the job for a video. */
  address(name: string): string;
  /** Returns the number of videos that the last `look` found but that are not ready yet. */
  unready(): number;
}

export type Offer =
  | {
      readonly kind: 'video';
      readonly video: Video;
      /** Receives the result, if the source needs it. */
      readonly answer?: (result: TakeResult) => Promise<void>;
    }
  /** Something that is not a video and that the source has set aside. */
  | { readonly kind: 'set aside' };

/**
 * The result of taking a video.
 *
 * - `done`, `failed`: settled now; a failed one is set aside.
 * - `settled`: settled before.
 * - `again`: to be tried again.
 * - `taken`: another watcher holds it.
 * - `unsure`: another watcher holds it but may have died, so it is tried again.
 * - `unfinished`: this watcher is ending before the video is done.
 */
export type TakeResult = 'done' | 'failed' | 'settled' | 'again' | 'unsure' | 'taken' | 'unfinished';

export async function openSource(location: Location, signal: AbortSignal, log: Log): Promise<Source> {
  return location.kind === 'file' ? folderSource(resolve(location.path), log) : blobSource(location, signal);
}

async function folderSource(folder: string, log: Log): Promise<Source> {
  const reported = new Set<string>();
  const list = (): Promise<readonly string[]> =>
    videosInFolder(folder, 'all', (unlisted, error) => {
      if (!reported.has(unlisted)) log.warn(`skipping ${unlisted}: ${messageOf(error)}`);
      reported.add(unlisted);
    });
  await list();
  let before = new Map<string, string>();
  let unready = 0;
  return {
    display: folder,
    address: (name) => join(folder, name),
    unready: () => unready,
    // A file must be unchanged over two looks, since it may still be being written.
    async *look() {
      const now = new Map<string, string>();
      const videos: Video[] = [];
      for (const name of await list()) {
        const stats = await fs.stat(join(folder, name), { bigint: true }).catch(() => undefined);
        if (stats === undefined) continue; // just moved away
        const version = `${stats.size}-${stats.mtimeNs}`;
        now.set(name, version);
        // Not the folder's path, since another machine may mount the same share elsewhere.
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
