/** Takes the beginning of a compressed video as a small file, for a rank that does not have the whole. */

import { createNutWriter } from '../formats/nut.js';
import { reduced } from '../formats/rational.js';
import { openCompressedPackets } from '../source/compressed-packets.js';
import type { SourceFacts } from '../source/source-facts.js';

/** Packets of a sample, in decoding order, so that those they refer to are among them. */
const PACKETS = 24;
/** Packets of intra-only video are large. */
const MOST_BYTES = 2 ** 24;

/**
 * Returns the video's first packets as a NUT file.
 *
 * @throws {JobError} ffmpeg: when the file cannot be read.
 * @throws {JobError} internal: when its timestamps are not exact.
 */
export async function sampleOf(source: SourceFacts): Promise<Uint8Array> {
  await using packets = await openCompressedPackets(source, source.video.startPts ?? 0);
  const taken = [];
  let bytes = 0;
  while (taken.length < PACKETS && bytes < MOST_BYTES) {
    const packet = await packets.next();
    if (packet === undefined) break;
    taken.push(packet);
    bytes += packet.data.length;
  }
  // NUT holds no time below zero.
  const offset = -Math.min(0, ...taken.map(({ pts }) => pts));
  const writer = createNutWriter({ ...packets.stream, timeBase: reduced(source.video.timeBase) });
  const parts = taken.flatMap(({ pts, keyframe, data }) => writer.packet(pts + offset, keyframe, data));
  return Buffer.concat([writer.header, ...parts]);
}

/** Returns the facts of a sample or piece of `source` at `path`. */
export function ofPiece(source: SourceFacts, path: string): SourceFacts {
  const video = { ...source.video, index: 0, startPts: 0 };
  return { ...source, path, format: 'nut', openOptions: [], video };
}
