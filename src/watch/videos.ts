import { createHash } from 'node:crypto';
import { type BlobLocation, nameBelow } from '../storage/location/location.js';

/** A video in the watched location. */
export interface Video {
  /** The path relative to that location, with slashes. */
  readonly name: string;
  readonly bytes: number;
  /** Changes with the content: a blob's ETag, or a file's size and modification time. */
  readonly version: string;
  /** Identifies this version of this video in claims and records: hexadecimal. */
  readonly key: string;
}

const KEY_DIGITS = 32;

/**
 * Returns the blob `name` below `place` as a video, equal from a listing and from a message. The addresses of
 * an account differ but share the service name, and listings give ETags without quotation marks.
 */
export function blobVideo(place: BlobLocation, name: string, etag: string, bytes: number): Video {
  const version = etag.replace(/^"|"$/g, '');
  return videoIn(`${place.service}/${place.container}/${nameBelow(place, '')}`, { name, version, bytes });
}

/** Returns a video with its key. All watchers must write its location, `place`, in the same way. */
export function videoIn(place: string, facts: Omit<Video, 'key'>): Video {
  const text = JSON.stringify([place, facts.name, facts.version]);
  return { ...facts, key: createHash('sha256').update(text).digest('hex').slice(0, KEY_DIGITS) };
}
