/** Joins the packed rows of all segments into the table of a job. */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { OneTable, TablePlan } from '../../model/compose/table-ends.js';
import { scratchNames } from '../../storage/local/work-names.js';
import { actionable, JobError } from '../../system/errors.js';
import { openRegular } from '../../system/own-files.js';
import { isRefusal } from '../../system/refusal.js';
import { tableDecoder } from '../../table/decoder.js';
import { verifyTable } from '../../table/verify.js';
import { openTable, type TableFormat } from '../../table/write.js';
import type { Rational } from '../../video/formats/rational.js';
import { frameNumber } from '../journal/frame-numbers.js';
import type { Journal } from '../journal/journal.js';
import type { SegmentRecord } from '../journal/segment-record.js';

/** What the table is made of. */
export interface TableParts {
  readonly journal: Journal;
  readonly plan: TablePlan;
  /** Which of the plan's tables it is. */
  readonly at: number;
  readonly format: TableFormat;
  readonly segments: readonly SegmentRecord[];
  /** The unit of the frames' PTS, in seconds. */
  readonly timeBase: Rational;
  /** For the footer of Parquet. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface MadeTable {
  /** A file in the work folder, verified and flushed. */
  readonly file: string;
  readonly rows: number;
  readonly warnings: readonly string[];
}

/** The suffix of a table that is being written. */
export const TABLE_SUFFIXES: Readonly<Record<TableFormat, string>> = {
  parquet: 'parquet',
  'json-lines': 'jsonl',
  csv: 'csv',
};

/**
 * Writes the table and reads it back. Every frame of every segment is accounted for.
 *
 * @throws {JobError} journal: when the rows of a segment have changed.
 * @throws {JobError} output: when the table cannot be written, or is not what was written.
 */
export async function makeTable(parts: TableParts): Promise<MadeTable> {
  const { journal, plan, at, format, segments, timeBase, metadata } = parts;
  const own = plan.tables[at];
  if (own === undefined) throw new JobError('internal', `there is no table ${at}`);
  const decoder = tableDecoder(own.spec, own.shapes, own.geometry, own);
  if (isRefusal(decoder)) throw new JobError('internal', decoder.refusal);
  const offset = plan.tables.slice(0, at).reduce((sum, { frameBytes }) => sum + frameBytes, 0);
  const file = journal.store.temporary(scratchNames.table(at, TABLE_SUFFIXES[format]));
  let before = 0;
  let dropped = 0;
  let cut = 0;
  const frames = segments.reduce((sum, segment) => sum + segment.frames, 0);
  try {
    await using table = await openTable(file, format, decoder.columns, {
      ...metadata,
      frames: String(frames),
    });
    for (const segment of segments) {
      const { index, pts } = segment;
      const hash = createHash('sha256');
      await using file = await openRegular(await journal.rowsPath(index));
      for (const [place, time] of pts.entries()) {
        const all = await readWhole(file, plan.frameBytes);
        hash.update(all);
        const packed = all.subarray(offset, offset + own.frameBytes);
        const seconds = (time * timeBase.num) / timeBase.den;
        const counts = decoder.counts(packed);
        dropped += counts.dropped;
        if (counts.dropped > 0) cut += 1;
        const frame = frameNumber(segment, place, before);
        await table.append(decoder.rows(packed, { frame, pts: time, seconds }));
      }
      before += pts.length;
      await journal.confirm(index, 'rows', hash.digest('hex'));
    }
    const contents = await table.finish();
    await verifyTable(file, format, contents);
    return {
      file,
      rows: contents.rows,
      warnings: cut === 0 ? [] : [tooMany(own, plan.tables.length, cut, dropped)],
    };
  } catch (error) {
    throw actionable(error, journal.store.location);
  }
}

/** Reads the rows of the next frame. What is missing is zero, which no digest agrees with. */
async function readWhole(file: FileHandle, bytes: number): Promise<Uint8Array> {
  const packed = new Uint8Array(bytes);
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await file.read(packed, at, bytes - at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return packed;
}

/** Returns the warning about rows that were left out of some frames or pictures. */
export function tooMany(
  { name, spec, open }: OneTable,
  tables: number,
  frames: number,
  rows: number,
  unit: 'frame' | 'picture' = 'frame',
): string {
  const limits = [
    ...(spec.kind === 'boxes' ? [`"max": ${spec.max}`] : []),
    ...(open === undefined ? [] : [`"rows": ${open.most}`]),
  ];
  const most = limits.length === 0 ? '' : ` (${limits.join(' and ')} in the manifest)`;
  const [many, left] = [
    frames === 1 ? `1 ${unit}` : `${frames} ${unit}s`,
    rows === 1 ? '1 was' : `${rows} were`,
  ];
  const table = tables === 1 ? 'the table' : `the table "${name}"`;
  return `${many} gave more rows than ${table} takes${most}: ${left} left out${open === undefined ? ', those of the lowest scores' : ''}`;
}
