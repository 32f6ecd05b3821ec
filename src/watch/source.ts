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
  /** Returns all videos that are there, ready or not, without an effect on `look`. Absent for a queue. */
  readonly list?: () => Promise<readonly Video[]>;
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
  const names = (): Promise<readonly string[]> =>
    videosInFolder(folder, 'all', (unlisted, error) => {
      if (!reported.has(unlisted)) log.warn(`skipping ${unlisted}: ${messageOf(error)}`);
      reported.add(unlisted);
    });
  async function list(): Promise<readonly Video[]> {
    const videos: Video[] = [];
    for (const name of await names()) {
      const stats = await fs.stat(join(folder, name), { bigint: true }).catch(() => undefined);
      if (stats === undefined) continue; // just moved away
      // Not the folder's path, since another machine may mount the same share elsewhere.
      const facts = { name, version: `${stats.size}-${stats.mtimeNs}`, bytes: Number(stats.size) };
      videos.push(videoIn('folder', facts));
    }
    return videos;
  }
  await names();
  let before = new Map<string, string>();
  let unready = 0;
  return {
    display: folder,
    address: (name) => join(folder, name),
    unready: () => unready,
    list,
    // A file must be unchanged over two looks, since it may still be being written.
    async *look() {
      const all = await list();
      const ready = all.filter(({ name, version }) => before.get(name) === version);
      before = new Map(all.map(({ name, version }) => [name, version]));
      unready = all.length - ready.length;
      yield* ready.map(offered);
    },
  };
}

function offered(video: Video): Offer {
  return { kind: 'video', video };
}

async function blobSource(location: BlobLocation, signal: AbortSignal): Promise<Source> {
  const access = await connect(location);
  const list = async (): Promise<readonly Video[]> =>
    (await videosInContainer(access, signal)).map(({ name, etag, bytes }) =>
      blobVideo(location, name, etag, bytes),
    );
  return {
    display: location.url,
    address: (name) => atName(location, nameBelow(location, name)).url,
    unready: () => 0,
    list,
    async *look() {
      yield* (await list()).map(offered);
    },
  };
}
