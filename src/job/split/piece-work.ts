import { open } from 'node:fs/promises';
import { showProgress } from '../../report/progress.js';
import { scratchNames } from '../../storage/local/work-names.js';
import { JobError } from '../../system/errors.js';
import type { StopRequest } from '../../system/stop.js';
import type { CutPlan } from '../../video/split/cut.js';
import type { Piece } from '../../video/split/pieces.js';
import { inspections } from '../journal/inspections.js';
import type { Journal } from '../journal/journal.js';
import { nonFiniteWatch, refuseNonFinite } from '../journal/non-finite.js';
import type { SegmentFiles } from '../journal/segment-files.js';
import type { SegmentRecord } from '../journal/segment-record.js';
import { closeWork } from '../journal/work.js';
import { segmentRecorded } from '../prepare/decisions.js';
import type { PreparedJob } from '../prepare/prepare.js';
import type { FromRank, ToRank } from './channel.js';
import type { PieceTask } from './piece-worker.js';
import type { OpenedWork, RootWork } from './root-work.js';
import { layoutOf, specsOf } from './row-layout.js';
import { refuseUnfinished } from './unfinished.js';

/**
 * The root's side of a job split into segments: each rank decodes, infers and encodes pieces, one segment per
 * piece.
 */
export interface PieceWork extends RootWork {
  readonly mode: 'segments';
  readonly plan: CutPlan;
  readonly task: PieceTask;
  /** Takes the next piece that is cut. Returns whether it must be made. */
  readonly wanted: (piece: Piece) => boolean;
  /** Approximate number of pieces to make. */
  readonly count: number;
  /** Returns the message that goes to a rank with a piece. */
  readonly describe: (piece: Piece) => ToRank & { readonly kind: 'piece' };
  /** Writes a finished piece durably, and records it. */
  readonly record: (done: FromRank & { readonly kind: 'done' }, data: Uint8Array) => Promise<void>;
  /** Keeps the failure of the pieces. */
  readonly failed: (failure: { readonly error: unknown } | undefined) => void;
  /** Throws if the job failed, or a signal stopped it. Finished work stays. */
  readonly refuseUnfinished: (stop: StopRequest) => Promise<void>;
}

/** Opens the work, with the pieces that earlier runs finished. */
export function openPieceWork(prepared: PreparedJob, plan: CutPlan, opened: OpenedWork): PieceWork {
  const { journal, monitor, storage, hardware, strict, queue } = opened;
  const { source, wire, input } = prepared;
  const { pts, times } = plan.timeline;
  refuseNonFinite(strict, journal.segments);
  const watch = nonFiniteWatch(strict, storage.log.warn);
  const earlier = new Map(journal.segments.map((record) => [record.index, record]));
  const specs = specsOf(prepared, journal.encoder);
  const looking = specs.map((_, at) => inspections(journal, at));
  const pieces: Piece[] = [];
  const finished = new Map<number, SegmentRecord>();
  const ptsOf = ({ firstFrame, frames }: Piece): readonly number[] =>
    pts.slice(firstFrame, firstFrame + frames);
  /** The frames that its packets give, with those that a model looks at. */
  const givenBy = ({ firstFrame, frames, before, behind }: Piece): readonly number[] =>
    pts.slice(firstFrame - before, firstFrame + frames + behind);
  const recorded = journal.segments.reduce((sum, { frames }) => sum + frames, 0);
  if (recorded > 0) storage.log.info(`resuming after ${recorded} frames of an earlier run`);
  monitor.begin(pts.length, recorded);
  const bytes = (): number => journal.videoBytes;
  const progress = showProgress(storage.log, pts.length, recorded, bytes, 'frames', queue);
  let restored = 0;
  const warnings = new Set<string>();
  let failure: { readonly error: unknown } | undefined;

  return {
    mode: 'segments',
    ...{ journal, progress, monitor, hardware, plan, inspections: looking },
    count: plan.foreseen - earlier.size,
    task: {
      ...{ source, wire, display: input.display },
      specs,
      layout: layoutOf(prepared),
      ...{ nvdec: hardware.nvdec, nvenc: hardware.nvenc },
    },

    wanted(piece) {
      pieces.push(piece);
      const record = earlier.get(piece.index);
      if (record === undefined) return true;
      // Another ffmpeg may cut elsewhere.
      if (!isSame(record.pts, ptsOf(piece))) {
        storage.log.info(
          `segment ${piece.index} of the earlier run has other frames now and will be made again`,
        );
        return true;
      }
      finished.set(piece.index, record);
      restored += piece.frames;
      return false;
    },

    get restored() {
      return restored;
    },

    describe: (piece) => ({
      kind: 'piece',
      index: piece.index,
      framesBefore: piece.firstFrame - piece.before,
      pts: givenBy(piece).map((time) => time + plan.offset),
      before: piece.before,
      frames: piece.frames,
      after: piece.after === undefined ? null : piece.after + plan.offset,
    }),

    async record({ index, began, warnings: told, nonFinite, videoBytes }, data) {
      const piece = pieces[index];
      if (piece === undefined) return;
      for (const place of nonFinite) watch(piece.firstFrame + place);
      const files = await writeFiles(journal.store, index, parts(data, videoBytes, prepared));
      const odd = nonFinite.length > 0 ? { nonFinite } : {};
      const segment = { index, frames: piece.frames, pts: ptsOf(piece), ...odd };
      finished.set(index, await journal.record(segment, files));
      for (const one of looking) one.begin(index);
      storage.log.detail(segmentRecorded(index, piece.firstFrame, piece.frames), {
        ...{ event: 'segment', segment: index, frames: piece.frames },
      });
      for (const warning of told) warnings.add(warning);
      monitor.segment(index, piece.frames, began);
      for (let frame = 0; frame < piece.frames; frame += 1) {
        progress.advance();
        monitor.frame();
      }
    },

    failed(error) {
      failure = error;
    },

    refuseUnfinished: (stop) => refuseUnfinished(failure, stop, journal.store.location),

    async finish() {
      refuseMissing(pieces, finished, times.length, input.display);
      if (pieces.length !== plan.foreseen) {
        storage.log.info(`${pieces.length} segments were made: decoding cannot start at every keyframe`);
      }
      return [...finished.values()].sort((a, b) => a.index - b.index);
    },

    get warnings() {
      return [...warnings];
    },

    concealed: { messages: 0, timestampsMoved: 0, timestampJumps: 0 },

    async [Symbol.asyncDispose]() {
      progress[Symbol.dispose]();
      const keep = journal.resumes > 0 || finished.size > 0;
      await closeWork(journal.store, { keep, log: storage.log });
    },
  };
}

/** Returns the files of a finished piece: its videos first, then its rows. */
function parts(
  data: Uint8Array,
  videoBytes: readonly number[],
  { table }: PreparedJob,
): { readonly videos: readonly Uint8Array[]; readonly rows: Uint8Array | undefined } {
  let at = 0;
  const videos = videoBytes.map((bytes) => {
    at += bytes;
    return data.subarray(at - bytes, at);
  });
  return { videos, rows: table && data.subarray(at) };
}

async function writeFiles(
  store: Journal['store'],
  index: number,
  { videos, rows }: ReturnType<typeof parts>,
): Promise<SegmentFiles> {
  const write = async (data: Uint8Array, name: string): Promise<string> => {
    const file = store.temporary(name);
    await writeDurably(file, data);
    return file;
  };
  return {
    videos: await Promise.all(videos.map((one, at) => write(one, scratchNames.segment(index, at)))),
    rows: rows && (await write(rows, scratchNames.rows(index))),
  };
}

/** Checks that every piece was made, and that the pieces contain all packets of the video. */
function refuseMissing(
  pieces: readonly Piece[],
  finished: ReadonlyMap<number, SegmentRecord>,
  packets: number,
  display: string,
): void {
  const missing = pieces.find(({ index }) => !finished.has(index));
  if (missing !== undefined) throw new JobError('internal', `segment ${missing.index} is missing`);
  const cut = pieces.at(-1)?.to ?? 0;
  if (cut === packets) return;
  throw new JobError('internal', `the pieces of "${display}" have only ${cut} of its ${packets} packets`);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}

async function writeDurably(path: string, data: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx');
  await file.writeFile(data);
  await file.sync();
}
