/** What a published output was made of. */
import { createHash } from 'node:crypto';
import type { SourceStamp } from '../journal/picture-record.js';
import type { PictureInput } from './find.js';

/** Returns a digest of the pictures' names and states, in their order. One that cannot be told has none. */
export async function digestOfSources(
  pictures: readonly PictureInput[],
  stampOf: (input: PictureInput) => Promise<SourceStamp | undefined>,
): Promise<string> {
  const hash = createHash('sha256');
  for (const input of pictures) {
    const stamp = input.refused === undefined ? await stampOf(input) : undefined;
    hash.update(JSON.stringify([input.key, stamp?.bytes, stamp?.changed]));
  }
  return hash.digest('hex');
}
