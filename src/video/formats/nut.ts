/**
 * The NUT container. Raw frames leave ffmpeg in it, and encoded packets enter it, each with its exact PTS.
 * This file reads whole files; nut-reader.ts reads streams, and nut-writer.ts writes.
 */
import { JobError, messageOf } from '../../system/errors.js';
import { fileSource } from './byte-source.js';
import type { NutPacket, NutStream } from './nut-format.js';
import { openNutReader } from './nut-reader.js';
import { type Rational, reduced, rescaleExact } from './rational.js';

export type { NutPacket, NutPacketHeader, NutStream } from './nut-format.js';
export { type NutReader, openNutReader } from './nut-reader.js';
export { createNutWriter, type NutWriter } from './nut-writer.js';

/**
 * A NUT file on disk. Disposing of it closes the file. Idempotent; `packets` does it, too, when it ends or is
 * left.
 */
export interface NutFile extends AsyncDisposable {
  readonly streams: readonly NutStream[];
  /**
   * Yields the packets in file (decoding) order, once. Each has a fresh `data`; memory is bounded by the
   * largest packet.
   *
   * @throws {JobError} ffmpeg: when the file is damaged or ends within a packet; the message names the file.
   */
  packets(): AsyncGenerator<NutPacket, void, undefined>;
}

/**
 * Opens the NUT file at `path` and reads its headers.
 *
 * @throws {JobError} ffmpeg: when that fails; the message names the file.
 */
export async function openNutFile(path: string): Promise<NutFile> {
  const source = await fileSource(path).catch((error: unknown) => {
    throw new JobError('ffmpeg', `"${path}" cannot be read: ${messageOf(error)}`, { cause: error });
  });
  try {
    const reader = await openNutReader(source, `"${path}"`);
    return {
      streams: reader.streams,
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
      async *packets() {
        await using _ = source;
        for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
          if (header.bytes > source.bytes) {
            throw new JobError('ffmpeg', `"${path}" is damaged: a packet is longer than the file`);
          }
          const data = new Uint8Array(header.bytes);
          await reader.payload(data);
          yield { ...header, data };
        }
      },
    };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Checks that the NUT file at `path` is whole: one video stream that begins with a keyframe and has one
 * packet for each of `frames` frames at a constant `rate`, the first at 0.
 *
 * @throws {JobError} ffmpeg: when it is not; the message names the file.
 */
export async function checkSegment(path: string, frames: number, rate: Rational): Promise<void> {
  await using source = await fileSource(path);
  const reader = await openNutReader(source, `"${path}"`);
  const timeBase = reader.streams[0]?.timeBase ?? rate;
  const interval = rescaleExact(1, reduced({ num: rate.den, den: rate.num }), timeBase);
  const seen = new Uint8Array(frames);
  let packets = 0;
  for (let packet = await reader.next(); packet !== undefined; packet = await reader.next()) {
    if (packets === 0 && !packet.keyframe)
      throw new JobError('ffmpeg', `"${path}" does not begin with a keyframe`);
    packets += 1;
    const frame = packet.pts / interval;
    if (seen[frame] !== 0)
      throw new JobError('ffmpeg', `"${path}" has a packet at an unexpected time ${packet.pts}`);
    seen[frame] = 1;
  }
  if (packets !== frames)
    throw new JobError('ffmpeg', `"${path}" has ${packets} packets for ${frames} frames`);
}
