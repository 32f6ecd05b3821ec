/** Identifies a packet of compressed video, whatever container it is in. */
import { crc32 } from 'node:zlib';
import type { NutStream } from '../formats/nut.js';

/**
 * Returns a number for a packet's image data: the same in every container, and another (but for one in 2^32)
 * after any change of it.
 */
export type PacketDigest = (data: Uint8Array) => number;

const START = Buffer.from([0, 0, 1]);
/** Open bitstream units of AV1 that hold image data: frame headers, tile groups, frames. */
const AV1_PICTURES: readonly number[] = [3, 4, 6];

/**
 * The shortest avcC or hvcC for units with lengths of four bytes before them, as ffmpeg's muxers write them.
 */
const WITH_LENGTHS = Uint8Array.of(1);

/**
 * Returns the digest for packets of `stream`, or for the same packets in a container's file. Containers
 * rewrite what surrounds the image data (start codes or lengths, parameter sets, delimiters). So only the
 * units with image data count if a codec has units, and every byte otherwise.
 */
export function packetDigest(
  { fourcc, extradata: own }: Pick<NutStream, 'fourcc' | 'extradata'>,
  where: 'as they are' | 'in a file' = 'as they are',
): PacketDigest {
  const extradata = where === 'as they are' ? own : WITH_LENGTHS;
  switch (fourcc.toLowerCase()) {
    case 'h264':
    case 'avc1':
      return (data) =>
        digestOf(unitsOf(data, lengthBytes(extradata, 4)), (unit) => isWithin((unit[0] ?? 0) & 0x1f, 1, 5));
    case 'hevc':
    case 'hev1':
    case 'hvc1':
      return (data) =>
        digestOf(unitsOf(data, lengthBytes(extradata, 21)), (unit) =>
          isWithin(((unit[0] ?? 0) >> 1) & 0x3f, 0, 31),
        );
    case 'av01':
      return (data) => digestOf(bitstreamUnits(data), () => true);
    default:
      return (data) => crc32(data);
  }
}

function isWithin(value: number, from: number, to: number): boolean {
  return value >= from && value <= to;
}

function digestOf(units: Iterable<Uint8Array>, counts: (unit: Uint8Array) => boolean): number {
  let digest = 0;
  for (const unit of units) if (counts(unit)) digest = crc32(unit, digest);
  return digest;
}

/**
 * Returns the bytes of the lengths before units, from `place` in avcC or hvcC; undefined if start codes stand
 * there.
 */
function lengthBytes(extradata: Uint8Array, place: number): number | undefined {
  return extradata[0] === 1 ? ((extradata[place] ?? 3) & 3) + 1 : undefined;
}

/**
 * Yields the NAL units of a packet, without the zeros that may follow one. `lengths` is the number of bytes
 * of the length before each; undefined if start codes stand there.
 */
export function* unitsOf(packet: Uint8Array, lengths: number | undefined): Generator<Uint8Array> {
  const data = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  if (lengths !== undefined) {
    for (let at = 0; at + lengths <= data.length; ) {
      const begin = at + lengths;
      at = begin + data.readUIntBE(at, lengths);
      yield trimmed(data.subarray(begin, at));
    }
    return;
  }
  for (let at = data.indexOf(START); at >= 0; ) {
    const begin = at + START.length;
    at = data.indexOf(START, begin);
    yield trimmed(data.subarray(begin, at < 0 ? data.length : at));
  }
}

function trimmed(unit: Uint8Array): Uint8Array {
  let end = unit.length;
  while (end > 0 && unit[end - 1] === 0) end -= 1;
  return unit.subarray(0, end);
}

/**
 * Yields the payloads of AV1's units that hold image data, in the form that containers use: every unit has a
 * size, except perhaps the last.
 */
function* bitstreamUnits(data: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < data.length; ) {
    const header = data[at] ?? 0;
    at += header & 4 ? 2 : 1;
    let size = data.length - at;
    if (header & 2) {
      size = 0;
      for (let shift = 0; shift < 56; shift += 7) {
        const byte = data[at] ?? 0;
        at += 1;
        size += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) break;
      }
    }
    if (AV1_PICTURES.includes((header >> 3) & 15)) yield data.subarray(at, at + size);
    at += size;
  }
}
