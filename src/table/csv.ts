/**
 * CSV as RFC 4180 has it, in UTF-8, with the columns' names in the first line. Two choices: lines end with a
 * line feed alone, as other tools of Unix write and all read; and every text is in quotes, so that an empty
 * one is told from null, which is nothing. Texts are not altered: a label that a spreadsheet would take for a
 * formula is the labels file's. NaN and infinity are empty. A list is JSON in quotes.
 */
import { jsonOf } from './json-lines.js';
import { isNumbers } from './numbers.js';
import { type RowEncoder, textEncoder } from './row-encoder.js';
import type { Cell, Column } from './schema.js';

const SPECIAL = /[",\r\n]/;

/** Makes the encoder of a table in CSV. Numbers have the fewest digits that give the same bits. */
export function csvEncoder(columns: readonly Column[]): RowEncoder {
  const names = columns.map(({ name }) => (SPECIAL.test(name) ? quoted(name) : name));
  return textEncoder(
    `${names.join(',')}\n`,
    (row) => `${columns.map(({ type }, at) => csvOf(type, row[at] ?? null)).join(',')}\n`,
  );
}

function csvOf(type: Column['type'], cell: Cell): string {
  if (typeof cell === 'string') return quoted(cell);
  const text = jsonOf(type, cell);
  if (isNumbers(cell)) return quoted(text);
  return text === 'null' ? '' : text;
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
