import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError } from '../../errors.js';
import { showProgress } from '../../report/progress.js';
import type { CutPiece, CutPlan } from '../../video/cut.js';
import type { SegmentRecord } from '../journal.js';
import type { PreparedJob } from '../prepare.js';
import type { OpenedWork, RootWork } from '../root-work.js';
import type { StopRequest } from '../stop.js';
import { refuseUnfinished } from '../unfinished.js';
import type { FromRank, ToRank } from './line.js';
import type { PieceTask } from './piece-worker.js';

/** The root's side of a job whose ranks each decode, infer and encode pieces of the video: a piece is a segment. */
export interface PieceWork extends RootWork {
  readonly mode: 'segments';
  readonly plan: CutPlan;
  readonly task: PieceTask;
  /** Whether a piece is still to be made. */
  readonly wanted: (index: number) => boolean;
  /** What a rank is told of a piece. */
  readonly describe: (piece: CutPiece['piece']) => ToRank;
  /** Records a finished piece, once it is on the disk. */
  readonly record: (done: FromRank & { readonly kind: 'done' }, data: Uint8Array) => Promise<void>;
  /** Keeps what the pieces failed with. */
  readonly failed: (failure: { readonly error: unknown } | undefined) => void;
  /** Ends the job where it failed, or a signal asked for it: what is done stays done. */
  readonly refuseUnfinished: (stop: StopRequest) => Promise<void>;
}

/** Takes over the pieces that earlier runs finished. */
export function openPieceWork(prepared: PreparedJob, plan: CutPlan, opened: OpenedWork): PieceWork {
  const { journal, unlock, monitor, site, hardware } = opened;
  const { source, wire, input } = prepared;
  const finished = new Map<number, SegmentRecord>();
  const ptsOf = ({ firstFrame, frames }: CutPiece['piece']): readonly number[] =>
    plan.pts.slice(firstFrame, firstFrame + frames);
  for (const record of journal.segments) {
    const piece = plan.pieces[record.index];
    // Another ffmpeg may cut elsewhere.
    if (piece !== undefined && isSame(record.pts, ptsOf(piece))) finished.set(record.index, record);
  }
  const restored = [...finished.values()].reduce((sum, { frames }) => sum + frames, 0);
  if (restored > 0) site.log.info(`resuming after ${restored} frames that an earlier run has done`);
  monitor.begin(plan.pts.length, restored);
  const progress = showProgress(site.log, plan.pts.length, restored);
  const warnings = new Set<string>();
  let failure: { readonly error: unknown } | undefined;

  return {
    mode: 'segments',
    ...{ journal, progress, monitor, hardware, restored, plan },
    task: {
      ...{ source, wire, display: input.display },
      spec: { ...prepared.spec, threads: journal.encoderThreads },
      ...{ nvdec: hardware.nvdec, nvenc: hardware.nvenc },
    },
    wanted: (index) => !finished.has(index),

    describe: (piece) => ({
      kind: 'piece',
      index: piece.index,
      framesBefore: piece.firstFrame,
      pts: ptsOf(piece).map((pts) => pts + plan.lift),
      after: piece.after === undefined ? null : piece.after + plan.lift,
    }),

    async record({ index, began, warnings: told }, data) {
      const piece = plan.pieces[index];
      if (piece === undefined) return;
      const file = join(journal.store.scratch, `segment-${index}.nut`);
      await writeDurably(file, data);
      const segment = { index, frames: piece.frames, pts: ptsOf(piece) };
      await journal.record(segment, file, data.byteLength);
      finished.set(index, { ...segment, bytes: data.byteLength });
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
      const missing = plan.pieces.find(({ index }) => !finished.has(index));
      if (missing !== undefined) throw new JobError('internal', `segment ${missing.index} was never made`);
      return [...finished.values()].sort((a, b) => a.index - b.index);
    },

    get warnings() {
      return [...warnings];
    },

    concealed: { messages: 0, timestampsMoved: 0, timestampJumps: 0 },

    async close() {
      progress.stop();
      await unlock();
      if (journal.resumes === 0 && finished.size === 0) await journal.store.destroy();
    },
  };
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}

async function writeDurably(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}
