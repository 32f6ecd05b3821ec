import { createHash } from 'node:crypto';
import { derivedPath } from '../storage/location/derived-names.js';
import { type BlobLocation, nameBelow } from '../storage/location/location.js';

/** A video in the place that is watched. */
export interface Video {
  /** Below that place, with slashes. */
  readonly name: string;
  readonly bytes: number;
  /** Changes whenever the content does: a blob's ETag, or a file's size and time. */
  readonly version: string;
  /** Names this version of this video, for claims and records: hexadecimal. */
  readonly key: string;
}

/** Suffixes that an output can have, whatever its codec. */
const WRITABLE = /\.(?:mp4|m4v|mov|qt|mkv)$/i;
const KEY_DIGITS = 32;

/** The output's name: the video's own, with .mkv after a suffix of a container that cannot be written. */
export function outputName(name: string): string {
  return WRITABLE.test(name) ? name : derivedPath(name, '.mkv');
}

/**
 * The blob `name` below `place` as a video: the same one, however a watcher came to know of it. An account has several
 * addresses, of which the service name is common, and listings give ETags without their quotation marks.
 */
export function blobVideo(place: BlobLocation, name: string, etag: string, bytes: number): Video {
  const version = etag.replace(/^"|"$/g, '');
  return videoIn(`${place.service}/${place.container}/${nameBelow(place, '')}`, { name, version, bytes });
}

/** `place` is where the video lies, as every watcher of that place writes it. */
export function videoIn(place: string, facts: Omit<Video, 'key'>): Video {
  const text = JSON.stringify([place, facts.name, facts.version]);
  return { ...facts, key: createHash('sha256').update(text).digest('hex').slice(0, KEY_DIGITS) };
}
