/**
 * Walks the boxes of an ISO base media file (MP4, QuickTime: ISO/IEC 14496-12) by their headers, in bounded
 * memory.
 */
import { type FileHandle, open } from 'node:fs/promises';

/** A box, by the position of its payload in the file. */
export interface IsoBox {
  /** Four characters. */
  readonly type: string;
  /** The payload's first byte, and the byte after its last. */
  readonly start: number;
  readonly end: number;
}

/**
 * More boxes than any real movie's headers have: the most that one pass over a damaged or hostile file reads.
 */
const MOST_BOXES = 100_000;
/** Headers are close together: they are read in blocks of this many bytes. */
const WINDOW_BYTES = 65_536;
/** The bytes of edits that are read: two edits are enough to know that there are several. */
const MOST_EDIT_BYTES = 4096;

/** An open file whose boxes are walked. */
export interface IsoFile {
  /** Size in bytes. */
  readonly size: number;
  /** Reads up to `length` bytes from `at`, fewer at the end of the file; at most `WINDOW_BYTES`. */
  read(at: number, length: number): Promise<Buffer>;
  /** Counts one more box. Returns false after more than any real file has. */
  countBox(): boolean;
}

/** Opens the boxes of `file`, which the caller closes. */
export async function isoFile(file: FileHandle): Promise<IsoFile> {
  const { size } = await file.stat();
  const window = Buffer.alloc(WINDOW_BYTES);
  let from = 0;
  let held = 0;
  let boxes = 0;
  return {
    size,
    async read(at, length) {
      if (at < from || at + length > from + held) {
        held = (await file.read(window, 0, WINDOW_BYTES, at)).bytesRead;
        from = at;
      }
      return Buffer.from(window.subarray(at - from, Math.min(at - from + length, held)));
    },
    countBox() {
      boxes += 1;
      return boxes <= MOST_BOXES;
    },
  };
}

/** Yields the boxes between `start` and `end`. Stops at a header that makes no sense. */
export async function* isoBoxes(
  file: IsoFile,
  start: number,
  end: number,
): AsyncGenerator<IsoBox, void, undefined> {
  let at = start;
  while (at + 8 <= end && file.countBox()) {
    const header = await file.read(at, 16);
    if (header.length < 8) return;
    const type = header.toString('latin1', 4, 8);
    const size32 = header.readUInt32BE(0);
    const large = size32 === 1;
    if (large && header.length < 16) return;
    const headerBytes = large ? 16 : 8;
    // 0 means: to the end of the enclosing box.
    const size = large ? Number(header.readBigUInt64BE(8)) : size32 === 0 ? end - at : size32;
    if (size < headerBytes || at + size > end) return;
    yield { type, start: at + headerBytes, end: at + size };
    at += size;
  }
}

/**
 * Returns the first box called `path[0]` between `start` and `end`, in it the first called `path[1]`, and so
 * on.
 */
export async function isoBoxAt(
  file: IsoFile,
  within: { readonly start: number; readonly end: number },
  path: readonly string[],
): Promise<IsoBox | undefined> {
  const [name, ...rest] = path;
  for await (const box of isoBoxes(file, within.start, within.end)) {
    if (box.type === name) return rest.length === 0 ? box : isoBoxAt(file, box, rest);
  }
  return undefined;
}

/** A track, by its headers. */
export interface IsoTrack {
  readonly box: IsoBox;
  /** `vide`, `soun`, ...; empty if the track has no handler. */
  readonly handler: string;
}

/** Returns the tracks of the movie in order. */
export async function isoTracks(file: IsoFile): Promise<readonly IsoTrack[]> {
  const movie = await isoBoxAt(file, { start: 0, end: file.size }, ['moov']);
  if (movie === undefined) return [];
  const tracks: IsoTrack[] = [];
  for await (const box of isoBoxes(file, movie.start, movie.end)) {
    if (box.type !== 'trak') continue;
    const handlerBox = await isoBoxAt(file, box, ['mdia', 'hdlr']);
    // version and flags, pre_defined, handler_type
    tracks.push({ box, handler: await fourCharacters(file, handlerBox, 8) });
  }
  return tracks;
}

/** Returns each track's handler and the format of its first sample entry (`avc1`, `encv`, ...). */
export async function isoSampleEntries(
  path: string,
): Promise<readonly { readonly handler: string; readonly format: string }[]> {
  await using handle = await open(path);
  const file = await isoFile(handle);
  const entries: { readonly handler: string; readonly format: string }[] = [];
  for (const track of await isoTracks(file)) {
    const table = await isoBoxAt(file, track.box, ['mdia', 'minf', 'stbl', 'stsd']);
    // version and flags, entry_count, then the first entry: size, format
    entries.push({ handler: track.handler, format: await fourCharacters(file, table, 12) });
  }
  return entries;
}

/** The edits of an audio track that play a part of it (ISO/IEC 14496-12, 8.6.6). */
export interface AudioEdits {
  readonly count: number;
  /** Seconds of the track that are skipped before the first. */
  readonly hidden: number;
}

/** Returns the edits of each audio track that has any, in the file's order. */
export async function isoAudioEdits(path: string): Promise<readonly AudioEdits[]> {
  await using handle = await open(path);
  const file = await isoFile(handle);
  const found: AudioEdits[] = [];
  for (const { box, handler } of await isoTracks(file)) {
    if (handler !== 'soun') continue;
    const list = await isoBoxAt(file, box, ['edts', 'elst']);
    const header = await isoBoxAt(file, box, ['mdia', 'mdhd']);
    if (list === undefined || header === undefined) continue;
    // Times are 64 bits wide in version 1. An edit from -1 on plays nothing.
    const wide = (await numberAt(file, header.start, 1)) === 1;
    const timescale = (await numberAt(file, header.start + (wide ? 20 : 12), 4)) || 1;
    const starts = (await editStarts(file, list)).filter((start) => start >= 0);
    const [first] = starts;
    if (first !== undefined) found.push({ count: starts.length, hidden: first / timescale });
  }
  return found;
}

/** Returns the media times at which a list's first edits begin. */
async function editStarts(file: IsoFile, list: IsoBox): Promise<readonly number[]> {
  const bytes = await file.read(list.start, Math.min(list.end - list.start, MOST_EDIT_BYTES));
  if (bytes.length < 8) return [];
  const wide = bytes[0] === 1;
  const size = wide ? 20 : 12;
  const count = Math.min(bytes.readUInt32BE(4), Math.floor((bytes.length - 8) / size));
  return Array.from({ length: count }, (_, edit) => {
    const at = 8 + edit * size;
    return wide ? Number(bytes.readBigInt64BE(at + 8)) : bytes.readInt32BE(at + 4);
  });
}

async function numberAt(file: IsoFile, at: number, bytes: 1 | 4): Promise<number> {
  const read = await file.read(at, bytes);
  return read.length < bytes ? 0 : read.readUIntBE(0, bytes);
}

async function fourCharacters(file: IsoFile, box: IsoBox | undefined, offset: number): Promise<string> {
  if (box === undefined || box.end - box.start < offset + 4) return '';
  return (await file.read(box.start + offset, 4)).toString('latin1');
}
