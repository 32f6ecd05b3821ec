/** Parses the headers of NUT's frames, and the syncpoints that their times refer to. */
import { CHECKSUM_BYTES } from './nut-bytes.js';
import { CorruptNut, type Cursor, crc32, FLAG, LONGEST_ELIDING_FRAME } from './nut-format.js';
import type { MainHeader, StreamHeader } from './nut-headers.js';

/** The header of a frame. */
export interface FrameHeader {
  readonly stream: number;
  readonly pts: number;
  readonly keyframe: boolean;
  /** Bytes that follow, side data included. */
  readonly stored: number;
  readonly elided: Uint8Array;
  readonly sideData: boolean;
}

/** Parses frame headers in their order. Both functions throw `CorruptNut` or NEED_MORE. */
export interface FrameParser {
  syncpoint(cursor: Cursor): void;
  frame(cursor: Cursor): FrameHeader;
  /** True after the first syncpoint, which no frame may precede. */
  readonly synced: boolean;
}

const MOST_SIDE_DATA_BYTES = 2 ** 20;
const MOST_FRAME_BYTES = 2 ** 31;
const NOTHING = new Uint8Array(0);

/** Returns the parser for a file with these headers. */
export function frameParser(main: MainHeader, headers: readonly StreamHeader[]): FrameParser {
  const lastPts = headers.map(() => 0);
  let synced = false;

  function syncpoint(cursor: Cursor): void {
    const time = cursor.v64();
    cursor.v(); // distance to an earlier syncpoint
    const count = BigInt(main.timeBases.length);
    const index = Number(((time % count) + count) % count);
    const base = main.timeBases[index];
    if (base === undefined) throw new CorruptNut('a syncpoint in an unknown time base');
    const ticks = (time - BigInt(index)) / count;
    for (const [id, { stream }] of headers.entries()) {
      const up = ticks * BigInt(base.num) * BigInt(stream.timeBase.den);
      const down = BigInt(base.den) * BigInt(stream.timeBase.num);
      const floor = up / down - (up % down < 0n ? 1n : 0n);
      lastPts[id] = Number(floor);
    }
    synced = true;
  }

  function frame(cursor: Cursor): FrameHeader {
    const begin = cursor.at;
    const code = main.frameCodes[cursor.byte()];
    if (code === undefined || code.flags & FLAG.invalid) throw new CorruptNut('an invalid frame code');
    const flags = code.flags & FLAG.coded ? code.flags ^ cursor.v() : code.flags;
    const id = flags & FLAG.streamId ? cursor.v() : code.stream;
    const header = headers[id];
    const last = lastPts[id];
    if (header === undefined || last === undefined) throw new CorruptNut(`a frame of stream ${id}`);
    const pts = flags & FLAG.codedPts ? parsePts(cursor, header, last) : last + code.ptsDelta;
    const size = code.sizeLsb + (flags & FLAG.sizeMsb ? code.sizeMul * cursor.v() : 0);
    if (flags & FLAG.matchTime) cursor.v64();
    const headerIdx = flags & FLAG.headerIdx ? cursor.v() : code.headerIdx;
    const reserved = flags & FLAG.reserved ? cursor.v() : code.reserved;
    for (let i = 0; i < reserved; i++) cursor.v64();
    const elided = size > LONGEST_ELIDING_FRAME ? NOTHING : main.elided[headerIdx];
    if (elided === undefined || size < elided.length || size > MOST_FRAME_BYTES) {
      throw new CorruptNut(`a frame of ${size} bytes`);
    }
    if (!Number.isSafeInteger(pts) || pts < 0) throw new CorruptNut(`a frame at time ${pts}`);
    if (flags & FLAG.checksum) {
      cursor.take(CHECKSUM_BYTES);
      if (crc32(cursor.bytes.subarray(begin, cursor.at)) !== 0)
        throw new CorruptNut('a frame header checksum is wrong');
    } else if (size > 2 * main.maxDistance || Math.abs(pts - last) > header.maxPtsDistance) {
      throw new CorruptNut('a frame header lacks its checksum');
    }
    lastPts[id] = pts;
    const stored = size - elided.length;
    const [keyframe, sideData] = [(flags & FLAG.key) !== 0, (flags & FLAG.sideData) !== 0];
    return { stream: id, pts, keyframe, stored, elided, sideData };
  }

  return {
    syncpoint,
    frame,
    get synced() {
      return synced;
    },
  };
}

function parsePts(cursor: Cursor, { ptsBits }: StreamHeader, last: number): number {
  const coded = cursor.v();
  const modulus = 2 ** ptsBits;
  if (coded >= modulus) return coded - modulus;
  const least = last - Math.floor((modulus - 1) / 2);
  return least + ((((coded - least) % modulus) + modulus) % modulus);
}

/**
 * Passes over the two blocks of a frame's side data, and returns their length. Throws `CorruptNut` or
 * NEED_MORE.
 */
export function parseSideData(cursor: Cursor): number {
  const begin = cursor.at;
  for (let block = 0; block < 2; block++) {
    for (let count = cursor.v(); count > 0; count--) {
      if (cursor.at - begin > MOST_SIDE_DATA_BYTES) throw new CorruptNut('too much side data');
      takeText(cursor); // name
      const type = cursor.s();
      if (type === -2) takeText(cursor);
      if (type === -1 || type === -2) takeText(cursor);
      else if (type < -2) cursor.v64();
    }
  }
  return cursor.at - begin;
}

function takeText(cursor: Cursor): void {
  const bytes = cursor.v();
  if (bytes > MOST_SIDE_DATA_BYTES) throw new CorruptNut('too much side data');
  cursor.take(bytes);
}
