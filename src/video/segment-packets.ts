/** The encoded segments as one run of packets, each at its frame's true time. */
import { JobError } from '../errors.js';
import { fileSource } from './byte-source.js';
import type { PacketWriter } from './matroska-writer.js';
import { type NutStream, openNutFile, openNutReader } from './nut.js';

/** What the segments hold together. */
export interface SegmentRun {
  /** The one video stream that all segments share, as they tell of it. */
  readonly stream: NutStream;
  readonly paths: readonly string[];
}

/**
 * Opens every segment and sees that they fit together: one video stream each, of one codec, size and extradata.
 * Errors: JobError('internal') where they do not, JobError('ffmpeg') where one is damaged.
 */
export async function openSegmentRun(paths: readonly string[]): Promise<SegmentRun> {
  let first: NutStream | undefined;
  let decodeDelay = 0;
  for (const path of paths) {
    const file = await openNutFile(path);
    await file.close();
    const [stream] = file.streams;
    if (stream?.kind !== 'video' || file.streams.length !== 1) {
      throw new JobError('internal', `segment "${path}" is not one video stream`);
    }
    first ??= stream;
    const differing = difference(first, stream);
    if (differing !== undefined) {
      throw new JobError(
        'internal',
        `segment "${path}" does not fit the first one: its ${differing} differs`,
        {
          hint: 'Was ffmpeg exchanged between two runs of this job? Start it afresh with --restart.',
        },
      );
    }
    // libx265 leaves it out of the stream's header.
    decodeDelay = Math.max(decodeDelay, stream.decodeDelay, reorderDelay(await decodingOrder(path)));
  }
  if (first === undefined) throw new JobError('internal', 'there is no segment to put together');
  return { stream: { ...first, decodeDelay }, paths };
}

/** When frames are shown, in ticks of the stream that is written. */
export interface Schedule {
  /** The source's PTS of every frame, in presentation order. */
  readonly pts: readonly number[];
  /** One of them, in the stream's ticks. */
  readonly timeOf: (pts: number) => number;
  /** How long a frame is shown as a rule, and when the last one's time is over. */
  readonly frameTicks: number;
  readonly end: number;
}

/**
 * The bytes of a stream of all packets in decoding order, made by `writer`, frame `i` in presentation order at its own
 * time. Memory is bounded by the largest packet and one segment's times. Errors: JobError('internal') where there are
 * not as many packets as times, JobError('ffmpeg') where a segment is damaged.
 */
export async function* timedStream(
  run: SegmentRun,
  writer: PacketWriter,
  schedule: Schedule,
  onPacket: (written: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { pts, timeOf, frameTicks, end } = schedule;
  yield writer.header;
  let base = 0;
  for (const path of run.paths) {
    const rankOf = await presentationRanks(path);
    let written = 0;
    const file = await openNutFile(path);
    for await (const packet of file.packets()) {
      const frame = base + (rankOf.get(packet.pts) ?? Number.NaN);
      const sourceTime = pts[frame];
      if (sourceTime === undefined) throw miscounted(path, pts.length);
      const time = timeOf(sourceTime);
      const duration = frame === pts.length - 1 ? end - time : frameTicks;
      yield* writer.packet(time, packet.keyframe, packet.data, duration);
      written++;
      onPacket(base + written);
    }
    base += written;
  }
  if (base !== pts.length) {
    throw new JobError(
      'internal',
      `the segments hold ${base} frames, but ${pts.length} were read from the source`,
    );
  }
}

/** Each PTS of a segment with its place in presentation order: the frame's index in the segment, in whatever time base. */
async function presentationRanks(path: string): Promise<ReadonlyMap<number, number>> {
  const times = await decodingOrder(path);
  const ranks = ranksOf(times);
  if (ranks.size !== times.length) {
    throw new JobError('internal', `segment "${path}" holds two frames with one time`);
  }
  return ranks;
}

function ranksOf(times: readonly number[]): ReadonlyMap<number, number> {
  return new Map(times.toSorted((a, b) => a - b).map((time, rank) => [time, rank]));
}

/** By how many frames decoding lags presentation: the furthest that a packet comes after its place in presentation. */
function reorderDelay(times: readonly number[]): number {
  const ranks = ranksOf(times);
  return Math.max(0, ...times.map((time, index) => index - (ranks.get(time) ?? index)));
}

/** The PTS of a segment's packets, in the order in which they are decoded. */
async function decodingOrder(path: string): Promise<readonly number[]> {
  const source = await fileSource(path);
  const times: number[] = [];
  try {
    const reader = await openNutReader(source, `"${path}"`);
    for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
      times.push(header.pts);
    }
  } finally {
    await source.close();
  }
  return times;
}

function miscounted(path: string, frames: number): JobError {
  return new JobError(
    'internal',
    `the segments up to "${path}" hold more than the ${frames} frames of the source`,
  );
}

/** What differs between two streams that are to become one. */
function difference(a: NutStream, b: NutStream): string | undefined {
  if (a.fourcc !== b.fourcc) return `codec (${b.fourcc}, not ${a.fourcc})`;
  if (a.width !== b.width || a.height !== b.height) return 'frame size';
  return Buffer.compare(a.extradata, b.extradata) === 0 ? undefined : 'codec header (extradata)';
}
