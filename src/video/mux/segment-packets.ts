/** Joins the encoded segments to one run of packets, each at its frame's true time. */
import { createHash } from 'node:crypto';
import { JobError, messageOf } from '../../system/errors.js';
import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import { fileSource } from '../formats/byte-source.js';
import type { PacketWriter } from '../formats/matroska-writer.js';
import { type NutStream, openNutFile, openNutReader } from '../formats/nut.js';
import { declaredReordering } from './hevc-headers.js';
import { packetDigest } from './packet-digest.js';

/** The facts of an inspected segment. */
export interface SegmentFacts {
  readonly path: string;
  /** Its one video stream, as its header declares it. */
  readonly stream: NutStream;
  /** For each packet, in decoding order, its frame's place in presentation order. */
  readonly order: Uint32Array;
  /** For each packet, in decoding order, its `packetDigest`. */
  readonly digests: Uint32Array;
  /** SHA-256 of the whole file, in hexadecimal. */
  readonly sha256: string;
}

/** The contents of all segments together. */
export interface SegmentRun {
  /** The one video stream that all segments share. */
  readonly stream: NutStream;
  readonly segments: readonly SegmentFacts[];
}

/**
 * Inspects a finished segment. It need not wait for other segments.
 *
 * @throws {JobError} internal: when it is not one video stream with a time for each frame.
 * @throws {JobError} ffmpeg: when it is damaged.
 */
export async function inspectSegment(path: string): Promise<SegmentFacts> {
  await using source = await fileSource(path).catch((error: unknown) => {
    throw new JobError('ffmpeg', `"${path}" cannot be read: ${messageOf(error)}`, { cause: error });
  });
  const hash = createHash('sha256');
  const hashed = {
    async read(into: Uint8Array): Promise<number> {
      const bytes = await source.read(into);
      hash.update(into.subarray(0, bytes));
      return bytes;
    },
  };
  const reader = await openNutReader(hashed, `"${path}"`);
  const [stream] = reader.streams;
  if (stream?.kind !== 'video' || reader.streams.length !== 1) {
    throw new JobError('internal', `segment "${path}" is not one video stream`);
  }
  const digest = packetDigest(stream);
  const times: number[] = [];
  const digests: number[] = [];
  for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
    if (header.bytes > source.bytes)
      throw new JobError('ffmpeg', `"${path}" is damaged: a packet is longer than the file`);
    const data = new Uint8Array(header.bytes);
    await reader.payload(data);
    times.push(header.pts);
    digests.push(digest(data));
  }
  return {
    ...{ path, stream, order: presentationOrder(path, times) },
    ...{ digests: Uint32Array.from(digests), sha256: hash.digest('hex') },
  };
}

function presentationOrder(path: string, times: readonly number[]): Uint32Array {
  const places = new Map(times.toSorted((a, b) => a - b).map((time, place) => [time, place]));
  if (places.size !== times.length) {
    throw new JobError('internal', `segment "${path}" holds two frames with the same timestamp`);
  }
  return Uint32Array.from(times, (time) => places.get(time) ?? 0);
}

/**
 * Checks that the segments match: that codec, size and extradata are the same.
 *
 * @throws {JobError} internal: when they are not.
 */
export function segmentRun(segments: readonly SegmentFacts[]): SegmentRun {
  const [first] = segments;
  if (first === undefined) throw new JobError('internal', 'there is no segment to join');
  let decodeDelay = 0;
  for (const { path, stream, order } of segments) {
    const differing = difference(first.stream, stream);
    if (differing !== undefined) {
      throw new JobError(
        'internal',
        `segment "${path}" does not match the first one: its ${differing} differs`,
        {
          hint: 'Was ffmpeg replaced between two runs of this job? Start over with --restart.',
        },
      );
    }
    // libx265 leaves it out of the stream's header.
    decodeDelay = Math.max(decodeDelay, stream.decodeDelay, reorderDelay(order));
  }
  return { stream: { ...first.stream, decodeDelay }, segments };
}

/**
 * Returns `run` with the decoding delay that H.265's headers declare. FFmpeg computes decoding times by it.
 * It may be more than the frames of a short or still video need, and libx265 leaves it out of the stream's
 * header.
 *
 * @throws {JobError} ffmpeg: when ffprobe cannot read the first segment.
 */
export async function withDeclaredDelay(run: SegmentRun): Promise<SegmentRun> {
  const [first] = run.segments;
  if (first === undefined || run.stream.fourcc.toUpperCase() !== 'HEVC') return run;
  const declared = declaredReordering(run.stream.extradata) ?? (await probedReordering(first.path));
  const decodeDelay = Math.max(run.stream.decodeDelay, declared);
  return { ...run, stream: { ...run.stream, decodeDelay } };
}

/** Returns the delay as FFmpeg reads it. */
async function probedReordering(path: string): Promise<number> {
  let declared = 0;
  for await (const line of ffprobeLines(path, ['-show_entries', 'stream=has_b_frames', '-of', 'csv=p=0'])) {
    declared = Math.max(declared, Number.parseInt(line, 10) || 0);
  }
  return declared;
}

/**
 * Returns the ends of presentation and decoding: the packet of the last frame, and the frame of the last
 * packet.
 */
export function runEnd({ segments }: SegmentRun): {
  readonly lastShown: number;
  readonly lastDecoded: number;
} {
  const before = segments.slice(0, -1).reduce((sum, { order }) => sum + order.length, 0);
  const order = segments.at(-1)?.order ?? new Uint32Array();
  return {
    lastShown: before + order.indexOf(order.length - 1),
    lastDecoded: before + (order.at(-1) ?? 0),
  };
}

/**
 * Returns the number of frames by which decoding lags presentation: the furthest that a packet comes after
 * its place in presentation.
 */
function reorderDelay(order: Uint32Array): number {
  return order.reduce((most, place, index) => Math.max(most, index - place), 0);
}

/** The times of frames, in ticks of the stream that is written. */
export interface FrameTimes {
  /** The source's PTS of every frame, in presentation order. */
  readonly pts: readonly number[];
  /** Converts one of them to the stream's ticks. */
  readonly timeOf: (pts: number) => number;
  /** The usual duration of a frame, and the end of the last one. */
  readonly frameTicks: number;
  readonly end: number;
  /** The block addition of the last frame's packet. */
  readonly mark: Uint8Array | undefined;
}

/**
 * Yields the bytes of a stream of all packets in decoding order, made by `writer`: frame `i` in presentation
 * order at its own time. Memory is bounded by the largest packet.
 *
 * @throws {JobError} internal: when there are not as many packets as times.
 * @throws {JobError} ffmpeg: when a segment is damaged.
 */
export async function* timedStream(
  run: SegmentRun,
  writer: PacketWriter,
  frameTimes: FrameTimes,
  onPacket: (written: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { pts, timeOf, frameTicks, end, mark } = frameTimes;
  yield writer.header;
  let base = 0;
  for (const { path, order } of run.segments) {
    let written = 0;
    const file = await openNutFile(path);
    for await (const packet of file.packets()) {
      const frame = base + (order[written] ?? Number.NaN);
      const sourceTime = pts[frame];
      if (sourceTime === undefined) throw miscounted(path, pts.length);
      const time = timeOf(sourceTime);
      const last = frame === pts.length - 1;
      const duration = last ? end - time : frameTicks;
      yield* writer.packet(time, packet.keyframe, packet.data, duration, last ? mark : undefined);
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

function miscounted(path: string, frames: number): JobError {
  return new JobError(
    'internal',
    `the segments up to "${path}" hold more than the ${frames} frames of the source`,
  );
}

/** Returns what differs between two streams that are to become one; undefined if nothing does. */
function difference(a: NutStream, b: NutStream): string | undefined {
  if (a.fourcc !== b.fourcc) return `codec (${b.fourcc}, not ${a.fourcc})`;
  if (a.width !== b.width || a.height !== b.height) return 'frame size';
  return Buffer.compare(a.extradata, b.extradata) === 0 ? undefined : 'codec header (extradata)';
}
