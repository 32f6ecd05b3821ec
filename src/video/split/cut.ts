/** Cuts a compressed video into pieces that decode by themselves, without decoding it. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError } from '../../system/errors.js';
import { isRefusal, type Refusal } from '../../system/refusal.js';
import { createNutWriter, type NutStream } from '../formats/nut.js';
import { InexactTime, reduced } from '../formats/rational.js';
import { type CompressedPacket, listPackets, openCompressedPackets } from '../source/compressed-packets.js';
import { probeHeaders } from '../source/probe.js';
import { canBeCut, hidesPackets, isShown, keyframeOf } from '../source/random-access.js';
import type { SourceFacts } from '../source/source-facts.js';
import { type ListedPacket, type Timeline, timelineOf } from '../source/timeline.js';
import { foreseenPieces, NO_CUT_POINT, type Piece, type PieceSize, pieceCutter, tooLarge } from './pieces.js';

/** The plan by which a video is cut. */
export interface CutPlan {
  readonly timeline: Timeline;
  readonly size: PieceSize;
  /**
   * The expected number of pieces. It may be too high: decoding cannot begin at every keyframe of the
   * container.
   */
  readonly foreseen: number;
  /** Added to every PTS in a piece, because NUT holds none below zero. 0 for nearly every video. */
  readonly offset: number;
}

/** One piece of the compressed video, as a NUT file of one stream. */
export interface CutPiece {
  readonly piece: Piece;
  readonly data: Uint8Array;
}

/** The reason why a video cannot be cut, found while its packets were read. */
class CannotBeCut extends Error {}

/**
 * Plans the cut of a video: lists its packets and tests the first piece. Refuses if frames of pieces might
 * differ from those of the whole. `folder` is for a temporary file.
 *
 * @throws {JobError} ffmpeg: when the file cannot be read.
 */
export async function planCut(
  source: SourceFacts,
  size: PieceSize,
  folder: string,
): Promise<CutPlan | Refusal> {
  const { video } = source;
  if (!canBeCut(video.codec)) return { refusal: `${video.codec} is not known to be safe to cut` };
  if (video.interlaced)
    return { refusal: 'it is interlaced, and deinterlacing looks at neighbouring frames' };
  const packets: ListedPacket[] = [];
  let damage: string | undefined;
  const listed = listPackets(source, (message) => {
    damage ??= message;
  });
  for await (const packet of listed) {
    packets.push(packet);
    if (packet.pts === undefined) break; // Enough to refuse.
  }
  // Only decoding the whole shows whether that matters.
  if (damage !== undefined) return { refusal: `it may be damaged (${damage})` };
  const timeline = timelineOf(packets);
  if (isRefusal(timeline)) return timeline;
  const foreseen = foreseenPieces(packets, timeline, size);
  if (typeof foreseen === 'object') return foreseen;
  const offset = timeline.times.reduce((most, time) => Math.max(most, -time), 0);
  const plan = { timeline, size, foreseen, offset };
  const fault = await faultOfFirst(source, plan, folder);
  return fault === undefined ? plan : { refusal: fault };
}

/**
 * Returns why the first piece cannot be cut out, or why ffmpeg reads it differently from the whole video;
 * undefined if all is well. If packets may give no frame, reads all of them: only their own bytes tell.
 */
async function faultOfFirst(source: SourceFacts, plan: CutPlan, folder: string): Promise<string | undefined> {
  let fault: string | undefined = NO_CUT_POINT;
  try {
    for await (const first of cut(source, plan, ({ index }) => index === 0)) {
      fault = await faultOf(first, source, plan, folder);
      if (fault !== undefined || !hidesPackets(source.video.codec)) break;
    }
    return fault;
  } catch (error) {
    if (error instanceof CannotBeCut) return error.message;
    throw error;
  }
}

async function faultOf(
  { piece, data }: CutPiece,
  source: SourceFacts,
  plan: CutPlan,
  folder: string,
): Promise<string | undefined> {
  if (piece.to === plan.timeline.times.length) return NO_CUT_POINT;
  const path = join(folder, 'first-piece.nut');
  try {
    await writeFile(path, data);
    const { video } = await probeHeaders(path);
    const same = ['codec', 'width', 'height', 'pixelFormat', 'interlaced'] as const;
    if (same.every((key) => video[key] === source.video[key])) return undefined;
    return 'a piece of it does not declare all that the file does';
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Cuts out the pieces in order while the video is read, and yields those that are `wanted`, which is called
 * once for every piece. Memory is bounded by one piece and the keyframe interval before it.
 *
 * @throws {JobError} ffmpeg: when the file cannot be read.
 * @throws {JobError} input: when its packets are not those that were listed.
 */
export async function* readPieces(
  source: SourceFacts,
  plan: CutPlan,
  wanted: (piece: Piece) => boolean,
): AsyncGenerator<CutPiece, void, undefined> {
  try {
    yield* cut(source, plan, wanted);
  } catch (error) {
    if (!(error instanceof CannotBeCut)) throw error;
    throw new JobError(
      'input',
      `"${source.path}" could not be cut into pieces to its end: ${error.message}`,
      {
        hint: 'if the file was still being written, run the same command with --restart; otherwise with --restart --split frames',
      },
    );
  }
}

async function* cut(
  source: SourceFacts,
  plan: CutPlan,
  wanted: (piece: Piece) => boolean,
): AsyncGenerator<CutPiece, void, undefined> {
  const { timeline, size, offset } = plan;
  await using packets = await openCompressedPackets(source, timeline.times[0] ?? 0);
  const { stream } = packets;
  const cutter = pieceCutter(timeline, size);
  const held = heldPackets(size.mostBytes);
  const out = (piece: Piece): CutPiece => ({ piece, data: nutFile(source, stream, held.of(piece), offset) });
  /** Pieces that wait for the packets of frames behind their own. */
  const waiting: Piece[] = [];
  const ready = (at: number): readonly Piece[] => {
    const count = waiting.findIndex(({ to }) => to > at);
    return waiting.splice(0, count < 0 ? waiting.length : count);
  };
  for (const [at, time] of timeline.times.entries()) {
    const packet = await nextOf(packets);
    if (packet?.pts !== time) throw new CannotBeCut('its timestamps differ between two readings');
    const { data } = packet;
    if (!isShown(source.video.codec, data)) throw new CannotBeCut('some of its packets give no frame');
    const keyframe = packet.keyframe ? keyframeOf(source.video.codec, stream.extradata, data) : undefined;
    if (at === 0 && (keyframe === undefined || keyframe.access === 'none')) {
      throw new CannotBeCut('it does not begin with a keyframe');
    }
    const piece = cutter.add(data.length, keyframe);
    if (piece !== undefined && wanted(piece)) waiting.push(piece);
    for (const one of ready(at)) yield out(one);
    held.add(packet, Math.min(cutter.from, waiting[0]?.from ?? cutter.from));
  }
  if ((await nextOf(packets)) !== undefined) {
    throw new CannotBeCut('its packets differ between two readings');
  }
  const last = cutter.end();
  if (wanted(last)) waiting.push(last);
  for (const one of waiting) yield out(one);
}

async function nextOf(packets: Awaited<ReturnType<typeof openCompressedPackets>>) {
  try {
    return await packets.next();
  } catch (error) {
    if (error instanceof InexactTime) throw new CannotBeCut('its timestamps are not exact');
    throw error;
  }
}

/** Holds the packets that pieces to come are made of. */
function heldPackets(mostBytes: number) {
  const packets: CompressedPacket[] = [];
  let first = 0;
  let bytes = 0;
  return {
    /** Adds a packet; those before packet `from` are no longer needed. */
    add(packet: CompressedPacket, from: number): void {
      const passed = packets.splice(0, from - first);
      first = from;
      for (const { data } of passed) bytes -= data.length;
      packets.push(packet);
      bytes += packet.data.length;
      if (bytes > mostBytes) throw new CannotBeCut(tooLarge(bytes));
    },
    of: ({ from, to }: Piece): readonly CompressedPacket[] => packets.slice(from - first, to - first),
  };
}

function nutFile(
  source: SourceFacts,
  stream: NutStream,
  packets: readonly CompressedPacket[],
  offset: number,
): Uint8Array {
  const writer = createNutWriter({ ...stream, timeBase: reduced(source.video.timeBase) });
  const parts: Uint8Array[] = [writer.header];
  for (const { pts, keyframe, data } of packets) parts.push(...writer.packet(pts + offset, keyframe, data));
  return Buffer.concat(parts);
}
