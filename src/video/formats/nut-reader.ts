/** Reads NUT from a stream of bytes, packet by packet. */
import { JobError } from '../../system/errors.js';
import type { ByteSource } from './byte-source.js';
import {
  CHECKED_HEADER_BYTES,
  Cursor,
  crc32,
  FILE_ID,
  FLAG,
  LONGEST_ELIDING_FRAME,
  NEED_MORE,
  type NutPacketHeader,
  type NutStream,
  STARTCODE,
  STARTCODE_BYTE,
  Unsound,
} from './nut-format.js';
import { type MainHeader, parseMainHeader, parseStreamHeader, type StreamHeader } from './nut-headers.js';

/** A NUT stream being read. */
export interface NutReader {
  readonly streams: readonly NutStream[];
  /**
   * The next packet, its payload still to be read (what is left of the last one's is skipped); undefined at the end.
   * Errors: JobError('ffmpeg') where the bytes are not sound NUT or end within a packet.
   */
  next(): Promise<NutPacketHeader | undefined>;
  /** Copies the payload of the packet that `next` gave last into `into`, which must be of just its `bytes`. */
  payload(into: Uint8Array): Promise<void>;
}

interface FrameHeader {
  readonly stream: number;
  readonly pts: number;
  readonly keyframe: boolean;
  /** Bytes that follow, side data included. */
  readonly stored: number;
  readonly elided: Uint8Array;
  readonly sideData: boolean;
}

const STARTCODES: ReadonlySet<bigint> = new Set(Object.values(STARTCODE));
/** The largest header that is believed: extradata of real codecs takes a few KiB. */
const MOST_HEADER_BYTES = 2 ** 20;
const MOST_SIDE_DATA_BYTES = 2 ** 20;
const MOST_FRAME_BYTES = 2 ** 31;
const CHECKSUM_BYTES = 4;
const BUFFER_BYTES = 256 * 2 ** 10;
const NOTHING = new Uint8Array(0);

/**
 * Reads the headers of the NUT stream `source`; `name` is how errors call it.
 * Errors: JobError('ffmpeg') where it is not sound NUT or ends too soon.
 */
export async function openNutReader(source: ByteSource, name: string): Promise<NutReader> {
  let buffer = new Uint8Array(BUFFER_BYTES);
  /** What of the buffer has been filled, and how much of that has been read; its first byte's place in the stream. */
  let piece = buffer.subarray(0, 0);
  let at = 0;
  let pieceStart = 0;
  /** Bytes of the current packet that have not been read, beginning with `prefix`. */
  let left = 0;
  let prefix: Uint8Array = NOTHING;

  /** Fills the buffer on, behind what has not been read. */
  async function more(): Promise<boolean> {
    const rest = piece.length - at;
    const larger = rest === buffer.length ? new Uint8Array(2 * rest) : buffer;
    larger.set(piece.subarray(at));
    buffer = larger;
    pieceStart += at;
    at = 0;
    const bytes = await source.read(buffer.subarray(rest));
    piece = buffer.subarray(0, rest + bytes);
    return bytes > 0;
  }

  function unsound(why: string): JobError {
    return new JobError('ffmpeg', `${name} is damaged: ${why} (near byte ${pieceStart + at})`);
  }

  /** What `parse` makes of the bytes here, waiting for as many as it needs. */
  async function parsed<T>(parse: (cursor: Cursor) => T): Promise<T> {
    for (;;) {
      const cursor = new Cursor(piece, at);
      try {
        const value = parse(cursor);
        at = cursor.at;
        return value;
      } catch (error) {
        if (error instanceof Unsound) throw unsound(error.message);
        if (error !== NEED_MORE) throw error;
      }
      if (!(await more())) throw unsound('it ends in the middle of something');
    }
  }

  async function skip(bytes: number, onPiece?: (view: Uint8Array) => void): Promise<void> {
    for (let rest = bytes; rest > 0; ) {
      if (at === piece.length && !(await more())) throw unsound('it ends within a packet');
      const taken = Math.min(rest, piece.length - at);
      onPiece?.(piece.subarray(at, at + taken));
      at += taken;
      rest -= taken;
    }
  }

  /** A startcode and the length of the body after it, checksum included. */
  function parsePacketStart(cursor: Cursor): { readonly startcode: bigint; readonly bytes: number } {
    const begin = cursor.at;
    const startcode = cursor.u64();
    if (!STARTCODES.has(startcode)) throw new Unsound('an unknown packet');
    const bytes = cursor.v();
    if (bytes < CHECKSUM_BYTES) throw new Unsound('a packet without a checksum');
    if (bytes > CHECKED_HEADER_BYTES) {
      cursor.take(CHECKSUM_BYTES);
      if (crc32(cursor.bytes.subarray(begin, cursor.at)) !== 0)
        throw new Unsound('a packet header checksum is wrong');
    }
    return { startcode, bytes };
  }

  async function body<T>(bytes: number, parse: (cursor: Cursor) => T): Promise<T> {
    if (bytes > MOST_HEADER_BYTES) throw unsound(`a header of ${bytes} bytes`);
    const whole = await parsed((cursor) => cursor.take(bytes));
    if (crc32(whole) !== 0) throw unsound('a checksum is wrong');
    try {
      return parse(new Cursor(whole.subarray(0, bytes - CHECKSUM_BYTES), 0));
    } catch (error) {
      if (error === NEED_MORE) throw unsound('a header ends too soon');
      throw error instanceof Unsound ? unsound(error.message) : error;
    }
  }

  async function skipChecked(bytes: number): Promise<void> {
    let crc = 0;
    await skip(bytes, (view) => {
      crc = crc32(view, crc);
    });
    if (crc !== 0) throw unsound('a checksum is wrong');
  }

  async function readHeaders(): Promise<{ main: MainHeader; headers: StreamHeader[] }> {
    const id = await parsed((cursor) => cursor.take(FILE_ID.length));
    if (!FILE_ID.equals(id)) throw unsound('it does not begin as NUT does');
    const first = await parsed(parsePacketStart);
    if (first.startcode !== STARTCODE.main) throw unsound('it does not begin with a main header');
    const main = await body(first.bytes, parseMainHeader);
    const headers: StreamHeader[] = [];
    for (let count = 0; count < main.streamCount; count++) {
      const packet = await parsed(parsePacketStart);
      if (packet.startcode !== STARTCODE.stream) throw unsound('a stream header is missing');
      const header = await body(packet.bytes, (cursor) => parseStreamHeader(cursor, main));
      if (headers[header.id] !== undefined) throw unsound(`a second header of stream ${header.id}`);
      headers[header.id] = header;
    }
    return { main, headers };
  }

  const { main, headers } = await readHeaders();
  const lastPts = headers.map(() => 0);
  /** No frame may precede the first syncpoint. */
  let synced = false;

  function parseSyncpoint(cursor: Cursor): void {
    const time = cursor.v64();
    cursor.v(); // distance to an earlier syncpoint
    const count = BigInt(main.timeBases.length);
    const index = Number(((time % count) + count) % count);
    const base = main.timeBases[index];
    if (base === undefined) throw new Unsound('a syncpoint in an unknown time base');
    const ticks = (time - BigInt(index)) / count;
    for (const [id, { stream }] of headers.entries()) {
      const up = ticks * BigInt(base.num) * BigInt(stream.timeBase.den);
      const down = BigInt(base.den) * BigInt(stream.timeBase.num);
      const floor = up / down - (up % down < 0n ? 1n : 0n);
      lastPts[id] = Number(floor);
    }
    synced = true;
  }

  async function packet(): Promise<void> {
    const { startcode, bytes } = await parsed(parsePacketStart);
    if (startcode === STARTCODE.syncpoint) await body(bytes, parseSyncpoint);
    else await skipChecked(bytes); // A repeated header, information, or the index.
  }

  function parsePts(cursor: Cursor, { ptsBits }: StreamHeader, last: number): number {
    const coded = cursor.v();
    const modulus = 2 ** ptsBits;
    if (coded >= modulus) return coded - modulus;
    const least = last - Math.floor((modulus - 1) / 2);
    return least + ((((coded - least) % modulus) + modulus) % modulus);
  }

  function parseFrame(cursor: Cursor): FrameHeader {
    const begin = cursor.at;
    const code = main.frameCodes[cursor.byte()];
    if (code === undefined || code.flags & FLAG.invalid) throw new Unsound('an invalid frame code');
    const flags = code.flags & FLAG.coded ? code.flags ^ cursor.v() : code.flags;
    const id = flags & FLAG.streamId ? cursor.v() : code.stream;
    const header = headers[id];
    const last = lastPts[id];
    if (header === undefined || last === undefined) throw new Unsound(`a frame of stream ${id}`);
    const pts = flags & FLAG.codedPts ? parsePts(cursor, header, last) : last + code.ptsDelta;
    const size = code.sizeLsb + (flags & FLAG.sizeMsb ? code.sizeMul * cursor.v() : 0);
    if (flags & FLAG.matchTime) cursor.v64();
    const headerIdx = flags & FLAG.headerIdx ? cursor.v() : code.headerIdx;
    const reserved = flags & FLAG.reserved ? cursor.v() : code.reserved;
    for (let i = 0; i < reserved; i++) cursor.v64();
    const elided = size > LONGEST_ELIDING_FRAME ? NOTHING : main.elided[headerIdx];
    if (elided === undefined || size < elided.length || size > MOST_FRAME_BYTES) {
      throw new Unsound(`a frame of ${size} bytes`);
    }
    if (!Number.isSafeInteger(pts) || pts < 0) throw new Unsound(`a frame at time ${pts}`);
    if (flags & FLAG.checksum) {
      cursor.take(CHECKSUM_BYTES);
      if (crc32(cursor.bytes.subarray(begin, cursor.at)) !== 0)
        throw new Unsound('a frame header checksum is wrong');
    } else if (size > 2 * main.maxDistance || Math.abs(pts - last) > header.maxPtsDistance) {
      throw new Unsound('a frame header lacks its checksum');
    }
    lastPts[id] = pts;
    const keyframe = (flags & FLAG.key) !== 0;
    return {
      stream: id,
      pts,
      keyframe,
      stored: size - elided.length,
      elided,
      sideData: (flags & FLAG.sideData) !== 0,
    };
  }

  /** Skips a frame's two blocks of side data, and gives their length. */
  function parseSideData(cursor: Cursor): number {
    const begin = cursor.at;
    for (let block = 0; block < 2; block++) {
      for (let count = cursor.v(); count > 0; count--) {
        if (cursor.at - begin > MOST_SIDE_DATA_BYTES) throw new Unsound('too much side data');
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
    if (bytes > MOST_SIDE_DATA_BYTES) throw new Unsound('too much side data');
    cursor.take(bytes);
  }

  return {
    streams: headers.map(({ stream }) => stream),

    async next() {
      await skip(left - prefix.length);
      left = 0;
      prefix = NOTHING;
      for (;;) {
        if (at === piece.length && !(await more())) return undefined;
        if (piece[at] === STARTCODE_BYTE) await packet();
        else break;
      }
      if (!synced) throw unsound('a frame before any syncpoint');
      const frame = await parsed(parseFrame);
      const side = frame.sideData ? await parsed(parseSideData) : 0;
      if (side > frame.stored) throw unsound('more side data than frame');
      prefix = frame.elided;
      left = frame.stored - side + prefix.length;
      return { stream: frame.stream, pts: frame.pts, keyframe: frame.keyframe, bytes: left };
    },

    async payload(into) {
      if (into.length !== left) throw new JobError('internal', `${left} bytes do not go into ${into.length}`);
      into.set(prefix);
      const buffered = piece.subarray(at, at + into.length - prefix.length);
      into.set(buffered, prefix.length);
      at += buffered.length;
      left = 0;
      // The rest goes straight to its place.
      for (let filled = prefix.length + buffered.length; filled < into.length; ) {
        const bytes = await source.read(into.subarray(filled));
        if (bytes === 0) throw unsound('it ends within a packet');
        filled += bytes;
        pieceStart += bytes;
      }
      prefix = NOTHING;
    },
  };
}
