/**
 * JSON Lines (jsonlines.org): an object per row, in UTF-8, with a line feed after each. NaN and infinity are
 * null, as `JSON.stringify` has it: JSON has no such numbers.
 */
import { float32Text, float64Text } from './float-text.js';
import { isNumbers, type Numbers } from './numbers.js';
import { type RowEncoder, textEncoder } from './row-encoder.js';
import type { Cell, Column } from './schema.js';

/** Makes the encoder of a table in JSON Lines. Numbers have the fewest digits that give the same bits. */
export function jsonLinesEncoder(columns: readonly Column[]): RowEncoder {
  const keys = columns.map(({ name }, at) => `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  return textEncoder('', (row) => {
    const cells = columns.map(({ type }, at) => `${keys[at]}${jsonOf(type, row[at] ?? null)}`);
    return `${cells.join('')}}\n`;
  });
}

/** Returns a cell as JSON. */
export function jsonOf(type: Column['type'], cell: Cell): string {
  if (cell === null) return 'null';
  if (typeof cell === 'string') return JSON.stringify(cell);
  if (isNumbers(cell)) return `[${listText(cell)}]`;
  if (typeof cell === 'bigint') return String(cell);
  if (type === 'float32') return float32Json(cell);
  return float64Json(cell);
}

function listText(numbers: Numbers): string {
  if (numbers instanceof Float32Array) return Array.from(numbers, float32Json).join(',');
  if (numbers instanceof Float64Array) return Array.from(numbers, float64Json).join(',');
  return numbers.join(',');
}

function float64Json(value: number): string {
  return Number.isFinite(value) ? float64Text(value) : 'null';
}

function float32Json(value: number): string {
  return Number.isFinite(value) ? float32Text(value) : 'null';
}
