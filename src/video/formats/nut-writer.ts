import { JobError } from '../../system/errors.js';
import { crc32, FILE_ID, FLAG, type NutStream, putV, STARTCODE } from './nut-format.js';
import { type Rational, reduced } from './rational.js';

/**
 * Writes one video stream of encoded packets as NUT. It returns bytes and does no I/O: feed them to `ffmpeg
 * -f nut -i pipe:0`.
 */
export interface NutWriter {
  /** The bytes before the first packet. */
  readonly header: Uint8Array;
  /**
   * Returns the bytes of one packet, to be written one after the other (the last is `data` itself, not a
   * copy). Packets come in decoding order; `pts` (ticks of the stream's time base, a whole number from 0 to
   * 2^53 - 2^15) may go back and forth. `addition` goes with the packet as Matroska's additional data of a
   * block.
   *
   * @throws {JobError} internal: when `pts` is another number, or an addition comes in a stream opened
   *   without any.
   */
  packet(
    pts: number,
    keyframe: boolean,
    data: Uint8Array,
    addition?: Uint8Array,
  ): readonly [Uint8Array, Uint8Array];
}

/** The versions of the format. The second has side data, and a minor version. */
const VERSION = [3];
const VERSION_WITH_SIDE_DATA = [4, 0];
/** FFmpeg's name for the content of Matroska's block additions, with its identifier there. */
const ADDITION = 'CodecSpecificSide1';
/** As in FFmpeg's own writer: a reader loses no more than this to damage. */
const MAX_DISTANCE = 32 * 1024 - 1;
const PTS_BITS = 14;
/** The only frame code in use: every field of a frame follows it. */
const FRAME_CODE = 1;
const FRAME_FLAGS = FLAG.codedPts | FLAG.sizeMsb | FLAG.checksum;
const LONGEST_FRAME_HEADER = 40;

/**
 * Returns a writer for the video stream `stream`. With `additions`, packets may have them.
 *
 * @throws {JobError} internal: when the time base is not in lowest terms.
 */
export function createNutWriter(stream: NutStream, additions = false): NutWriter {
  if (stream.kind !== 'video') throw new JobError('internal', `NUT writing is for video, not ${stream.kind}`);
  const { num, den } = stream.timeBase;
  if (reduced(stream.timeBase).num !== num)
    throw new JobError('internal', `time base ${num}/${den} is not reduced`);
  const header = Buffer.concat([
    FILE_ID,
    packetBytes(STARTCODE.main, mainHeader(stream.timeBase, additions)),
    packetBytes(STARTCODE.stream, streamHeader(stream)),
  ]);
  let written = header.length;
  let syncpointAt: number | undefined;

  return {
    header,
    packet(pts, keyframe, data, addition) {
      if (!Number.isInteger(pts) || pts < 0 || pts > Number.MAX_SAFE_INTEGER - 2 ** PTS_BITS) {
        throw new JobError('internal', `NUT cannot hold a packet at time ${pts}`);
      }
      if (addition !== undefined && !additions) {
        throw new JobError('internal', 'this NUT stream was begun for packets without additions');
      }
      const parts: Uint8Array[] = [];
      const side = addition === undefined ? [] : sideData(addition);
      const reach = syncpointAt === undefined ? -1 : syncpointAt + MAX_DISTANCE;
      if (keyframe || written + LONGEST_FRAME_HEADER > reach) {
        // Readers find an earlier keyframe by the second number; nothing seeks in a pipe.
        parts.push(packetBytes(STARTCODE.syncpoint, [...putV(pts), ...putV(0)]));
        syncpointAt = written;
      }
      const flags = FRAME_FLAGS | (keyframe ? FLAG.key : 0) | (side.length > 0 ? FLAG.sideData : 0);
      const coded = [FRAME_CODE, ...putV(flags)];
      coded.push(...putV(pts + 2 ** PTS_BITS), ...putV(side.length + data.length));
      parts.push(withChecksum(coded), Uint8Array.from(side));
      const front = Buffer.concat(parts);
      written += front.length + data.length;
      return [front, data];
    },
  };
}

/** Returns the side data of a packet: one entry, and no metadata. */
function sideData(addition: Uint8Array): number[] {
  const name = Buffer.from(ADDITION, 'latin1');
  const type = Buffer.from('bin', 'latin1');
  const ofType = 4; // -2 as a signed number
  const body = [ofType, ...putV(type.length), ...type, ...putV(addition.length), ...addition];
  return [1, ...putV(name.length), ...name, ...body, 0];
}

function mainHeader(timeBase: Rational, additions: boolean): number[] {
  const oneStream = 1;
  const oneTimeBase = 1;
  const body = [
    ...(additions ? VERSION_WITH_SIDE_DATA : VERSION),
    oneStream,
    ...putV(MAX_DISTANCE),
    oneTimeBase,
    ...putV(timeBase.num),
    ...putV(timeBase.den),
  ];
  // Runs of frame codes: flags, how many fields follow, PTS delta, size factor, stream, size rest, reserved,
  // count.
  body.push(...putV(FLAG.invalid), 6, 0, 1, 0, 0, 0, 1);
  body.push(...putV(FLAG.coded), 6, 0, 1, 0, 0, 0, 1);
  body.push(...putV(FLAG.invalid), 6, 0, 1, 0, 0, 0, ...putV(256 - 3)); // 'N' does not count.
  const elidedHeaders = 0;
  body.push(elidedHeaders);
  return body;
}

function streamHeader(stream: NutStream): number[] {
  const { num, den } = stream.timeBase;
  const aspect = stream.sampleAspectRatio ?? { num: 0, den: 0 };
  const tag = Buffer.from(stream.fourcc, 'latin1');
  const [id, video, timeBaseId, flags, colourSpace] = [0, 0, 0, 0, 0];
  const maxPtsDistance = Math.max(1, Math.floor(den / num));
  const body = [id, video, tag.length, ...tag, timeBaseId, PTS_BITS, ...putV(maxPtsDistance)];
  body.push(...putV(stream.decodeDelay), flags, ...putV(stream.extradata.length), ...stream.extradata);
  body.push(
    ...putV(stream.width),
    ...putV(stream.height),
    ...putV(aspect.num),
    ...putV(aspect.den),
    colourSpace,
  );
  return body;
}

function packetBytes(startcode: bigint, content: readonly number[]): Uint8Array {
  const body = withChecksum(content);
  const start = Buffer.alloc(8);
  start.writeBigUInt64BE(startcode);
  const length = putV(body.length);
  const head =
    body.length > 4096 ? withChecksum([...start, ...length]) : Uint8Array.from([...start, ...length]);
  return Buffer.concat([head, body]);
}

function withChecksum(bytes: readonly number[]): Uint8Array {
  const checked = Buffer.alloc(bytes.length + 4);
  checked.set(bytes);
  checked.writeInt32BE(crc32(checked.subarray(0, bytes.length)), bytes.length);
  return checked;
}
