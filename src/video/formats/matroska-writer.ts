/**
 * Writes one video stream of encoded packets as Matroska, for codecs whose packets do not hold colour tags:
 * NUT does not either. It returns bytes and does no I/O. Source of identifiers and numbers: RFC 9559; of
 * colours: ITU-T H.273.
 */

import { type ColourTags, MATRICES, PRIMARIES, TRANSFERS } from './colour-names.js';
import type { HdrMetadata } from './hdr-metadata.js';
import type { NutStream } from './nut.js';
import { type Rational, reduced } from './rational.js';

/** The time base of what `createMatroskaWriter` writes. */
export const MATROSKA_TIME_BASE: Rational = { num: 1, den: 1_000_000_000 };

/** The interface of both containers' writers. */
export interface PacketWriter {
  /** The bytes before the first packet. */
  readonly header: Uint8Array;
  /**
   * Returns the bytes of one packet, in decoding order. Times and durations are in the stream's ticks;
   * `addition` becomes a block addition.
   */
  packet(
    pts: number,
    keyframe: boolean,
    data: Uint8Array,
    duration: number,
    addition?: Uint8Array,
  ): readonly Uint8Array[];
}

const PRORES = 'V_PRORES';
const FOURCC = 'V_MS/VFW/FOURCC';
const CODECS: Readonly<Record<string, string>> = {
  ...{ FFV1: 'V_FFV1', VP90: 'V_VP9', AVdh: FOURCC },
  // One per profile.
  ...{ apco: PRORES, apcs: PRORES, apcn: PRORES, apch: PRORES, ap4h: PRORES, ap4x: PRORES },
};
/** Bytes at the beginning of each ProRes frame that Matroska leaves out: its size and `icpf`. */
const PRORES_HEADER_BYTES = 8;

/** Chroma locations, across and down: 1 is at the first luma sample, 2 is half way to the next. */
const CHROMA_SITES: Readonly<Record<string, readonly [number, number]>> = {
  left: [1, 2],
  center: [2, 2],
  topleft: [1, 1],
  top: [2, 1],
};
const UNKNOWN_SIZE = Buffer.from('01ffffffffffffff', 'hex');
const DISPLAY_ASPECT_RATIO = 3;

/**
 * Returns whether streams with this codec tag need this writer. None of them has B-frames: packets come in
 * presentation order.
 */
export function needsMatroska(fourcc: string): boolean {
  return Object.hasOwn(CODECS, fourcc);
}

/**
 * Returns a writer for the video stream `stream`, whose codec tag `needsMatroska`, tagged with `tags` and
 * `hdr`. Its ticks are `MATROSKA_TIME_BASE`.
 */
export function createMatroskaWriter(
  stream: NutStream,
  tags: ColourTags,
  hdr: HdrMetadata = {},
): PacketWriter {
  const codec = CODECS[stream.fourcc] ?? '';
  const codecPrivate = privateOf(codec, stream);
  const skipped = codec === PRORES ? PRORES_HEADER_BYTES : 0;
  const aspect = stream.sampleAspectRatio ?? { num: 1, den: 1 };
  const display = reduced({ num: stream.width * aspect.num, den: stream.height * aspect.den });
  const video = element('e0', [
    number('b0', stream.width),
    number('ba', stream.height),
    number('54b2', DISPLAY_ASPECT_RATIO),
    number('54b0', display.num),
    number('54ba', display.den),
    element('55b0', [...colour(tags), ...lightOf(hdr)]),
  ]);
  const track = element('ae', [
    number('d7', 1),
    number('73c5', 1),
    number('83', 1),
    number('9c', 0),
    element('86', [Buffer.from(codec, 'latin1')]),
    ...(codecPrivate.length === 0 ? [] : [element('63a2', [codecPrivate])]),
    video,
  ]);
  const header = Buffer.concat([
    element('1a45dfa3', [element('4282', [Buffer.from('matroska')]), number('4287', 4), number('4285', 2)]),
    Buffer.from('18538067', 'hex'),
    UNKNOWN_SIZE,
    // One nanosecond per tick.
    element('1549a966', [number('2ad7b1', 1)]),
    element('1654ae6b', [track]),
  ]);
  return {
    header,
    packet(pts, keyframe, packet, duration, addition) {
      const data = packet.subarray(skipped);
      // Track 1, at the cluster's own time, no flags.
      const block = Buffer.from([0x81, 0, 0, 0]);
      const blockHead = Buffer.concat([Buffer.from('a1', 'hex'), size(block.length + data.length), block]);
      const more =
        addition === undefined ? [] : [element('75a1', [element('a6', [element('a5', [addition])])])];
      const after = Buffer.concat([
        number('9b', duration),
        ...more,
        ...(keyframe ? [] : [number('fb', 0xff)]),
      ]);
      const groupBytes = blockHead.length + data.length + after.length;
      const group = Buffer.concat([Buffer.from('a0', 'hex'), size(groupBytes)]);
      const time = number('e7', pts);
      const cluster = Buffer.concat([
        Buffer.from('1f43b675', 'hex'),
        size(time.length + group.length + groupBytes),
        time,
        group,
        blockHead,
      ]);
      return [cluster, data, after];
    },
  };
}

/** Returns the codec's private data in Matroska. */
function privateOf(codec: string, { fourcc, width, height, extradata }: NutStream): Uint8Array {
  if (codec === PRORES) return Buffer.from(fourcc, 'latin1');
  if (codec !== FOURCC) return extradata;
  // BITMAPINFOHEADER (Microsoft, wingdi.h): size, width, height, planes, bits per pixel, compression, bytes
  // per frame.
  const header = Buffer.alloc(40);
  header.writeUInt32LE(header.length, 0);
  header.writeInt32LE(width, 4);
  header.writeInt32LE(height, 8);
  header.writeUInt16LE(1, 12);
  header.writeUInt16LE(24, 14);
  header.write(fourcc, 16, 'latin1');
  header.writeUInt32LE(width * height * 3, 20);
  return header;
}

function colour(tags: ColourTags): readonly Uint8Array[] {
  const coded = (id: string, names: readonly string[], name: string | undefined) => {
    const value = name === undefined || name === '' ? -1 : names.indexOf(name);
    return value < 0 ? [] : [number(id, value)];
  };
  const site = CHROMA_SITES[tags.chromaLocation ?? ''];
  return [
    ...coded('55b1', MATRICES, tags.matrix),
    ...coded('55bb', PRIMARIES, tags.primaries),
    ...coded('55ba', TRANSFERS, tags.transfer),
    number('55b9', tags.range === 'full' ? 2 : 1),
    ...(site === undefined ? [] : [number('55b7', site[0]), number('55b8', site[1])]),
  ];
}

/** Returns the elements of static HDR metadata. */
function lightOf({ mastering, light }: HdrMetadata): readonly Uint8Array[] {
  const levels = light === undefined ? [] : [number('55bc', light.content), number('55bd', light.average)];
  if (mastering === undefined) return levels;
  const { red, green, blue, white, most, least } = mastering;
  const values = [...red, ...green, ...blue, ...white, most, least];
  return [
    ...levels,
    element(
      '55d0',
      values.map((value, at) => float((0x55d1 + at).toString(16), value)),
    ),
  ];
}

function float(id: string, value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return element(id, [bytes]);
}

/** Returns an element with an unsigned integer, or with a signed one of one byte. */
function number(id: string, value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  const first = bytes.findIndex((byte) => byte !== 0);
  return element(id, [bytes.subarray(first < 0 ? 7 : first)]);
}

function element(id: string, children: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(children);
  return Buffer.concat([Buffer.from(id, 'hex'), size(body.length), body]);
}

/** Returns a size in eight bytes. */
function size(bytes: number): Buffer {
  const coded = Buffer.alloc(8);
  coded.writeBigUInt64BE(BigInt(bytes) | (1n << 56n));
  return coded;
}
