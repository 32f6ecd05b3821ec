/** Joins what the ranks found in pictures into a table. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { OneTable } from '../../model/compose/table-ends.js';
import { scratchNames } from '../../storage/local/work-names.js';
import { actionable, JobError } from '../../system/errors.js';
import { isRefusal } from '../../system/refusal.js';
import { type TableDecoder, tableDecoder } from '../../table/decoder.js';
import { isNumbers, numberList } from '../../table/numbers.js';
import {
  type Cell,
  type Column,
  FRAME_COLUMNS,
  listType,
  PICTURE_COLUMNS,
  type Row,
} from '../../table/schema.js';
import { verifyTable } from '../../table/verify.js';
import { openTable, type TableFormat } from '../../table/write.js';
import type { Journal } from '../journal/journal.js';
import { type MadeTable, TABLE_SUFFIXES, tooMany } from '../output/table.js';
import type { PictureInput } from './find.js';
import type { Recorded } from './remaining.js';

export interface PictureTableParts {
  readonly journal: Journal;
  readonly plan: OneTable;
  readonly format: TableFormat;
  readonly pictures: readonly PictureInput[];
  readonly recorded: ReadonlyMap<string, Recorded>;
  /** For the footer of Parquet. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Rows have no times. */
const NO_TIME = { frame: 0, pts: 0, seconds: 0 };

/**
 * Writes the table, in the order of the pictures, and reads it back. Every picture is accounted for: by its
 * rows, which may be none, or by a row with its error.
 *
 * @throws {JobError} journal: when rows have changed or are missing.
 * @throws {JobError} output: when the table cannot be written, or is not what was written.
 */
export async function makePictureTable(parts: PictureTableParts): Promise<MadeTable> {
  const { journal, plan, format, pictures, recorded, metadata } = parts;
  const own = decoderOf(plan, plan.shapes)
    .columns.slice(FRAME_COLUMNS.length)
    .map((column): Column => ({ ...column, nullable: true }));
  const columns = [...PICTURE_COLUMNS, ...own];
  const nothing: Row = own.map(() => null);
  const file = journal.store.temporary(scratchNames.table(0, TABLE_SUFFIXES[format]));
  const rowsOf = rowsReader(journal);
  const decoders = new Map<string, TableDecoder>();
  let dropped = 0;
  let cut = 0;
  let failed = 0;
  for (const { key } of pictures) if (recorded.get(key)?.record.error) failed += 1;
  try {
    await using table = await openTable(file, format, columns, {
      ...metadata,
      pictures: String(pictures.length),
      failed: String(failed),
    });
    for (const { key, display } of pictures) {
      const found = recorded.get(key);
      if (found === undefined) throw new JobError('journal', `${display} has no record`);
      const { error, rows } = found.record;
      if (error !== null) {
        await table.append([[display, error, ...nothing]]);
        continue;
      }
      if (rows === null) throw new JobError('journal', `${display} has no rows`);
      const shape = JSON.stringify(rows.shapes);
      const decoder = decoders.get(shape) ?? decoderOf(plan, rows.shapes);
      decoders.set(shape, decoder);
      const packed = await rowsOf(found, rows.bytes);
      const counts = decoder.counts(packed);
      dropped += counts.dropped;
      if (counts.dropped > 0) cut += 1;
      const made = decoder.rows(packed, NO_TIME).map((row) => row.slice(FRAME_COLUMNS.length));
      await table.append(made.map((row) => [display, null, ...fitted(row, own)]));
    }
    const contents = await table.finish();
    await verifyTable(file, format, contents);
    const warnings = cut === 0 ? [] : [tooMany(plan, 1, cut, dropped, 'picture')];
    return { file, rows: contents.rows, warnings };
  } catch (error) {
    throw actionable(error, journal.store.location);
  }
}

function decoderOf(plan: OneTable, shapes: OneTable['shapes']): TableDecoder {
  const decoder = tableDecoder(plan.spec, shapes, plan.geometry, plan);
  if (isRefusal(decoder)) throw new JobError('internal', decoder.refusal);
  return decoder;
}

/** Returns a reader of packed rows. Rows of a segment are compared with its record, and kept for the next. */
function rowsReader(journal: Journal): (at: Recorded, bytes: number) => Promise<Uint8Array> {
  let held: { readonly segment: number; readonly data: Uint8Array } | undefined;
  return async ({ segment, rowsAt }, bytes) => {
    if (held?.segment !== segment) {
      const data = await readFile(await journal.rowsPath(segment));
      await journal.confirm(segment, 'rows', createHash('sha256').update(data).digest('hex'));
      held = { segment, data };
    }
    return held.data.subarray(rowsAt, rowsAt + bytes);
  };
}

/** A tensor of one number is a number for one size of picture, where for others it may be a list. */
function fitted(row: Row, columns: readonly Column[]): Row {
  return row.map((cell, at): Cell => {
    const type = columns[at]?.type ?? 'string';
    const list = listType(type);
    if (list !== undefined && (typeof cell === 'number' || typeof cell === 'bigint'))
      return numberList(list, cell);
    if (list !== undefined || !isNumbers(cell)) return cell;
    throw new JobError('model', 'the model gives one number for small pictures, and a list for others', {
      hint: 'give its manifest a "size", so that all pictures come to it in one',
    });
  });
}
