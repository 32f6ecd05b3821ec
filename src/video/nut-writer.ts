import { JobError } from '../errors.js';
import { crc32, FILE_ID, FLAG, type NutStream, putV, STARTCODE } from './nut-format.js';
import { type Rational, reduced } from './rational.js';

/** Writes one video stream of encoded packets as NUT. It gives bytes and does no I/O: feed them to `ffmpeg -f nut -i pipe:0`. */
export interface NutWriter {
  /** The bytes before the first packet. */
  readonly header: Uint8Array;
  /**
   * The bytes of one packet, to be written one after the other (the last is `data` itself, not a copy). Packets come
   * in decoding order; `pts` (ticks of the stream's time base, a whole number from 0 to 2^53 - 2^15) may go back and
   * forth. Errors: JobError('internal') for another `pts`.
   */
  packet(pts: number, keyframe: boolean, data: Uint8Array): readonly [Uint8Array, Uint8Array];
}

const VERSION = 3;
/** As FFmpeg's own writer: a reader loses no more than this much to damage. */
const MAX_DISTANCE = 32 * 1024 - 1;
const PTS_BITS = 14;
/** The one frame code in use: everything about a frame is spelled out after it. */
const FRAME_CODE = 1;
const FRAME_FLAGS = FLAG.codedPts | FLAG.sizeMsb | FLAG.checksum;
const LONGEST_FRAME_HEADER = 40;

/** A writer for the one video stream `stream`. Errors: JobError('internal') where the time base is not in lowest terms. */
export function createNutWriter(stream: NutStream): NutWriter {
  if (stream.kind !== 'video') throw new JobError('internal', `NUT writing is for video, not ${stream.kind}`);
  const { num, den } = stream.timeBase;
  if (reduced(stream.timeBase).num !== num)
    throw new JobError('internal', `time base ${num}/${den} is not reduced`);
  const header = Buffer.concat([
    FILE_ID,
    packetBytes(STARTCODE.main, mainHeader(stream.timeBase)),
    packetBytes(STARTCODE.stream, streamHeader(stream)),
  ]);
  let written = header.length;
  let syncpointAt: number | undefined;

  return {
    header,
    packet(pts, keyframe, data) {
      if (!Number.isInteger(pts) || pts < 0 || pts > Number.MAX_SAFE_INTEGER - 2 ** PTS_BITS) {
        throw new JobError('internal', `NUT cannot hold a packet at time ${pts}`);
      }
      const parts: Uint8Array[] = [];
      const reach = syncpointAt === undefined ? -1 : syncpointAt + MAX_DISTANCE;
      if (keyframe || written + LONGEST_FRAME_HEADER > reach) {
        // Readers find an earlier keyframe by the second number; nothing seeks in a pipe.
        parts.push(packetBytes(STARTCODE.syncpoint, [...putV(pts), ...putV(0)]));
        syncpointAt = written;
      }
      const coded = [FRAME_CODE, ...putV(FRAME_FLAGS | (keyframe ? FLAG.key : 0))];
      coded.push(...putV(pts + 2 ** PTS_BITS), ...putV(data.length));
      parts.push(withChecksum(coded));
      const front = Buffer.concat(parts);
      written += front.length + data.length;
      return [front, data];
    },
  };
}

function mainHeader(timeBase: Rational): number[] {
  const oneStream = 1;
  const oneTimeBase = 1;
  const body = [
    VERSION,
    oneStream,
    ...putV(MAX_DISTANCE),
    oneTimeBase,
    ...putV(timeBase.num),
    ...putV(timeBase.den),
  ];
  // Runs of frame codes: flags, how many fields follow, PTS delta, size factor, stream, size rest, reserved, count.
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
