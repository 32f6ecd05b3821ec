/** Cuts a compressed video into pieces that decode by themselves, without decoding it. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError } from '../../system/errors.js';
import { createNutWriter, type NutStream } from '../formats/nut.js';
import { reduced } from '../formats/rational.js';
import { type CompressedPacket, listPackets, openCompressedPackets } from '../source/compressed-packets.js';
import { probeHeaders } from '../source/probe.js';
import { canBeCut, hidesPackets, isShown, keyframeOf } from '../source/random-access.js';
import type { SourceFacts } from '../source/source-facts.js';
import { type ListedPacket, type Timeline, timelineOf } from '../source/timeline.js';
import { foreseenPieces, NO_PLACE, type Piece, type PieceSize, pieceCutter, tooLarge } from './pieces.js';

/** How a video is cut. */
export interface CutPlan {
  readonly timeline: Timeline;
  readonly size: PieceSize;
  /** Pieces that there will be, or a few more: where decoding cannot begin at all that is called a keyframe. */
  readonly foreseen: number;
  /** Added to every PTS in a piece, since NUT holds none below zero. 0 for nearly every video. */
  readonly lift: number;
}

/** One piece of the compressed video, as a NUT file of one stream. */
export interface CutPiece {
  readonly piece: Piece;
  readonly data: Uint8Array;
}

/** In words why the video cannot be cut, as its packets told when they were read. */
class CannotBeCut extends Error {}

/**
 * Lists the video's packets and sees, by its first piece, whether it can be cut; in words why it cannot be, where frames of
 * pieces might differ from those of the whole. `folder` is for a temporary file. Errors: JobError('ffmpeg') where the file
 * cannot be read.
 */
export async function planCut(
  source: SourceFacts,
  size: PieceSize,
  folder: string,
): Promise<CutPlan | string> {
  const { video } = source;
  if (!canBeCut(video.codec)) return `${video.codec} is not known to be safe to cut`;
  if (video.interlaced) return 'it is interlaced, and deinterlacing looks at neighbouring frames';
  const packets: ListedPacket[] = [];
  let damage: string | undefined;
  const listed = listPackets(source, (message) => {
    damage ??= message;
  });
  for await (const packet of listed) {
    packets.push(packet);
    if (packet.pts === undefined) break; // That is enough to know.
  }
  // Whether that matters, decoding the whole tells.
  if (damage !== undefined) return `it may be damaged (${damage})`;
  const timeline = timelineOf(packets);
  if (typeof timeline === 'string') return timeline;
  const foreseen = foreseenPieces(packets, timeline, size);
  if (typeof foreseen === 'string') return foreseen;
  const lift = timeline.times.reduce((most, time) => Math.max(most, -time), 0);
  const plan = { timeline, size, foreseen, lift };
  return (await faultOfFirst(source, plan, folder)) ?? plan;
}

/**
 * What keeps the first piece from being cut out; whether ffmpeg takes it for what the whole video is. Where packets may give
 * no frame, all of them are read, since only their own bytes tell.
 */
async function faultOfFirst(source: SourceFacts, plan: CutPlan, folder: string): Promise<string | undefined> {
  let fault: string | undefined = NO_PLACE;
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
  if (piece.to === plan.timeline.times.length) return NO_PLACE;
  const path = join(folder, 'first-piece.nut');
  try {
    await writeFile(path, data);
    const { video } = await probeHeaders(path);
    const same = ['codec', 'width', 'height', 'pixelFormat', 'interlaced'] as const;
    if (same.every((key) => video[key] === source.video[key])) return undefined;
    return 'a piece of it does not say all that the file does';
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Cuts the pieces out while the video is read, in order, and gives those that are `wanted`: asked once of every piece, in
 * order. Memory is bounded by one piece and the keyframe interval before it. Errors: JobError('ffmpeg') where the file
 * cannot be read, JobError('input') where its packets are not those that were listed.
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
    throw new JobError('input', `"${source.path}" cannot be cut any further: ${error.message}`, {
      hint: 'if it was still being written, run the same command with --restart; else add --split frames as well',
    });
  }
}

async function* cut(
  source: SourceFacts,
  plan: CutPlan,
  wanted: (piece: Piece) => boolean,
): AsyncGenerator<CutPiece, void, undefined> {
  const { timeline, size, lift } = plan;
  const packets = await openCompressedPackets(source, timeline.times[0] ?? 0);
  const { stream } = packets;
  const cutter = pieceCutter(timeline, size);
  const held = heldPackets(size.mostBytes);
  const out = (piece: Piece): CutPiece => ({ piece, data: nutFile(source, stream, held.of(piece), lift) });
  try {
    for (const [at, time] of timeline.times.entries()) {
      const packet = await nextOf(packets);
      if (packet?.pts !== time) throw new CannotBeCut('its times are not the same when they are read twice');
      const { data } = packet;
      if (!isShown(source.video.codec, data)) throw new CannotBeCut('some of its packets give no frame');
      const keyframe = packet.keyframe ? keyframeOf(source.video.codec, stream.extradata, data) : undefined;
      if (at === 0 && (keyframe === undefined || keyframe.access === 'none')) {
        throw new CannotBeCut('it does not begin with a keyframe');
      }
      const piece = cutter.add(data.length, keyframe);
      if (piece !== undefined && wanted(piece)) yield out(piece);
      held.add(packet, cutter.from);
    }
    if ((await nextOf(packets)) !== undefined) {
      throw new CannotBeCut('its packets are not the same when they are read twice');
    }
    const last = cutter.end();
    if (wanted(last)) yield out(last);
  } finally {
    await packets.close();
  }
}

async function nextOf(packets: Awaited<ReturnType<typeof openCompressedPackets>>) {
  try {
    return await packets.next();
  } catch (error) {
    if (error instanceof JobError && error.code === 'internal')
      throw new CannotBeCut('its times are not exact');
    throw error;
  }
}

/** The packets that pieces to come are made of. */
function heldPackets(mostBytes: number) {
  const packets: CompressedPacket[] = [];
  let first = 0;
  let bytes = 0;
  return {
    /** Takes a packet in; those before packet `from` are not needed any more. */
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
  lift: number,
): Uint8Array {
  const writer = createNutWriter({ ...stream, timeBase: reduced(source.video.timeBase) });
  const parts: Uint8Array[] = [writer.header];
  for (const { pts, keyframe, data } of packets) parts.push(...writer.packet(pts + lift, keyframe, data));
  return Buffer.concat(parts);
}
