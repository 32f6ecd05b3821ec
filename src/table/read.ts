/** Reads rows of finished tables back, by other code than that which wrote them. */
import type { FileHandle } from 'node:fs/promises';
import { type AsyncBuffer, parquetMetadataAsync, parquetRead, parquetSchema } from 'hyparquet';
import { openRegular } from '../system/own-files.js';
import type { Numbers, NumberType } from './numbers.js';
import { type Cell, type Column, listType, type Row } from './schema.js';
import type { TableFormat } from './write.js';

const PIECE_BYTES = 2 ** 16;
const [QUOTE, LINE_FEED] = [34, 10];

/**
 * Yields the rows of the table at `path`. Keeps a group of rows of Parquet in memory, or a line.
 *
 * @throws {Error} when it is not such a file, or its columns are others. Throws also as `openRegular`.
 */
export async function* readTable(
  path: string,
  format: TableFormat,
  columns: readonly Column[],
): AsyncGenerator<Row> {
  const file = await openRegular(path);
  try {
    if (format === 'parquet') yield* parquetRows(file, columns);
    else if (format === 'csv') yield* csvRows(file, columns);
    else for await (const line of linesOf(file, false)) yield jsonRow(line, columns);
  } finally {
    await file.close();
  }
}

async function* parquetRows(handle: FileHandle, columns: readonly Column[]): AsyncGenerator<Row> {
  const file = await bufferOf(handle);
  const metadata = await parquetMetadataAsync(file);
  checkNames(
    columns.map(({ name }) => name),
    parquetSchema(metadata).children.map(({ element }) => element.name),
  );
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const parsers = { stringFromBytes: (bytes: Uint8Array) => utf8.decode(bytes) };
  let rowStart = 0;
  for (const { num_rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows);
    const rows = await new Promise<readonly (readonly unknown[])[]>((onComplete, reject) => {
      parquetRead({ file, metadata, parsers, rowStart, rowEnd, onComplete }).catch(reject);
    });
    for (const row of rows) {
      yield columns.map(({ type }, at) => {
        const value = row[at] ?? null;
        const list = listType(type);
        return list === undefined || value === null
          ? (value as Cell)
          : numbersOf(list, value as readonly Listed[]);
      });
    }
    rowStart = rowEnd;
  }
}

async function bufferOf(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(Math.min(end, size) - start);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0) throw new Error('it ends early');
        at += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

function jsonRow(line: string, columns: readonly Column[]): Row {
  const values = parsed(line) as Readonly<Record<string, unknown>>;
  // An object's keys that are numbers, as some outputs' names, come first.
  checkNames(columns.map(({ name }) => name).sort(), Object.keys(values).sort());
  return columns.map((column) => cellOf(column, values[column.name]));
}

async function* csvRows(file: FileHandle, columns: readonly Column[]): AsyncGenerator<Row> {
  const names = columns.map(({ name }) => name);
  let isFirst = true;
  for await (const line of linesOf(file, true)) {
    const fields = fieldsOf(line);
    if (isFirst) checkNames(names, fields);
    else if (fields.length !== names.length) throw new Error(`a line has ${fields.length} fields`);
    else yield columns.map((column, at) => csvCell(column, fields[at] ?? null));
    isFirst = false;
  }
  if (isFirst) throw new Error('it is empty');
}

function csvCell(column: Column, field: string | null): Cell {
  return cellOf(column, column.type === 'string' || field === null ? field : parsed(field));
}

function cellOf({ type, nullable }: Column, value: unknown): Cell {
  if (nullable && value === null) return null;
  switch (type) {
    case 'string':
      return value as string;
    case 'int64':
      return BigInt(value as number | string);
    case 'float32':
      return Math.fround(numberOf(value as Listed));
    case 'int32':
    case 'float64':
      return numberOf(value as Listed);
    default:
      return numbersOf(listType(type) ?? 'float32', value as readonly Listed[]);
  }
}

/** A number as it is read: see `parsed`; null for one that JSON does not have. */
type Listed = number | bigint | string | null;

function numbersOf(type: NumberType, list: readonly Listed[]): Numbers {
  switch (type) {
    case 'int64':
      return BigInt64Array.from(list, (one) => BigInt(one ?? 0));
    case 'int32':
      return Int32Array.from(list, numberOf);
    case 'float32':
      return Float32Array.from(list, numberOf);
    case 'float64':
      return Float64Array.from(list, numberOf);
  }
}

function numberOf(value: Listed): number {
  return value === null ? Number.NaN : Number(value);
}

/** Texts and numbers of JSON. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/** Parses JSON, but leaves whole numbers that a JavaScript number may not hold as text. */
function parsed(text: string): unknown {
  return JSON.parse(
    text.replace(TOKENS, (token) => (token.length > 15 && /^-?\d+$/.test(token) ? `"${token}"` : token)),
  );
}

/** Yields the lines of a text. With `quotes`, a line feed between quotation marks ends none. */
async function* linesOf(file: FileHandle, quotes: boolean): AsyncGenerator<string> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const piece = new Uint8Array(PIECE_BYTES);
  let parts: string[] = [];
  let quoted = false;
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, piece.length);
    const text = utf8.decode(piece.subarray(0, bytesRead), { stream: bytesRead > 0 });
    let start = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (quotes && code === QUOTE) quoted = !quoted;
      if (code !== LINE_FEED || quoted) continue;
      yield parts.join('') + text.slice(start, at);
      parts = [];
      start = at + 1;
    }
    if (start < text.length) parts.push(text.slice(start));
    if (bytesRead === 0) break;
  }
  if (parts.length > 0) throw new Error('its last line does not end');
}

/**
 * Splits a line of CSV at its commas, and takes fields out of their quotation marks. Null is an empty field
 * without them.
 */
function fieldsOf(line: string): readonly (string | null)[] {
  const fields: (string | null)[] = [];
  for (let at = 0; at <= line.length; at += 1) {
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at);
      const end = comma < 0 ? line.length : comma;
      fields.push(end === at ? null : line.slice(at, end));
      at = end;
      continue;
    }
    let end = line.indexOf('"', at + 1);
    while (end >= 0 && line[end + 1] === '"') end = line.indexOf('"', end + 2);
    if (end < 0 || ![',', undefined].includes(line[end + 1])) throw new Error('a field has odd quotes');
    fields.push(line.slice(at + 1, end).replaceAll('""', '"'));
    at = end + 1;
  }
  return fields;
}

function checkNames(wanted: readonly string[], found: readonly (string | null)[]): void {
  if (wanted.join('\n') === found.join('\n')) return;
  throw new Error(`its columns are ${found.join(', ')} instead of ${wanted.join(', ')}`);
}
