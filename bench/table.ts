/** Tables of figures, as the documentation has them. */
import { spreadText } from './measure.js';

/** What one part of the benchmark found. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What a later run is compared with, by name: ratios, of which more is better, one a run. */
  readonly ratios: Readonly<Record<string, readonly number[]>>;
}

/** Collects a table, row by row. */
export interface TableBuilder {
  /** A row that begins with `words` and ends with a ratio, one value a run, known to later runs as `name`. */
  ratio(name: string, words: readonly string[], values: readonly number[], more?: readonly string[]): void;
  row(words: readonly string[]): void;
  done(): Table;
}

export function table(columns: readonly string[]): TableBuilder {
  const rows: (readonly string[])[] = [];
  const ratios: Record<string, readonly number[]> = {};
  return {
    ratio(name, words, values, more = []) {
      ratios[name] = values;
      rows.push([...words, spreadText(values, 3), ...more, String(values.length)]);
    },
    row: (words) => void rows.push(words),
    done: () => ({ columns, rows, ratios }),
  };
}

/** The table in Markdown. */
export function markdown({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('');
}

/** `text` with the table between the marks of the part `name` replaced. Throws where it has no such marks. */
export function withTable(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- bench ${name} -->\n`, `<!-- end -->\n`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`the documentation has no place for the table of ${name}`);
  return `${text.slice(0, from)}${begin}\n${content}\n${text.slice(to)}`;
}
