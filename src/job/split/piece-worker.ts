import { readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { InferenceStreams } from '../../model/session/inference-streams.js';
import type { World } from '../../mpi/world.js';
import type { FrameRun } from '../../pipeline/decode-windows-stage.js';
import { type RankWork, StageMeter } from '../../pipeline/meter.js';
import { type PipelineShape, runPipeline, takesRuns } from '../../pipeline/pipeline.js';
import { JobError } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { type Decoder, openPieceDecoder } from '../../video/frames/decode.js';
import type { WirePlan } from '../../video/frames/wire.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import { ofPiece } from '../../video/split/sample.js';
import { type Activity, PIECE_WAIT } from '../../watchdog/activity.js';
import { type RowLayout, readRow } from '../journal/result-row.js';
import { onGpu, openSegmentWriter, type SegmentWriter } from '../journal/segment-files.js';
import { type LocalCopy, withDisplayName } from '../prepare/source.js';
import { type Channel, type FromRank, failedEnding, type ToRank } from './channel.js';
import { soloWorld } from './solo-world.js';

/** The facts that every rank knows before the first piece. */
export interface PieceTask {
  readonly source: SourceFacts;
  /** The source's name for messages, as the user gave it. */
  readonly display: string;
  readonly wire: WirePlan;
  /** How the frames of each picture are encoded; none: no video is made. */
  readonly specs: readonly EncodeSpec[];
  readonly layout: RowLayout;
  /** True if the ranks' GPUs decode, and encode the main video. */
  readonly nvdec: boolean;
  readonly nvenc: boolean;
}

export interface PieceWorker {
  readonly world: World;
  readonly streams: InferenceStreams;
  readonly shape: PipelineShape;
  readonly task: PieceTask;
  /** This rank's CUDA device, if its video engines are used. */
  readonly gpu: number;
  /** Temporary folder of this rank. */
  readonly folder: string;
  readonly channel: Channel<FromRank, ToRank>;
  readonly activity: Activity;
  /** True for a trace. */
  readonly keepsSpans: boolean;
}

type PieceOrder = ToRank & { readonly kind: 'piece' };

/** A received piece. Its decoder opens as soon as the piece is received. */
interface OpenPiece {
  readonly order: PieceOrder;
  readonly copy: LocalCopy;
  readonly decoder: Promise<Decoder>;
  warnings: readonly string[];
}

interface OpenSegment {
  readonly piece: OpenPiece;
  readonly writer: SegmentWriter;
  readonly began: number;
  readonly nonFinite: number[];
  frames: number;
}

/** The PTS of a frame that only fills a batch. */
const FILLER = Number.NaN;

/**
 * Decodes, infers and encodes the pieces that the root sends, one after another through one pipeline, until
 * the root ends it. Reports a failure of the decoder or encoder to the root; rejects only if MPI or inference
 * fails.
 */
export async function workOnPieces(context: PieceWorker): Promise<RankWork> {
  const { world, streams, shape, channel, activity } = context;
  const queue = pieceQueue();
  const segments = segmentWriter(context, fail);
  let halted = false;
  let failure: { readonly error: unknown } | undefined;
  const meter = new StageMeter(activity, context.keepsSpans);
  let frames = 0;
  let current: OpenPiece | undefined;
  let given = 0;
  let fillers = 0;

  /** Keeps the first failure. No piece starts any more. */
  function fail(error: unknown): void {
    failure ??= { error };
    queue.end();
  }

  async function unlessFailed<T>(step: () => Promise<T>): Promise<T | undefined> {
    if (failure !== undefined) return undefined;
    try {
      return await step();
    } catch (error) {
      fail(error);
      return undefined;
    }
  }

  async function listen(): Promise<void> {
    for (;;) {
      const { value, bytes } = await channel.receive();
      if (value.kind === 'piece') queue.put(openPiece(context, value, bytes));
      else queue.end();
      if (value.kind === 'stop') halted = true;
      if (value.kind === 'close') return;
    }
  }

  async function nextPiece(): Promise<OpenPiece | undefined> {
    const since = performance.now();
    const piece = await activity.during(PIECE_WAIT, queue.take());
    // Of runs the wait for pieces is no part of decoding.
    meter.waited(since, takesRuns(shape) ? undefined : 'decode');
    if (piece !== undefined) segments.expect(piece);
    return piece;
  }

  /** Reads the next frame of a piece; undefined after the last. */
  async function readPiece(
    { order, copy, decoder }: OpenPiece,
    into: Uint8Array,
  ): Promise<number | undefined> {
    const opened = await decoder;
    const pts = await withDisplayName(copy, () => opened.read(into));
    if (pts !== order.pts[given]) throw unexpected(context.task, order, given, pts);
    if (pts !== undefined) given += 1;
    return pts;
  }

  async function endPiece(piece: OpenPiece): Promise<void> {
    piece.warnings = (await piece.decoder).warnings;
    await closePiece(piece);
    current = undefined;
    given = 0;
  }

  /** Gives each piece as a run of frames, for a model that takes those. */
  async function* runs(): AsyncGenerator<FrameRun, void, undefined> {
    for (;;) {
      const piece = await nextPiece();
      if (piece === undefined) return;
      current = piece;
      const { framesBefore, before, frames, pts } = piece.order;
      // Packets behind the piece give further frames: those are not asked for.
      const decoder = {
        read: async (into: Uint8Array) =>
          given === pts.length ? undefined : unlessFailed(() => readPiece(piece, into)),
      };
      const position = framesBefore + before;
      yield { decoder, from: framesBefore, position, end: position + frames };
      if (failure !== undefined || halted) return;
      await unlessFailed(() => endPiece(piece));
    }
  }

  async function read(into: Uint8Array): Promise<number | undefined> {
    while (fillers === 0) {
      current ??= await nextPiece();
      if (current === undefined) return undefined;
      const pts = await readPiece(current, into);
      if (pts !== undefined) return pts;
      // The next piece may take long to arrive: fill the batch up.
      fillers = (shape.batch - (given % shape.batch)) % shape.batch;
      await endPiece(current);
    }
    fillers -= 1;
    return FILLER;
  }

  async function write(row: Uint8Array, pts: number): Promise<void> {
    if (Number.isNaN(pts)) return;
    await segments.write(row);
    frames += 1;
  }

  const listening = listen();
  listening.catch(() => {}); // awaited below
  const work = await runPipeline(
    soloWorld(world),
    streams,
    { ...shape, schedule: 'even' },
    {
      decoder: { read: (into) => unlessFailed(() => read(into)) },
      sink: { write: async (row, pts) => void (await unlessFailed(() => write(row, pts))) },
      stopping: () => halted || failure !== undefined,
      runs: runs(),
    },
    activity,
    meter,
  );
  await segments.end();
  await channel.send(failure === undefined ? { kind: 'ended' } : failedEnding(world, failure.error));
  await listening;
  for (const piece of [...(current === undefined ? [] : [current]), ...queue.rest()]) await closePiece(piece);
  return { ...work, frames };
}

/** Creates the queue of received pieces that have not started. */
function pieceQueue() {
  const waiting: OpenPiece[] = [];
  let ended = false;
  let wake: (() => void) | undefined;
  return {
    put(piece: OpenPiece): void {
      waiting.push(piece);
      wake?.();
    },
    end(): void {
      ended = true;
      wake?.();
    },
    async take(): Promise<OpenPiece | undefined> {
      while (waiting.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift();
    },
    rest: (): readonly OpenPiece[] => waiting.splice(0),
  };
}

function openPiece(context: PieceWorker, order: PieceOrder, data: Uint8Array): OpenPiece {
  const { task, folder, world, gpu } = context;
  const file = join(folder, `piece-${order.index}.nut`);
  const { source, wire, display, nvdec } = task;
  const piece = ofPiece(source, file);
  const copy = { path: file, display };
  const place = { frames: order.framesBefore, lastPts: order.after ?? undefined };
  const threads = Math.max(1, Math.floor(availableParallelism() / world.localSize));
  const open = async (): Promise<Decoder> => {
    await writeFile(file, data);
    return withDisplayName(copy, () =>
      openPieceDecoder(piece, wire, place, { threads, gpu: nvdec ? gpu : undefined }),
    );
  };
  const decoder = open();
  decoder.catch(() => {}); // thrown when the piece starts
  return { order, copy, decoder, warnings: [] };
}

async function closePiece({ decoder, copy }: OpenPiece): Promise<void> {
  await decoder.then((opened) => opened[Symbol.asyncDispose]()).catch(() => {});
  await rm(copy.path, { force: true });
}

/**
 * Creates a writer that encodes each piece on its own, and sends a finished one while the next one starts.
 */
function segmentWriter({ task, gpu, folder, channel }: PieceWorker, onFailure: (error: unknown) => void) {
  const { layout } = task;
  const specs = task.nvenc ? onGpu(task.specs, gpu) : task.specs;
  const content = { specs, hasRows: layout.tableBytes > 0 };
  const expected: OpenPiece[] = [];
  const finishing: Promise<void>[] = [];
  let open: OpenSegment | undefined;

  function begin(): OpenSegment {
    const piece = expected.shift();
    if (piece === undefined) throw new JobError('internal', 'a frame belongs to no piece');
    const stem = join(folder, `segment-${piece.order.index}`);
    const names = { video: (at: number) => `${stem}-${at}.nut`, rows: `${stem}.rows` };
    const writer = openSegmentWriter(content, names);
    return { piece, writer, began: Date.now(), nonFinite: [], frames: 0 };
  }

  async function complete({ piece, writer, began, nonFinite }: OpenSegment): Promise<void> {
    const files = await writer.finish();
    const [rows, ...videos] = await Promise.all([files.rows, ...files.videos].map(taken));
    const { order, warnings } = piece;
    const videoBytes = videos.map(({ length }) => length);
    const facts = { index: order.index, videoBytes, began, warnings, nonFinite };
    await channel.send({ kind: 'done', ...facts }, Buffer.concat([...videos, rows ?? Buffer.alloc(0)]));
  }

  return {
    expect: (piece: OpenPiece) => void expected.push(piece),

    async write(row: Uint8Array): Promise<void> {
      open ??= begin();
      const result = readRow(row, layout);
      if (!result.finite) open.nonFinite.push(open.frames);
      await open.writer.write(result);
      open.frames += 1;
      if (open.frames < open.piece.order.frames) return;
      finishing.push(complete(open).catch(onFailure));
      open = undefined;
    },

    /** Sends the complete segments, and drops an incomplete one. */
    async end(): Promise<void> {
      await Promise.all(finishing);
      await open?.writer.abort();
    },
  };
}

/** Returns the bytes of a file, and removes it. */
async function taken(file: string | undefined): Promise<Buffer> {
  if (file === undefined) return Buffer.alloc(0);
  const data = await readFile(file);
  await rm(file);
  return data;
}

/** Returns the error of a piece whose frames or times differ from those in the video's packets. */
function unexpected(task: PieceTask, order: PieceOrder, given: number, pts: number | undefined): JobError {
  const { num, den } = task.source.video.timeBase;
  const due = order.pts[given];
  const at = due === undefined ? 'after its last frame' : `at ${((due * num) / den).toFixed(3)} s`;
  const found = pts === undefined ? 'is missing' : 'has another timestamp';
  return new JobError(
    'input',
    `"${task.display}" cannot be decoded in pieces: frame ${order.framesBefore + given} ${at} ${found}`,
    { hint: 'use --split frames --restart; if the video is damaged, add --tolerant' },
  );
}
