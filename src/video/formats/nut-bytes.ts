/** The bytes of a NUT stream, read ahead into a buffer and parsed from it. */
import { JobError } from '../../system/errors.js';
import type { ByteSource } from './byte-source.js';
import { CHECKED_HEADER_BYTES, CorruptNut, Cursor, crc32, NEED_MORE, STARTCODE } from './nut-format.js';

/** Bytes of a checksum. */
export const CHECKSUM_BYTES = 4;

/** Reads a NUT stream from its beginning. All methods throw `corrupt()` when the bytes are not valid NUT. */
export interface NutBytes {
  /** Returns the error that says what is wrong, and about where. */
  corrupt(why: string): JobError;
  /** Returns the next byte without passing it; undefined at the end of the stream. */
  peek(): Promise<number | undefined>;
  /** Parses a value from the next bytes, and reads as many as it needs. */
  parse<T>(parser: (cursor: Cursor) => T): Promise<T>;
  /** Reads the start of a packet that is not a frame. */
  packetStart(): Promise<PacketStart>;
  /** Parses the body of such a packet, once its checksum is right. */
  body<T>(bytes: number, parser: (cursor: Cursor) => T): Promise<T>;
  /** Passes over bytes. */
  skip(bytes: number): Promise<void>;
  /** Passes over the body of such a packet, and checks its checksum. */
  skipBody(bytes: number): Promise<void>;
  /** Fills `into`. What is not in the buffer yet goes straight there. */
  copy(into: Uint8Array): Promise<void>;
}

/** The start of a packet: its startcode, and the length of the body after it, checksum included. */
export interface PacketStart {
  readonly startcode: bigint;
  readonly bytes: number;
}

const STARTCODES: ReadonlySet<bigint> = new Set(Object.values(STARTCODE));
/** The largest header that is believed: extradata of real codecs takes a few KiB. */
const MOST_HEADER_BYTES = 2 ** 20;
const BUFFER_BYTES = 256 * 2 ** 10;

/** Reads the NUT stream `source`, which errors call `name`. */
export function nutBytes(source: ByteSource, name: string): NutBytes {
  let buffer = new Uint8Array(BUFFER_BYTES);
  /**
   * The filled part of the buffer, how much of it has been read, and the place of its first byte in the
   * stream.
   */
  let piece = buffer.subarray(0, 0);
  let at = 0;
  let pieceStart = 0;

  function corrupt(why: string): JobError {
    return new JobError('ffmpeg', `${name} is damaged: ${why} (near byte ${pieceStart + at})`);
  }

  /** Fills the buffer behind what has not been read. Returns false at the end of the stream. */
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

  async function parse<T>(parser: (cursor: Cursor) => T): Promise<T> {
    for (;;) {
      const cursor = new Cursor(piece, at);
      try {
        const value = parser(cursor);
        at = cursor.at;
        return value;
      } catch (error) {
        if (error instanceof CorruptNut) throw corrupt(error.message);
        if (error !== NEED_MORE) throw error;
      }
      if (!(await more())) throw corrupt('it ends too soon');
    }
  }

  async function pass(bytes: number, onPiece?: (view: Uint8Array) => void): Promise<void> {
    for (let rest = bytes; rest > 0; ) {
      if (at === piece.length && !(await more())) throw corrupt('it ends within a packet');
      const taken = Math.min(rest, piece.length - at);
      onPiece?.(piece.subarray(at, at + taken));
      at += taken;
      rest -= taken;
    }
  }

  return {
    corrupt,
    parse,
    packetStart: () => parse(parsePacketStart),
    skip: (bytes) => pass(bytes),

    async peek() {
      return at === piece.length && !(await more()) ? undefined : piece[at];
    },

    async body(bytes, parser) {
      if (bytes > MOST_HEADER_BYTES) throw corrupt(`a header of ${bytes} bytes`);
      const whole = await parse((cursor) => cursor.take(bytes));
      if (crc32(whole) !== 0) throw corrupt('a checksum is wrong');
      try {
        return parser(new Cursor(whole.subarray(0, bytes - CHECKSUM_BYTES), 0));
      } catch (error) {
        if (error === NEED_MORE) throw corrupt('a header ends too soon');
        throw error instanceof CorruptNut ? corrupt(error.message) : error;
      }
    },

    async skipBody(bytes) {
      let crc = 0;
      await pass(bytes, (view) => {
        crc = crc32(view, crc);
      });
      if (crc !== 0) throw corrupt('a checksum is wrong');
    },

    async copy(into) {
      const buffered = piece.subarray(at, at + into.length);
      into.set(buffered);
      at += buffered.length;
      for (let filled = buffered.length; filled < into.length; ) {
        const bytes = await source.read(into.subarray(filled));
        if (bytes === 0) throw corrupt('it ends within a packet');
        filled += bytes;
        pieceStart += bytes;
      }
    },
  };
}

function parsePacketStart(cursor: Cursor): PacketStart {
  const begin = cursor.at;
  const startcode = cursor.u64();
  if (!STARTCODES.has(startcode)) throw new CorruptNut('an unknown packet');
  const bytes = cursor.v();
  if (bytes < CHECKSUM_BYTES) throw new CorruptNut('a packet without a checksum');
  if (bytes > CHECKED_HEADER_BYTES) {
    cursor.take(CHECKSUM_BYTES);
    if (crc32(cursor.bytes.subarray(begin, cursor.at)) !== 0)
      throw new CorruptNut('a packet header checksum is wrong');
  }
  return { startcode, bytes };
}
