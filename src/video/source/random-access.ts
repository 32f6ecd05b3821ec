/** Decides where decoding may begin, from the first packet there. Pure. */

/**
 * The ways in which a decoder can begin at a keyframe:
 * - `independent`: it decodes everything that comes after it in the stream.
 * - `recovery`: it decodes everything shown from the keyframe on; pictures that come after it in the stream
 *   but are shown before it (an open GOP's leading pictures) may refer to earlier ones.
 * - `none`: it is not known to do either.
 */
export type RandomAccess = 'independent' | 'recovery' | 'none';

export interface Keyframe {
  readonly access: RandomAccess;
  /** True if the packet holds the headers of the frames after it (parameter sets, sequence header). */
  readonly headers: boolean;
}

/** Codecs whose every keyframe is independent and needs no header but the stream's own. */
const INTRA: ReadonlySet<string> = new Set([
  'dnxhd',
  'dvvideo',
  'ffv1',
  'ffvhuff',
  'huffyuv',
  'mjpeg',
  'prores',
  'rawvideo',
  'utvideo',
  'v210',
]);
const NOTHING: Keyframe = { access: 'none', headers: false };
const STARTCODE = Buffer.from([0, 0, 1]);

/** Returns whether videos in this codec (ffmpeg's name) can be cut at all. */
export function canBeCut(codec: string): boolean {
  return INTRA.has(codec) || Object.hasOwn(READERS, codec);
}

/** Returns whether every packet of this codec is independent. */
export function isIntraOnly(codec: string): boolean {
  return INTRA.has(codec);
}

/**
 * Classifies a packet that the container marks as a keyframe, by its own bytes: decoding cannot begin safely
 * at all of them. `extradata` is the stream's, and says how H.264 and HEVC are packed (ISO/IEC 14496-15).
 */
export function keyframeOf(codec: string, extradata: Uint8Array, packet: Uint8Array): Keyframe {
  if (INTRA.has(codec)) return { access: 'independent', headers: false };
  return READERS[codec]?.(packet, extradata) ?? NOTHING;
}

/**
 * Returns whether a packet gives a frame. VP8 codes pictures that are only referred to as packets of their
 * own, which containers list like any other, at their own time. VP9 may, too, but its packets mostly hold the
 * next shown frame as well.
 */
export function isShown(codec: string, packet: Uint8Array): boolean {
  if (codec === 'vp8') return ((packet[0] ?? 0) & 0x10) !== 0;
  return codec !== 'vp9' || vp9Frames(packet).some(showsVp9);
}

/** Returns whether pictures that are not shown are usually packets of their own. */
export function hidesPackets(codec: string): boolean {
  return codec === 'vp8';
}

const READERS: Readonly<Record<string, (packet: Uint8Array, extradata: Uint8Array) => Keyframe>> = {
  h264: readH264,
  hevc: readHevc,
  mpeg1video: readMpeg12,
  mpeg2video: readMpeg12,
  mpeg4: readMpeg4,
  vp8: (packet) => ({ access: ((packet[0] ?? 1) & 1) === 0 ? 'independent' : 'none', headers: false }),
  vp9: readVp9,
  av1: readAv1,
};

/** ITU-T H.264, table 7-1: 5 is a slice of an IDR picture, 6 SEI, 7 a sequence parameter set. */
function readH264(packet: Uint8Array, extradata: Uint8Array): Keyframe {
  const lengthBytes = extradata[0] === 1 ? ((extradata[4] ?? 0) & 3) + 1 : undefined;
  let access: RandomAccess = 'none';
  let headers = false;
  for (const unit of nalUnits(packet, lengthBytes)) {
    const type = (unit[0] ?? 0) & 31;
    if (type === 5) access = 'independent';
    if (type === 6 && access === 'none' && recoversExactly(unit.subarray(1))) access = 'recovery';
    if (type === 7) headers = true;
  }
  return { access, headers };
}

/**
 * Returns whether an SEI unit holds a recovery point (H.264, D.1.8) from which every picture is right, at
 * once and exactly: recovery_frame_cnt 0 (coded `1`), exact_match_flag 1, broken_link_flag 0.
 */
function recoversExactly(sei: Uint8Array): boolean {
  const RECOVERY_POINT = 6;
  const bytes = withoutEmulation(sei);
  let at = 0;
  const number = (): number => {
    let value = 0;
    while (bytes[at] === 0xff) {
      value += 0xff;
      at += 1;
    }
    value += bytes[at] ?? 0;
    at += 1;
    return value;
  };
  while (at + 2 < bytes.length) {
    const type = number();
    const size = number();
    if (type === RECOVERY_POINT) return ((bytes[at] ?? 0) & 0b1110_0000) === 0b1100_0000;
    at += size;
  }
  return false;
}

/**
 * ITU-T H.265, table 7-1: 19 and 20 are slices of IDR pictures, 21 of a CRA picture, 33 a sequence parameter
 * set.
 */
function readHevc(packet: Uint8Array, extradata: Uint8Array): Keyframe {
  const [a = 0, b = 0, c = 0] = extradata;
  const packed = extradata.length > 22 && (a !== 0 || b !== 0 || c > 1);
  const lengthBytes = packed ? ((extradata[21] ?? 0) & 3) + 1 : undefined;
  let access: RandomAccess = 'none';
  let headers = false;
  for (const unit of nalUnits(packet, lengthBytes)) {
    const type = ((unit[0] ?? 0) >> 1) & 63;
    if (type === 19 || type === 20) access = 'independent';
    if (type === 21) access = 'recovery';
    if (type === 33) headers = true;
  }
  return { access, headers };
}

/**
 * The keyframe is an I picture; B pictures after it may be shown before it. 0xB3 begins a sequence header.
 */
function readMpeg12(packet: Uint8Array): Keyframe {
  return { access: 'recovery', headers: startcodes(packet).includes(0xb3) };
}

/** As MPEG-2; 0x20 to 0x2F begin a video object layer. */
function readMpeg4(packet: Uint8Array): Keyframe {
  return { access: 'recovery', headers: startcodes(packet).some((code) => code >> 4 === 2) };
}

/**
 * VP9's uncompressed header: marker `10`, two bits of profile (3 has one more), show_existing_frame 0,
 * frame_type 0.
 */
function readVp9(packet: Uint8Array): Keyframe {
  const first = packet[0] ?? 0;
  const key = (first & 0x30) === 0x30 ? (first & 0b1100_0110) === 0x80 : (first & 0b1100_1100) === 0x80;
  return { access: key ? 'independent' : 'none', headers: false };
}

/**
 * Returns whether a VP9 frame is shown: the uncompressed header continues with show_frame, and a frame that
 * shows an existing one counts.
 */
function showsVp9(frame: Uint8Array): boolean {
  const first = frame[0] ?? 0;
  return (first & 0x30) === 0x30 ? (first & 0b101) !== 0 : (first & 0b1010) !== 0;
}

/**
 * Returns the frames of a VP9 packet. The index at the end of a superframe holds their sizes (VP9
 * specification, annex B).
 */
function vp9Frames(packet: Uint8Array): readonly Uint8Array[] {
  const mark = packet.at(-1) ?? 0;
  const count = (mark & 7) + 1;
  const sizeBytes = ((mark >> 3) & 3) + 1;
  const index = packet.length - 2 - count * sizeBytes;
  if ((mark & 0xe0) !== 0xc0 || packet[index] !== mark) return [packet];
  const frames: Uint8Array[] = [];
  for (let place = 0, at = 0; place < count; place += 1) {
    const size = packet.subarray(index + 1 + place * sizeBytes).subarray(0, sizeBytes);
    const end = at + size.reduceRight((sum, byte) => sum * 256 + byte, 0);
    frames.push(packet.subarray(at, end));
    at = end;
  }
  return frames;
}

/**
 * AV1: the first frame header must be of a key frame that is shown at once (`0 00 1`). Unit type 1 is a
 * sequence header.
 */
function readAv1(packet: Uint8Array): Keyframe {
  let headers = false;
  for (let at = 0; at < packet.length; ) {
    const header = packet[at] ?? 0;
    at += (header & 4) === 0 ? 1 : 2;
    let size = 0;
    let shift = 0;
    for (; (header & 2) !== 0; shift += 7) {
      const byte = packet[at] ?? 0;
      at += 1;
      size += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    const type = (header >> 3) & 15;
    if (type === 1) headers = true;
    if (type === 3 || type === 6) {
      return { access: (packet[at] ?? 0) >> 4 === 1 ? 'independent' : 'none', headers };
    }
    if ((header & 2) === 0) break;
    at += size;
  }
  return { access: 'none', headers };
}

/**
 * Yields the NAL units of a packet: each after its length (`lengthBytes` long), or, if that is undefined,
 * after a start code.
 */
function* nalUnits(packet: Uint8Array, lengthBytes: number | undefined): Generator<Uint8Array> {
  const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  if (lengthBytes === undefined) {
    for (let at = bytes.indexOf(STARTCODE); at >= 0; ) {
      const next = bytes.indexOf(STARTCODE, at + 3);
      yield bytes.subarray(at + 3, next < 0 ? bytes.length : next);
      at = next;
    }
    return;
  }
  for (let at = 0; at + lengthBytes < bytes.length; ) {
    const length = bytes.readUIntBE(at, lengthBytes);
    at += lengthBytes;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** Returns the byte after each start code. */
function startcodes(packet: Uint8Array): readonly number[] {
  return [...nalUnits(packet, undefined)].map((unit) => unit[0] ?? 0);
}

/** Returns a unit's payload without the bytes (3 after two zeros) that keep start codes out of it. */
function withoutEmulation(unit: Uint8Array): Uint8Array {
  return unit.filter((byte, at) => !(byte === 3 && at >= 2 && unit[at - 1] === 0 && unit[at - 2] === 0));
}
