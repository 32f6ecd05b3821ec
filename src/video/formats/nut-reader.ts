/** Reads NUT from a stream of bytes, packet by packet. */
import { JobError } from '../../system/errors.js';
import type { ByteSource } from './byte-source.js';
import { type NutBytes, nutBytes } from './nut-bytes.js';
import { FILE_ID, type NutPacketHeader, type NutStream, STARTCODE, STARTCODE_BYTE } from './nut-format.js';
import { type FrameParser, frameParser, parseSideData } from './nut-frames.js';
import { type MainHeader, parseMainHeader, parseStreamHeader, type StreamHeader } from './nut-headers.js';

/** A NUT stream being read. */
export interface NutReader {
  readonly streams: readonly NutStream[];
  /**
   * Reads the header of the next packet, and passes over what is left of the one before. Undefined at the
   * end.
   *
   * @throws {JobError} ffmpeg: when the bytes are not valid NUT or end within a packet.
   */
  next(): Promise<NutPacketHeader | undefined>;
  /**
   * Copies the payload of the packet that `next` gave last into `into`, which must be of exactly its `bytes`.
   */
  payload(into: Uint8Array): Promise<void>;
}

const NOTHING = new Uint8Array(0);

/**
 * Reads the headers of the NUT stream `source`, which errors call `name`.
 *
 * @throws {JobError} ffmpeg: when it is not valid NUT or ends too soon.
 */
export async function openNutReader(source: ByteSource, name: string): Promise<NutReader> {
  const bytes = nutBytes(source, name);
  const { main, headers } = await readHeaders(bytes);
  const frames = frameParser(main, headers);
  /** Bytes of the current packet that have not been read, beginning with `prefix`. */
  let left = 0;
  let prefix: Uint8Array = NOTHING;

  return {
    streams: headers.map(({ stream }) => stream),

    async next() {
      await bytes.skip(left - prefix.length);
      left = 0;
      prefix = NOTHING;
      for (let byte = await bytes.peek(); byte !== undefined; byte = await bytes.peek()) {
        if (byte === STARTCODE_BYTE) {
          await readPacket(bytes, frames);
          continue;
        }
        if (!frames.synced) throw bytes.corrupt('a frame before any syncpoint');
        const { stream, pts, keyframe, stored, elided, sideData } = await bytes.parse(frames.frame);
        const side = sideData ? await bytes.parse(parseSideData) : 0;
        if (side > stored) throw bytes.corrupt('more side data than frame');
        prefix = elided;
        left = stored - side + prefix.length;
        return { stream, pts, keyframe, bytes: left };
      }
      return undefined;
    },

    async payload(into) {
      if (into.length !== left) throw new JobError('internal', `${left} bytes do not go into ${into.length}`);
      into.set(prefix);
      const rest = into.subarray(prefix.length);
      left = 0;
      prefix = NOTHING;
      await bytes.copy(rest);
    },
  };
}

async function readHeaders(bytes: NutBytes): Promise<{ main: MainHeader; headers: StreamHeader[] }> {
  const id = await bytes.parse((cursor) => cursor.take(FILE_ID.length));
  if (!FILE_ID.equals(id)) throw bytes.corrupt('it does not begin as NUT does');
  const first = await bytes.packetStart();
  if (first.startcode !== STARTCODE.main) throw bytes.corrupt('it does not begin with a main header');
  const main = await bytes.body(first.bytes, parseMainHeader);
  const headers: StreamHeader[] = [];
  for (let count = 0; count < main.streamCount; count++) {
    const packet = await bytes.packetStart();
    if (packet.startcode !== STARTCODE.stream) throw bytes.corrupt('a stream header is missing');
    const header = await bytes.body(packet.bytes, (cursor) => parseStreamHeader(cursor, main));
    if (headers[header.id] !== undefined) throw bytes.corrupt(`a second header of stream ${header.id}`);
    headers[header.id] = header;
  }
  return { main, headers };
}

/**
 * Reads a packet that is not a frame. Only syncpoints matter: others are repeated headers, information, the
 * index.
 */
async function readPacket(bytes: NutBytes, frames: FrameParser): Promise<void> {
  const start = await bytes.packetStart();
  if (start.startcode === STARTCODE.syncpoint) await bytes.body(start.bytes, frames.syncpoint);
  else await bytes.skipBody(start.bytes);
}
