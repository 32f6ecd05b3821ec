/** Measures the stages of a job on this machine, one after another, with real frames of its video. */
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { haloOf } from '../../model/ports/window.js';
import { inferenceOf, runBytes } from '../../model/session/inference.js';
import { disposeInferenceStreams } from '../../model/session/inference-streams.js';
import { type OpenedSession, openSession } from '../../model/session/session.js';
import { allocateBuffer } from '../../model/session/session-errors.js';
import type { PipelineShape } from '../../pipeline/pipeline.js';
import { JobError } from '../../system/errors.js';
import type { NativeSession } from '../../system/native.js';
import { processorTime } from '../../system/processor-time.js';
import { openDecoderNear } from '../../video/frames/decode.js';
import { openEncoder } from '../../video/frames/encode.js';
import type { JobOptions } from '../context/options.js';
import { readRow } from '../journal/result-row.js';
import { ENCODER_WORK } from '../journal/work.js';
import type { PreparedJob, VideoOutput } from '../prepare/prepare.js';
import { layoutOf } from '../split/row-layout.js';
import type { NodeSpeeds } from './predict.js';
import {
  costOf,
  type Encoded,
  type EncodedFrames,
  encoderCost,
  firstAndFurther,
  type Spent,
  timeSince,
} from './stage-costs.js';

/** What was measured. */
export interface Calibration {
  /** Decoding per frame of the source, whether or not it is taken. */
  readonly node: NodeSpeeds;
  /** The part of the time that the threads of inference had a core when they wanted one. */
  readonly available: number;
  /** Seconds to open the sessions of a node's ranks. */
  readonly openSeconds: number;
  readonly provider: string;
  readonly precision: string;
  /** Encoded bytes of the first frame of a segment, and of each further one; 0 if nothing is encoded. */
  readonly firstBytes: number;
  readonly furtherBytes: number;
}

export interface CalibrationRequest {
  readonly options: JobOptions;
  readonly prepared: PreparedJob;
  readonly shape: PipelineShape;
  /** Ranks of a node, whose sessions run at once. */
  readonly perNode: number;
  /** A folder for temporary files. */
  readonly folder: string;
  readonly stopped: AbortSignal;
}

/** Where frames are taken from: parts of the video's length. */
const PLACES = [1 / 6, 1 / 2, 5 / 6] as const;
/** Before any frame. */
const BEGINNING = Number.NEGATIVE_INFINITY;
/** Seconds of a stage at each place. */
const DECODE_SECONDS = 0.3;
const INFER_SECONDS = 0.4;
/** Frames at a place that say something about the encoder, and the seconds that they may take. */
const ENOUGH_FRAMES = 8;
/** Frames that an encoder is timed with: the time of fewer is that of its start. */
const TIMED_FRAMES = 16;
const MOST_SECONDS = 4;
/** Bytes of the frames and results that are held at a time. */
const MOST_HELD = 2 ** 28;

/**
 * Decodes, infers and encodes for a second each, in all, at some places of the video.
 *
 * @throws {JobError} when the job itself would fail at these frames.
 */
export async function calibrate(request: CalibrationRequest): Promise<Calibration> {
  const { prepared, shape, stopped } = request;
  const began = performance.now();
  const ranks = await openRanks(request);
  const openSeconds = (performance.now() - began) / 1000;
  try {
    const [first] = ranks;
    if (first === undefined) throw new JobError('internal', 'a node has no rank');
    const capacity = capacityOf(request);
    const halo = haloOf(shape.window);
    const shard = allocateBuffer((capacity + halo) * shape.frameBytes, first.streams[0]);
    const loops = ranks.flatMap(({ streams }) =>
      streams.map((stream) => inferenceLoop(stream, shape, capacity)),
    );
    const decoded: Spent[] = [];
    const inferred: Spent[] = [];
    const encoded: Encoded[] = [];
    const measureAt = async (time: number): Promise<void> => {
      stopped.throwIfAborted();
      const count = await decodeAt(request, time, shard, decoded);
      if (count === 0) return;
      const frames = Math.max(1, Math.min(capacity, count - halo));
      const made = await inferAll(loops, shard, frames, inferred);
      const { video } = prepared;
      if (video === undefined) return;
      const rows = loops[0]?.rows.subarray(0, made * shape.styledBytes) ?? new Uint8Array(0);
      encoded.push(await encodeRows(request, video, rows, inferred.at(-1)?.available ?? 1));
    };
    for (const time of timesOf(prepared)) await measureAt(time);
    // The container may declare a longer video than there is.
    if (inferred.length === 0) await measureAt(BEGINNING);
    if (inferred.length === 0)
      throw new JobError('input', `${prepared.input.display} has no frame that can be decoded`);
    const { provider, precision } = first;
    const cores = availableParallelism();
    const [firstBytes, furtherBytes] = firstAndFurther(encoded, ({ bytes }) => bytes);
    return {
      node: {
        ...{ cores, decode: costOf(decoded, cores), infer: costOf(inferred, cores) },
        encode: encoded.length === 0 ? undefined : encoderCost(encoded, prepared.segmentFrames, cores),
      },
      available: inferred.reduce((sum, one) => sum + one.available, 0) / inferred.length,
      ...{ openSeconds, provider, precision, firstBytes, furtherBytes },
    };
  } finally {
    for (const { streams } of ranks) await disposeInferenceStreams(streams);
  }
}

/** Opens the sessions of a node's ranks together, as the ranks do. */
async function openRanks({ options, prepared, shape, perNode }: CalibrationRequest) {
  const { provider, threads } = options;
  const opening = Array.from(
    { length: perNode },
    (_, localRank): Promise<OpenedSession> =>
      openSession(prepared.graphs, {
        ...{ provider, threads, localRank, localSize: perNode, dryRun: true },
        ...(shape.sample === undefined ? {} : { sample: shape.sample }),
        ...runBytes(shape),
      }),
  );
  const settled = await Promise.allSettled(opening);
  const failed = settled.find((one) => one.status === 'rejected');
  const opened = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  if (failed === undefined) return opened;
  for (const { streams } of opened) await disposeInferenceStreams(streams);
  throw failed.reason;
}

/** Returns how many frames are held at a place: whole batches, at most a segment. */
function capacityOf({ prepared, shape, perNode }: CalibrationRequest): number {
  const each = shape.frameBytes + perNode * shape.styledBytes;
  const frames = Math.min(prepared.segmentFrames, Math.floor(MOST_HELD / each));
  return shape.batch * Math.max(1, Math.floor(frames / shape.batch));
}

/** Returns the times of the places, in ticks: the beginning alone, if the video has no known length. */
function timesOf({ source }: PreparedJob): readonly number[] {
  const { video, duration, range } = source;
  const seconds = video.duration ?? duration;
  if (seconds === undefined || video.startPts === undefined) return [BEGINNING];
  const { startPts, timeBase } = video;
  const from = range?.from ?? startPts;
  const to = range?.to ?? startPts + Math.floor((seconds * timeBase.den) / timeBase.num);
  return PLACES.map((part) => from + Math.floor(part * (to - from)));
}

/**
 * Decodes up to a time, then frames into `shard`, then some more for the time they take. Returns how many
 * lie in `shard`.
 */
async function decodeAt(
  { options: { tolerant }, prepared: { source, wire }, shape, stopped }: CalibrationRequest,
  time: number,
  shard: Uint8Array,
  spent: Spent[],
): Promise<number> {
  const { frameBytes } = shape;
  const { decoder } = await openDecoderNear({ ...source, range: undefined }, wire, time, { tolerant });
  await using _ = decoder;
  const slot = (at: number): Uint8Array => shard.subarray(at * frameBytes, (at + 1) * frameBytes);
  const most = shard.length / frameBytes;
  let pts = await decoder.read(slot(0));
  const [began, before] = [performance.now(), processorTime()];
  const seconds = (): number => (performance.now() - began) / 1000;
  let frames = 0;
  const next = async (into: Uint8Array): Promise<boolean> => {
    stopped.throwIfAborted();
    pts = await decoder.read(into);
    if (pts !== undefined) frames += 1;
    return pts !== undefined;
  };
  while (pts !== undefined && pts < time) await next(slot(0));
  let count = pts === undefined ? 0 : 1;
  while (pts !== undefined && count < most && (await next(slot(count)))) count += 1;
  if (pts !== undefined) {
    const spare = new Uint8Array(frameBytes);
    while (seconds() < DECODE_SECONDS && (await next(spare)));
  }
  spent.push({ frames, ...timeSince(began, before) });
  return count;
}

/** Runs a session over frames again and again. */
interface InferenceLoop {
  /** The results of the last pass. */
  readonly rows: Uint8Array;
  /** Returns the frames that were made in all, and of the first pass. */
  run(shard: Uint8Array, frames: number): Promise<{ readonly made: number; readonly first: number }>;
}

function inferenceLoop(stream: NativeSession, shape: PipelineShape, capacity: number): InferenceLoop {
  const inference = inferenceOf(stream, shape);
  const rows = allocateBuffer(capacity * shape.styledBytes, stream);
  return {
    rows,
    async run(shard, frames) {
      const began = performance.now();
      let [made, first] = [0, 0];
      const isOver = (): boolean => {
        const seconds = (performance.now() - began) / 1000;
        return seconds >= MOST_SECONDS || (seconds >= INFER_SECONDS && made >= ENOUGH_FRAMES);
      };
      while (made === 0 || !isOver()) {
        for await (const count of inference.run(shard, rows, frames)) {
          made += count;
          if (made <= frames) first = made;
          if (isOver()) break;
        }
      }
      return { made, first };
    },
  };
}

/** Runs all sessions of the node at once. Returns the results that the first one holds. */
async function inferAll(
  loops: readonly InferenceLoop[],
  shard: Uint8Array,
  frames: number,
  spent: Spent[],
): Promise<number> {
  const [began, before] = [performance.now(), processorTime()];
  const made = await Promise.all(loops.map((loop) => loop.run(shard, frames)));
  const all = made.reduce((sum, one) => sum + one.made, 0);
  spent.push({ frames: all, ...timeSince(began, before) });
  return made[0]?.first ?? 0;
}

/**
 * Encodes the first frame alone, then all of them, for their time at least `TIMED_FRAMES`. `available` is
 * that of inference right before: nothing tells how long the threads of an encoder waited that has ended.
 */
async function encodeRows(
  { prepared, shape, folder }: CalibrationRequest,
  { spec, further }: VideoOutput,
  rows: Uint8Array,
  available: number,
): Promise<Encoded> {
  const specs = [spec, ...further.map((one) => one.spec)];
  const path = (at: number): string => join(folder, `calibration-${at}.nut`);
  const layout = layoutOf(prepared);
  const count = rows.length / shape.styledBytes;
  const encode = async (frames: number): Promise<EncodedFrames> => {
    const [began, before] = [performance.now(), processorTime()];
    const encoders = specs.map((one, at) => openEncoder({ ...one, ...ENCODER_WORK }, path(at)));
    try {
      for (let at = 0; at < frames; at++) {
        const from = backAndForth(at, count) * shape.styledBytes;
        const row = rows.subarray(from, from + shape.styledBytes);
        const { frames: pictures } = readRow(row, layout);
        await Promise.all(pictures.map((picture, video) => encoders[video]?.write(picture)));
      }
      await Promise.all(encoders.map((encoder) => encoder.finish()));
      const sizes = await Promise.all(specs.map(async (_, video) => (await stat(path(video))).size));
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      return { frames, ...timeSince(began, before), available, bytes };
    } finally {
      await Promise.all(encoders.map((encoder) => encoder.abort()));
    }
  };
  const first = await encode(1);
  const all = count > 1 ? await encode(count) : first;
  if (count >= TIMED_FRAMES) return { first, all, timed: all };
  return { first, all, timed: await encode(TIMED_FRAMES) };
}

/** Returns the place of the `at`th frame where `count` frames are shown forwards and backwards, in turn. */
function backAndForth(at: number, count: number): number {
  const period = Math.max(1, 2 * (count - 1));
  const phase = at % period;
  return phase < count ? phase : period - phase;
}
