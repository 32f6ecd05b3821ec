/**
 * Gives the last frame of a Matroska file its own duration. FFmpeg's muxer writes durations only for
 * subtitles. So the frame's packet goes to the muxer with a mark, which becomes an element of its block, and
 * the duration then replaces that element.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Element, elementsIn, ID, segmentElements } from './matroska-elements.js';
import type { Rational } from './rational.js';

/** The block addition of the last frame's packet. */
export const LAST_BLOCK_MARK = Buffer.from('framescatter: last', 'latin1');

/** The time base of files that FFmpeg's muxer makes. */
export const MATROSKA_FILE_TIME_BASE: Rational = { num: 1, den: 1000 };

/**
 * The most milliseconds by which a frame's cluster may begin after its time: with B-frames a later frame
 * opens it.
 */
const MOST_AHEAD = 60_000;
/** The largest cluster that is read. FFmpeg's are 5 MB and one frame at most. */
const LARGEST_CLUSTER = 2 ** 30;

/**
 * Writes the duration `milliseconds` into the marked block of the Matroska file at `path`. The block's time
 * is `time`, also in milliseconds. Changes nothing if FFmpeg has not carried the mark over.
 */
export async function setLastBlockDuration(path: string, time: number, milliseconds: number): Promise<void> {
  await using file = await open(path, 'r+');
  const clusters: Element[] = [];
  let tracks: Element | undefined;
  for await (const element of segmentElements(file)) {
    if (element.id === ID.cluster) clusters.push(element);
    if (element.id === ID.tracks) tracks = element;
  }
  for (const cluster of clusters.reverse()) {
    if (await markReplaced(file, cluster, time, milliseconds)) {
      if (tracks !== undefined) await rewrite(file, tracks, forgetAdditions);
      return;
    }
  }
}

/** Replaces the mark in `cluster` by the duration. Returns false if the mark is not there. */
async function markReplaced(
  file: FileHandle,
  cluster: Element,
  time: number,
  milliseconds: number,
): Promise<boolean> {
  const head = Buffer.alloc(32);
  await file.read(head, 0, head.length, cluster.start);
  const begin = [...elementsIn(head, 0, head.length)].find(({ id }) => id === ID.timestamp);
  const beginTime = begin === undefined ? 0 : head.readUIntBE(begin.start, begin.end - begin.start);
  if (beginTime > time + MOST_AHEAD) return false;
  return rewrite(file, cluster, (bytes) => {
    for (const group of elementsIn(bytes, 0, bytes.length)) {
      if (group.id !== ID.blockGroup) continue;
      for (const { id, at, start, end } of elementsIn(bytes, group.start, group.end)) {
        const marked = id === ID.blockAdditions && bytes.subarray(start, end).includes(LAST_BLOCK_MARK);
        if (!marked) continue;
        bytes.set([ID.blockDuration, 0x84], at);
        bytes.writeUInt32BE(milliseconds, at + 2);
        emptied(bytes, at + 6, end);
        return true;
      }
    }
    return false;
  });
}

/**
 * Removes from the track's entry that its blocks have additions: the muxer wrote that because of the mark.
 */
function forgetAdditions(bytes: Buffer): boolean {
  let found = false;
  for (const entry of elementsIn(bytes, 0, bytes.length)) {
    if (entry.id !== ID.trackEntry) continue;
    for (const { id, at, end } of elementsIn(bytes, entry.start, entry.end)) {
      if (id !== ID.maxBlockAddition) continue;
      emptied(bytes, at, end);
      found = true;
    }
  }
  return found;
}

/** Replaces the bytes from `at` to `end` by an element that readers ignore. */
function emptied(bytes: Buffer, at: number, end: number): void {
  bytes.fill(0, at, end);
  bytes.set([ID.void, 0x80 | (end - at - 2)], at);
}

/** Rewrites the payload of `element` by `change`, which keeps its length, and updates its checksum. */
async function rewrite(
  file: FileHandle,
  element: Element,
  change: (bytes: Buffer) => boolean,
): Promise<boolean> {
  const length = (element.end ?? element.start) - element.start;
  if (length === 0 || length > LARGEST_CLUSTER) return false;
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, element.start);
  if (bytesRead < length || !change(bytes)) return false;
  const [first] = elementsIn(bytes, 0, length);
  if (first?.id === ID.crc) bytes.writeUInt32LE(crc32(bytes.subarray(first.end)), first.start);
  await file.write(bytes, 0, length, element.start);
  return true;
}
