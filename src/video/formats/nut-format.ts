/**
 * The NUT container as FFmpeg writes and reads it: constants, types and the byte-level codes.
 *
 * Source: FFmpeg's `libavformat/nut.h`, `nutenc.c` and `nutdec.c` (the behaviour, versions 3 and 4 of the
 * format) and the NUT specification they implement.
 */
import type { Rational } from './rational.js';

/** The facts in a NUT stream header. Audio streams have `width` and `height` 0. */
export interface NutStream {
  readonly kind: 'video' | 'audio' | 'subtitle' | 'data';
  /** The codec tag: two or four bytes, e.g. `H264`, as Latin-1 text. */
  readonly fourcc: string;
  /** Seconds per tick. FFmpeg's muxer may choose a finer one than it was asked for: see `rescaleExact`. */
  readonly timeBase: Rational;
  readonly width: number;
  readonly height: number;
  /** Undefined if unknown. */
  readonly sampleAspectRatio: Rational | undefined;
  readonly extradata: Uint8Array;
  /** Frames by which decoding order may lag presentation order (B-frames): FFmpeg's `video_delay`. */
  readonly decodeDelay: number;
}

/** One packet's header. `bytes` is the payload's length, elided header bytes included. */
export interface NutPacketHeader {
  /** Index into the file's streams. */
  readonly stream: number;
  /** Ticks of the stream's time base. */
  readonly pts: number;
  readonly keyframe: boolean;
  readonly bytes: number;
}

/** One packet, its payload read. */
export interface NutPacket extends NutPacketHeader {
  readonly data: Uint8Array;
}

/** The beginning of a NUT file (`ID_STRING` and its zero byte). */
export const FILE_ID = Buffer.from('nut/multimedia container\0', 'latin1');

/** The eight-byte marks that packets other than frames begin with. */
export const STARTCODE = {
  main: 0x4e4d7a561f5f04adn,
  stream: 0x4e5311405bf2f9dbn,
  syncpoint: 0x4e4be4adeeca4569n,
  index: 0x4e58dd672f23e64en,
  info: 0x4e49ab68b596ba78n,
} as const;

/** The first byte of every startcode, which is therefore no frame code. */
export const STARTCODE_BYTE = 0x4e;

/** Frame flags (nut.h's `Flag`). */
export const FLAG = {
  key: 1,
  codedPts: 8,
  streamId: 16,
  sizeMsb: 32,
  checksum: 64,
  reserved: 128,
  sideData: 256,
  headerIdx: 1024,
  matchTime: 2048,
  coded: 4096,
  invalid: 8192,
} as const;

/** Packets with a longer body carry a checksum of their header too. */
export const CHECKED_HEADER_BYTES = 4096;
/** Frames longer than this have no elided header. */
export const LONGEST_ELIDING_FRAME = 4096;
/** The most bits of an abbreviated PTS. */
export const MOST_PTS_BITS = 15;

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});

/**
 * NUT's checksum: CRC-32 with polynomial 0x04C11DB7, most significant bit first, starting from `crc`, not
 * inverted. Stored big-endian after the data, so that the checksum of both is 0.
 */
export function crc32(data: Uint8Array, crc = 0): number {
  let value = crc;
  for (const byte of data) value = (value << 8) ^ (CRC_TABLE[(value >>> 24) ^ byte] ?? 0);
  return value;
}

/** Thrown by `Cursor` when the bytes end before the value does. */
export const NEED_MORE: unique symbol = Symbol('the bytes end here');

/** Thrown for a value that no valid NUT file has. The message says which. */
export class CorruptNut extends Error {}

/** Reads NUT's codes from bytes in memory, and moves on. */
export class Cursor {
  constructor(
    readonly bytes: Uint8Array,
    /** Index of the next byte. */
    public at: number,
  ) {}

  byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw NEED_MORE;
    this.at += 1;
    return byte;
  }

  /** Returns the next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    if (this.bytes.length - this.at < length) throw NEED_MORE;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  u64(): bigint {
    const { buffer, byteOffset } = this.take(8);
    return new DataView(buffer, byteOffset, 8).getBigUint64(0);
  }

  /** Reads an unsigned number of variable length (`v`), seven bits per byte, at most 2^53 - 1. */
  v(): number {
    let value = 0;
    for (let length = 1; length <= 10; length++) {
      const byte = this.byte();
      value = value * 128 + (byte & 127);
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 128) return value;
    }
    throw new CorruptNut('a number is too large');
  }

  /** Reads a `v` of 64 bits as two's complement: FFmpeg writes times before zero so. */
  v64(): bigint {
    let value = 0n;
    for (let length = 1; length <= 10; length++) {
      const byte = this.byte();
      value = (value << 7n) | BigInt(byte & 127);
      if (byte < 128) return BigInt.asIntN(64, value);
    }
    throw new CorruptNut('a number is too large');
  }

  /** Reads a signed number of variable length (`s`). */
  s(): number {
    const value = this.v() + 1;
    return value % 2 === 1 ? -(value - 1) / 2 : value / 2;
  }
}

/** Returns `value` (a whole number from 0 to 2^53 - 1) as a `v`. */
export function putV(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128))
    bytes.unshift((rest % 128) + 128);
  return bytes;
}
