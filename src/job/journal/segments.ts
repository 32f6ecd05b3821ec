import { join } from 'node:path';
import type { FrameSink } from '../../pipeline/encode-stage.js';
import { scratchNames } from '../../storage/local/work-names.js';
import { actionable } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import type { Journal } from './journal.js';
import { type RowLayout, readRow, rowBytesOf } from './result-row.js';
import { openSegmentWriter, type SegmentWriter } from './segment-files.js';
import type { SegmentRecord } from './segment-record.js';
import { NO_SPOOL, openSpool, readSpool, type Spool } from './spool.js';

/**
 * Cuts the styled frames into segments, encodes each on its own, and records it when it is complete and
 * flushed. Disposing of it drops the open segment's encoder but keeps its spool, for a later run.
 */
export interface SegmentSink extends FrameSink, AsyncDisposable {
  /**
   * Restores recorded segments and spooled frames of earlier runs, and returns the PTS of all of them, and
   * the number of the last one if only some of the video were taken. Must be called before the first `write`.
   */
  restore(): Promise<{ readonly pts: readonly number[]; readonly lastNumber?: number }>;
  /** Closes the last segment at the end of the video. Returns all segments, of earlier runs too. */
  finish(): Promise<readonly SegmentRecord[]>;
  /** Returns whether there is work that a later run could resume. */
  holdsWork(): boolean;
}

export interface SegmentContext {
  readonly journal: Journal;
  /** How the frames of each picture are encoded, in the order of a row. */
  readonly specs: readonly EncodeSpec[];
  /** Frames of every segment but the last: a multiple of those of a run, which cannot be resumed within. */
  readonly segmentFrames: number;
  readonly run: number;
  readonly layout: RowLayout;
  /** Returns the number in the video of a frame that is written; undefined: all are taken. */
  readonly numberOf?: (pts: number) => number;
  /**
   * Called for each frame, counted from 0, for which the model gave NaN or infinity: with its number in the
   * video, if `numberOf` is there. `write` throws what it throws.
   */
  readonly onNonFinite: (frame: number) => void;
  /** Called when a segment is recorded; `began` in milliseconds since 1970. */
  readonly onSegment?: (index: number, frames: number, began: number) => void;
}

interface OpenSegment {
  readonly index: number;
  readonly writer: SegmentWriter;
  readonly spool: Spool;
  readonly pts: number[];
  readonly numbers: number[];
  readonly nonFinite: number[];
  readonly began: number;
}

/** The time of a frame, and its number in the video if only some of the video were taken. */
interface Time {
  readonly pts: number;
  readonly number?: number;
}

/** Most segments that drain their encoder while the next one is written. */
const CLOSING_AT_ONCE = 1;

export function segmentSink(context: SegmentContext): SegmentSink {
  const { journal, specs, segmentFrames, run, layout } = context;
  const finished: SegmentRecord[] = [...journal.segments];
  const closing: Promise<void>[] = [];
  // The spool keeps whole rows, with the check byte, which a later run needs too.
  const rowBytes = rowBytesOf(layout);
  const numbered = context.numberOf !== undefined;
  const content = { specs, hasRows: layout.tableBytes > 0 };
  let taken = finished.reduce((sum, segment) => sum + segment.frames, 0);
  let open: OpenSegment | undefined;
  let nextIndex = finished.length;

  const spoolPath = (index: number): string => join(journal.store.scratch, scratchNames.spool(index));

  /** Adds the work folder to an error of the file system. */
  function named(error: unknown): never {
    throw actionable(error, journal.store.location);
  }

  async function begin(restored: number): Promise<OpenSegment> {
    while (closing.length > CLOSING_AT_ONCE) await closing.shift();
    const index = nextIndex;
    nextIndex += 1;
    const names = {
      video: (at: number) => journal.store.temporary(scratchNames.segment(index, at)),
      rows: journal.store.temporary(scratchNames.rows(index)),
    };
    const spool = journal.store.scratchLasts
      ? await openSpool(spoolPath(index), rowBytes, restored, numbered)
      : NO_SPOOL;
    const writer = openSegmentWriter(content, names);
    return { index, spool, writer, pts: [], numbers: [], nonFinite: [], began: Date.now() };
  }

  async function complete(segment: OpenSegment): Promise<void> {
    const files = await segment.writer.finish();
    const { index, pts, numbers, nonFinite } = segment;
    const record = {
      ...{ index, frames: pts.length, pts },
      ...(numbers.length > 0 ? { numbers } : {}),
      ...(nonFinite.length > 0 ? { nonFinite } : {}),
    };
    finished[index] = await journal.record(record, files);
    context.onSegment?.(index, pts.length, segment.began);
    await segment.spool.discard();
  }

  function close(segment: OpenSegment): void {
    const work = complete(segment).catch(async (error) => {
      await segment.spool[Symbol.asyncDispose]().then(undefined, () => {}); // it may be closed already
      return named(error);
    });
    work.catch(() => {}); // thrown where it is awaited: in `begin`, two segments later, or in `finish`
    closing.push(work);
    open = undefined;
  }

  /** Adds a frame; `restored` is the number of those in the spool, of which it is one, if there are any. */
  async function add(row: Uint8Array, { pts, number }: Time, restored: number): Promise<void> {
    const result = readRow(row, layout);
    if (!result.finite) context.onNonFinite(number ?? taken);
    open ??= await begin(restored);
    const segment = open;
    if (!result.finite) segment.nonFinite.push(segment.pts.length);
    segment.pts.push(pts);
    if (number !== undefined) segment.numbers.push(number);
    taken += 1;
    await Promise.all([segment.writer.write(result), restored > 0 || segment.spool.append(row, pts, number)]);
    if (segment.pts.length === segmentFrames) close(segment);
  }

  return {
    async restore() {
      const all = finished.flatMap((segment) => segment.pts);
      let lastNumber = finished.at(-1)?.numbers?.at(-1);
      for (;;) {
        const spool = spoolPath(nextIndex);
        const spooled = await countRecords(readSpool(spool, rowBytes, numbered), segmentFrames);
        const restored = spooled - (spooled % run);
        let read = 0;
        for await (const { frame, ...time } of readSpool(spool, rowBytes, numbered)) {
          if (read === restored) break;
          read += 1;
          await add(frame, time, restored);
          all.push(time.pts);
          lastNumber = time.number;
        }
        if (restored < segmentFrames) break;
      }
      return { pts: all, ...(lastNumber === undefined ? {} : { lastNumber }) };
    },

    async write(row, pts) {
      const number = context.numberOf?.(pts);
      await add(row, { pts, ...(number === undefined ? {} : { number }) }, 0).catch(named);
    },

    async finish() {
      if (open !== undefined) close(open);
      await Promise.all(closing);
      return finished;
    },

    holdsWork: () => nextIndex > 0,

    async [Symbol.asyncDispose]() {
      await Promise.allSettled(closing);
      if (open === undefined) return;
      await open.writer.abort();
      await open.spool[Symbol.asyncDispose]();
    },
  };
}

async function countRecords(spool: AsyncIterable<unknown>, most: number): Promise<number> {
  let records = 0;
  for await (const _ of spool) {
    records += 1;
    if (records === most) break;
  }
  return records;
}
