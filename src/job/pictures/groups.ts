/** Groups of pictures: what a rank gets at a time, and what the journal records together. */
import type { LoadedPiece } from '../split/deal.js';
import type { SentPicture } from './messages.js';
import type { InputReader } from './read-input.js';
import type { ToMake } from './remaining.js';

/** A group whose files have been read. */
export interface PictureGroup {
  readonly index: number;
  readonly members: readonly ToMake[];
  readonly sent: readonly SentPicture[];
  /** Why others could not be read, by their places. */
  readonly refused: ReadonlyMap<number, string>;
}

/** Enough that a record costs little, and little enough that a killed job loses little. */
const MOST_PICTURES = 8;
/** A group ends when its files have so many bytes. */
const MOST_BYTES = 2 ** 23;
/** Of few pictures a group holds fewer, so that every rank gets some. */
const LEAST_GROUPS = 128;

/** Returns the most pictures of a group. It does not depend on the ranks. */
export function groupSize(pictures: number, batch: number): number {
  return Math.max(batch, Math.min(MOST_PICTURES, Math.ceil(pictures / LEAST_GROUPS)));
}

/**
 * Reads pictures in order, and yields them in groups, numbered from `first`. `formatOf` returns the format of
 * the picture to make; null for a table.
 */
export async function* readGroups(
  pictures: readonly ToMake[],
  { first, size }: { readonly first: number; readonly size: number },
  reader: InputReader,
  formatOf: (picture: ToMake) => SentPicture['format'],
): AsyncGenerator<LoadedPiece<PictureGroup>, void, undefined> {
  let index = first;
  for (let from = 0; from < pictures.length; index += 1) {
    const found = await readGroup(index, pictures.slice(from, from + size), reader, formatOf);
    from += found.piece.members.length;
    yield found;
  }
}

/** Reads the pictures of a group; fewer if they have many bytes. */
export async function readGroup(
  index: number,
  candidates: readonly ToMake[],
  reader: InputReader,
  formatOf: (picture: ToMake) => SentPicture['format'],
): Promise<LoadedPiece<PictureGroup>> {
  const members: ToMake[] = [];
  const sent: SentPicture[] = [];
  const refused = new Map<number, string>();
  const files: Uint8Array[] = [];
  let bytes = 0;
  for (const member of candidates) {
    const place = members.length;
    const read = await reader.read(member.input);
    members.push(member);
    if ('refused' in read) {
      refused.set(place, read.refused);
      continue;
    }
    files.push(read.bytes);
    sent.push({ place, stamp: read.stamp, format: formatOf(member) });
    bytes += read.bytes.length;
    if (bytes >= MOST_BYTES) break;
  }
  return { piece: { index, members, sent, refused }, data: Buffer.concat(files) };
}
