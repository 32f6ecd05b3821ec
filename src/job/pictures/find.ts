/** Finds the pictures of a job: files, folders, patterns, a list, blobs. */
import * as fs from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { formatOfName } from '../../pictures/formats.js';
import { connect } from '../../storage/azure/blob-client.js';
import type { ListedBlob } from '../../storage/azure/blob-listing.js';
import {
  atName,
  displayText,
  isAddress,
  type Location,
  lastName,
  nameBelow,
  parseLocation,
} from '../../storage/location/location.js';
import { isPictureName, picturesInContainer, picturesInFolder } from '../../storage/picture-listing.js';
import { isVideoName } from '../../storage/video-listing.js';
import { UNDECODED } from '../../system/errors.js';
import type { PicturesOptions } from '../context/options.js';
import { readList } from '../queue/queue-plan.js';

/** A picture to be made, as it was found. */
export interface PictureInput {
  readonly location: Location;
  /** The path as it was given, or the address without a query. */
  readonly display: string;
  /** What a later run knows it by: the whole path, or the address. */
  readonly key: string;
  /** The last part of its name. */
  readonly name: string;
  /** Its state, if a listing told it. */
  readonly listed?: Pick<ListedBlob, 'etag' | 'bytes'>;
  /** Why it cannot be read, if its name says so already. */
  readonly refused?: string;
}

export interface FoundPictures {
  /** In the order of the inputs; of a folder in the order of their names. Each once. */
  readonly pictures: readonly PictureInput[];
  /** The first input that is a video, or holds videos: then no picture counts there. */
  readonly video: string | undefined;
  /** True if that is a folder or container. */
  readonly isFolder: boolean;
  /** The first input that is a folder, container or pattern with nothing to process. */
  readonly empty: string | undefined;
  /** Pictures in folders that hold videos too. */
  readonly besideVideos: number;
  readonly notes: readonly string[];
}

/** Pictures, and the options of their job. */
export interface PicturesWork {
  readonly options: PicturesOptions;
  readonly found: FoundPictures;
}

/** What an input turned out to be. */
type Looked =
  | {
      readonly kind: 'pictures';
      readonly pictures: readonly PictureInput[];
      readonly notes: readonly string[];
    }
  | { readonly kind: 'video'; readonly isFolder: boolean; readonly beside: number }
  | { readonly kind: 'empty' };

/**
 * Looks at what inputs and a list name. Only folders and containers are listed; no picture is read.
 *
 * @throws {JobError} usage or input: when the list or a folder cannot be read.
 */
export async function findPictures(
  inputs: readonly string[],
  list: string | undefined,
  signal: AbortSignal,
): Promise<FoundPictures> {
  const found = new Map<string, PictureInput>();
  const notes: string[] = [];
  let video: string | undefined;
  let isFolder = false;
  let empty: string | undefined;
  let besideVideos = 0;
  for (const input of [...inputs, ...(list === undefined ? [] : await readList(list))]) {
    const looked = await lookAt(input, signal);
    if (looked.kind === 'video') {
      if (video === undefined) isFolder = looked.isFolder;
      video ??= displayText(input);
      besideVideos += looked.beside;
    } else if (looked.kind === 'empty') empty ??= displayText(input);
    else {
      for (const one of looked.pictures) if (!found.has(one.key)) found.set(one.key, one);
      notes.push(...looked.notes);
    }
  }
  return { pictures: [...found.values()], video, isFolder, empty, besideVideos, notes };
}

async function lookAt(input: string, signal: AbortSignal): Promise<Looked> {
  if (isAddress(input)) return lookAtAddress(input, signal);
  const stats = await fs.stat(input).catch(() => undefined);
  if (stats?.isDirectory() === true) return lookInFolder(input, undefined);
  const isPattern = stats === undefined && /[*?]/.test(basename(input));
  if (isPattern) return lookInFolder(dirname(input), matcherOf(basename(input)));
  if (formatOfName(input) === undefined) return VIDEO;
  const given = fileInput(input);
  // Of a name on the command line nobody can tell whether that character is its own.
  return pictures([input.includes(UNDECODED) ? { ...given, refused: UNNAMABLE } : given]);
}

const UNNAMABLE = 'its name is not valid UTF-8: rename it';

const VIDEO = { kind: 'video', isFolder: false, beside: 0 } as const;

async function lookInFolder(
  folder: string,
  matches: ((name: string) => boolean) | undefined,
): Promise<Looked> {
  const { pictures: names, unnamable, links, videos } = await picturesInFolder(folder, matches);
  if (videos > 0 && (matches === undefined || names.length === 0))
    return { kind: 'video', isFolder: true, beside: names.length };
  if (names.length + unnamable.length === 0) return { kind: 'empty' };
  const left = links === 1 ? '1 link is left out' : `${links} links are left out`;
  return pictures(
    [
      ...names.map((name) => fileInput(join(folder, name))),
      // Several may look alike.
      ...unnamable.map((name, at) => {
        const input = fileInput(join(folder, name));
        return { ...input, key: `${input.key} (${at + 1})`, refused: UNNAMABLE };
      }),
    ],
    [
      ...(links > 0 ? [`${left} in ${folder}: their targets may lie anywhere`] : []),
      ...(videos > 0 ? [`${counted(videos)} left out: the pattern also takes pictures`] : []),
    ],
  );
}

async function lookAtAddress(input: string, signal: AbortSignal): Promise<Looked> {
  const location = parseLocation(input);
  if (location.kind === 'file' || isVideoName(lastName(location))) return VIDEO;
  if (isPictureName(lastName(location))) return pictures([{ ...placed(location), name: lastName(location) }]);
  const listed = await picturesInContainer(await connect(location), signal).catch((error: unknown) => {
    if (location.name === '' || signal.aborted) throw error;
    return { videos: 0, pictures: [] }; // a SAS of one blob cannot list
  });
  if (listed.videos > 0) return { kind: 'video', isFolder: true, beside: listed.pictures.length };
  if (listed.pictures.length === 0) return VIDEO; // a blob, whose name says nothing
  return pictures(
    listed.pictures.map(({ name, etag, bytes }) => ({
      ...placed(atName(location, nameBelow(location, name))),
      name,
      listed: { etag, bytes },
    })),
  );
}

function placed(location: Location & { readonly kind: 'blob' }) {
  return { location, display: location.url, key: location.url };
}

function fileInput(path: string): PictureInput {
  return {
    location: { kind: 'file', path },
    display: path,
    key: resolve(path),
    name: basename(path),
  };
}

function counted(videos: number): string {
  return videos === 1 ? '1 video is' : `${videos} videos are`;
}

function pictures(found: readonly PictureInput[], notes: readonly string[] = []): Looked {
  return { kind: 'pictures', pictures: found, notes };
}

/** Returns a matcher of names: `*` stands for any characters, `?` for one. Names are compared whole. */
export function matcherOf(pattern: string): (name: string) => boolean {
  const parts = [...pattern].map((character) => {
    if (character === '*') return '.*';
    return character === '?' ? '.' : character.replace(/[\\^$.|+()[\]{}/]/, '\\$&');
  });
  const expression = new RegExp(`^${parts.join('')}$`, 'su');
  return (name) => expression.test(name);
}
