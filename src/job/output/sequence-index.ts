/** What a finished sequence consists of: the picture of each frame, as a segment holds it. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { type NumberedNames, nameOfNumber } from '../../storage/location/numbered-names.js';
import { syncFile } from '../../system/durable.js';
import { JobError } from '../../system/errors.js';
import { isPlainObject } from '../../system/plain-object.js';
import { openNutFile } from '../../video/formats/nut.js';

/** A picture of a sequence. */
export interface IndexedPicture {
  readonly name: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** The pictures of a segment, in order. */
export interface IndexedSegment {
  readonly path: string;
  readonly pictures: readonly IndexedPicture[];
}

/**
 * Writes the index of the pictures of all segments to `path`, and returns their bytes.
 *
 * @throws {JobError} internal: when the segments do not hold `frames` pictures.
 */
export async function writeIndex(
  path: string,
  segments: readonly string[],
  names: NumberedNames,
  first: number,
  frames: number,
): Promise<number> {
  const indexed: IndexedSegment[] = [];
  let [number, bytes] = [first, 0];
  for (const segment of segments) {
    const pictures: IndexedPicture[] = [];
    const file = await openNutFile(segment);
    for await (const { data } of file.packets()) {
      pictures.push({ name: nameOfNumber(names, number), bytes: data.length, sha256: sha256(data) });
      bytes += data.length;
      number += 1;
    }
    indexed.push({ path: segment, pictures });
  }
  if (number - first !== frames)
    throw new JobError('internal', `the segments hold ${number - first} pictures of ${frames} frames`);
  await writeFile(path, JSON.stringify(indexed), { flag: 'wx' });
  await syncFile(path);
  return bytes;
}

/** Reads an index that `writeIndex` wrote. */
export async function readIndex(path: string): Promise<readonly IndexedSegment[]> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (Array.isArray(value) && value.every(isSegment)) return value;
  throw new JobError('internal', `${path} is not an index of pictures`);
}

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function isSegment(value: unknown): value is IndexedSegment {
  return (
    isPlainObject(value) &&
    typeof value.path === 'string' &&
    Array.isArray(value.pictures) &&
    value.pictures.every(
      (one) =>
        isPlainObject(one) &&
        typeof one.name === 'string' &&
        typeof one.bytes === 'number' &&
        typeof one.sha256 === 'string',
    )
  );
}
