/** Writes a table to a file, whatever its format. */
import * as fs from 'node:fs/promises';
import { extname } from 'node:path';
import { openRegular, removeFile } from '../system/own-files.js';
import { csvEncoder } from './csv.js';
import { jsonLinesEncoder } from './json-lines.js';
import { areOf, isNumbers } from './numbers.js';
import { parquetEncoder } from './parquet.js';
import type { RowEncoder } from './row-encoder.js';
import { type Cell, type Column, listType, type Row } from './schema.js';
import { type TableContents, tableDigest } from './table-digest.js';

export type TableFormat = 'parquet' | 'json-lines' | 'csv';

export interface TableWriter extends AsyncDisposable {
  /**
   * Adds rows. One call at a time.
   *
   * @throws {RangeError} when a cell does not fit its column, or a frame comes after a later one.
   */
  append(rows: readonly Row[]): Promise<void>;
  /** Ends the file, flushes it to the disk and closes it. Returns what `verifyTable` compares with. */
  finish(): Promise<TableContents>;
  /** Removes the file, if it is not finished. */
  [Symbol.asyncDispose](): Promise<void>;
}

const FORMATS: Readonly<Record<string, TableFormat>> = {
  '.parquet': 'parquet',
  '.jsonl': 'json-lines',
  '.ndjson': 'json-lines',
  '.csv': 'csv',
};

/** Returns the format of a file with this name; undefined if it is none of a table. */
export function tableFormatOf(name: string): TableFormat | undefined {
  return FORMATS[extname(name).toLowerCase()];
}

/** Returns the format that `--format` names by its suffix; undefined if it is none of a table. */
export function tableFormatNamed(suffix: string | undefined): TableFormat | undefined {
  return suffix === undefined ? undefined : FORMATS[`.${suffix.toLowerCase()}`];
}

/** Returns the format of the table that an output of this name is; undefined: it is a video. */
export function outputTable(name: string, format: string | undefined): TableFormat | undefined {
  return format === undefined ? tableFormatOf(name) : tableFormatNamed(format);
}

/** Returns whether files of the format cannot hold NaN and infinity. */
export function holdsFiniteOnly(format: TableFormat): boolean {
  return format !== 'parquet';
}

/**
 * Creates the file at `path` and opens it for rows. Of Parquet, a group of up to 65,536 rows, or 262,144
 * numbers in lists, is in memory (some 150 MB, more for a longer list); of text, 64 KiB or a row.
 * `metadata` goes into the footer of Parquet; the other formats have no place for it.
 *
 * @throws {JobError} journal: when there is something else at `path` than a file. A file there is an EEXIST.
 */
export async function openTable(
  path: string,
  format: TableFormat,
  columns: readonly Column[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<TableWriter> {
  const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
  const file = await openRegular(path, O_WRONLY | O_CREAT | O_EXCL);
  const digest = tableDigest(columns, holdsFiniteOnly(format));
  const encoder = encoderOf(format, columns, metadata);
  const inOrder = frameOrder(columns);
  let open = true;
  const close = async (): Promise<void> => {
    open = false;
    await file.close();
  };

  return {
    async append(rows) {
      for (const row of rows) {
        checkRow(columns, row);
        inOrder(row);
        digest.add(row);
        const bytes = encoder.add(row);
        if (bytes !== undefined) await file.writeFile(bytes);
      }
    },
    async finish() {
      await file.writeFile(encoder.end());
      await file.sync();
      await close();
      return digest.contents();
    },
    async [Symbol.asyncDispose]() {
      if (!open) return;
      await close();
      await removeFile(path);
    },
  };
}

function encoderOf(
  format: TableFormat,
  columns: readonly Column[],
  metadata: Readonly<Record<string, string>>,
): RowEncoder {
  switch (format) {
    case 'parquet':
      return parquetEncoder(columns, metadata);
    case 'json-lines':
      return jsonLinesEncoder(columns);
    case 'csv':
      return csvEncoder(columns);
  }
}

function checkRow(columns: readonly Column[], row: Row): void {
  const wrong = columns.find(
    ({ type, nullable }, at) => !(nullable && row[at] === null) && !fits(type, row[at]),
  );
  if (wrong === undefined && row.length === columns.length) return;
  throw new RangeError(
    wrong === undefined
      ? `a row has ${row.length} cells for ${columns.length} columns`
      : `a cell does not fit the column ${wrong.name} of ${wrong.type}`,
  );
}

function fits(type: Column['type'], cell: Cell | undefined): boolean {
  switch (type) {
    case 'int32':
      return typeof cell === 'number' && (cell | 0) === cell;
    case 'int64':
      return typeof cell === 'bigint' && BigInt.asIntN(64, cell) === cell;
    case 'float32':
      return typeof cell === 'number' && Object.is(Math.fround(cell), cell);
    case 'float64':
      return typeof cell === 'number';
    case 'string':
      return typeof cell === 'string';
    default:
      return isNumbers(cell) && areOf(listType(type) ?? 'float32', cell);
  }
}

function frameOrder(columns: readonly Column[]): (row: Row) => void {
  const at = columns.findIndex(({ name }) => name === 'frame');
  let last = -1n;
  return (row) => {
    const frame = row[at];
    if (typeof frame !== 'bigint') return;
    if (frame < last) throw new RangeError(`frame ${frame} comes after frame ${last}`);
    last = frame;
  };
}
