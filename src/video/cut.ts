/** Cuts a compressed video into pieces that decode by themselves, without decoding it. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError } from '../errors.js';
import { type CompressedPacket, listPackets, openCompressedPackets } from './compressed-packets.js';
import { createNutWriter } from './nut.js';
import { type PacketFacts, type Piece, type PiecePlan, type PieceSize, piecePlanner } from './pieces.js';
import { probe } from './probe.js';
import { canBeCut, keyframeOf } from './random-access.js';
import { reduced } from './rational.js';
import type { SourceFacts } from './source-facts.js';

/** How a video is cut. */
export interface CutPlan extends PiecePlan {
  /** PTS of the stream's first packet. */
  readonly firstPts: number;
  /** Added to every PTS in a piece, since NUT holds none below zero. 0 for nearly every video. */
  readonly lift: number;
}

/** One piece of the compressed video, as a NUT file of one stream. */
export interface CutPiece {
  readonly piece: Piece;
  readonly data: Uint8Array;
}

/**
 * Reads the video once and plans where to cut it; in words why it cannot be, where frames of pieces might differ from
 * those of the whole. `folder` is for a temporary file. Errors: JobError('ffmpeg') where the file cannot be read.
 */
export async function planCut(
  source: SourceFacts,
  size: PieceSize,
  folder: string,
): Promise<CutPlan | string> {
  const { video } = source;
  if (!canBeCut(video.codec)) return `${video.codec} is not known to be safe to cut`;
  if (video.interlaced) return 'it is interlaced, and deinterlacing looks at neighbouring frames';
  const scanned = await scan(source);
  if (typeof scanned === 'string') return scanned;
  const planner = piecePlanner(size);
  for (const packet of scanned) planner.add(packet);
  const planned = planner.finish();
  if (typeof planned === 'string') return planned;
  const firstPts = scanned[0]?.pts ?? 0;
  const least = scanned.reduce((low, { pts = 0 }) => Math.min(low, pts), 0);
  const plan = { ...planned, firstPts, lift: -least };
  return (await survives(source, plan, folder)) ? plan : 'a piece of it does not say all that the file does';
}

/** What the container lists, with each keyframe judged by its bytes; in words why the two do not agree. */
async function scan(source: SourceFacts): Promise<readonly PacketFacts[] | string> {
  const facts: PacketFacts[] = [];
  const list = listPackets(source);
  let packets: Awaited<ReturnType<typeof openCompressedPackets>> | undefined;
  try {
    for await (const listed of list) {
      if (listed.pts === undefined) return 'its container does not tell every time';
      if (listed.changes) return 'its coding changes on the way';
      packets ??= await openCompressedPackets(source, listed.pts);
      const packet = await packets.next();
      if (packet?.pts !== listed.pts) return 'its times are not the same when they are read twice';
      const extradata = packets.stream.extradata;
      const keyframe = listed.keyframe ? keyframeOf(source.video.codec, extradata, packet.data) : undefined;
      facts.push({ pts: listed.pts, keyframe, hidden: listed.hidden, bytes: packet.data.length });
    }
    return (await packets?.next()) === undefined ? facts : 'its packets are not the same when read twice';
  } catch (error) {
    if (error instanceof JobError && error.code === 'internal') return 'its times are not exact';
    throw error;
  } finally {
    await packets?.close();
  }
}

/** Whether ffmpeg takes the first piece for what the whole video is. */
async function survives(source: SourceFacts, plan: CutPlan, folder: string): Promise<boolean> {
  const path = join(folder, 'first-piece.nut');
  for await (const { data } of readPieces(source, plan, (index) => index === 0)) await writeFile(path, data);
  try {
    const { video } = await probe(path);
    const same = ['codec', 'width', 'height', 'pixelFormat', 'interlaced'] as const;
    return same.every((key) => video[key] === source.video[key]);
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Cuts out the pieces that are `wanted`, in order. Memory is bounded by one piece and the keyframe interval before it.
 * Errors: JobError('ffmpeg') where the file cannot be read, JobError('input') where it is no longer what was planned.
 */
export async function* readPieces(
  source: SourceFacts,
  plan: CutPlan,
  wanted: (index: number) => boolean,
): AsyncGenerator<CutPiece, void, undefined> {
  const pieces = plan.pieces.filter(({ index }) => wanted(index));
  if (pieces.length === 0) return;
  const packets = await openCompressedPackets(source, plan.firstPts);
  const timeBase = reduced(source.video.timeBase);
  const held: CompressedPacket[] = [];
  let first = 0; // The place of `held`'s first packet in the stream.
  try {
    for (const piece of pieces) {
      while (first + held.length < piece.to) {
        const packet = await packets.next();
        if (packet === undefined) throw changed(source);
        held.push(packet);
        while (first < piece.from && held.length > 0) {
          held.shift();
          first += 1;
        }
      }
      held.splice(0, piece.from - first);
      first = piece.from;
      const writer = createNutWriter({ ...packets.stream, timeBase });
      const parts: Uint8Array[] = [writer.header];
      for (const { pts, keyframe, data } of held) {
        if (pts + plan.lift < 0) throw changed(source);
        parts.push(...writer.packet(pts + plan.lift, keyframe, data));
      }
      yield { piece, data: Buffer.concat(parts) };
    }
  } finally {
    await packets.close();
  }
}

function changed({ path }: SourceFacts): JobError {
  return new JobError('input', `"${path}" changed while the job ran`, {
    hint: 'when it is whole, run the same command with --restart',
  });
}
