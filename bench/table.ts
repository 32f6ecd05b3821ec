/** The tables of the documentation. */
import { spreadText } from './measure.js';

/** The results of one part of the benchmark. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The ratios that later runs are compared with, by name; one per run, higher is better. */
  readonly ratios: Readonly<Record<string, readonly number[]>>;
}

/** Collects a table, row by row. */
export interface TableBuilder {
  /** Adds a row with `cells` and the ratio `name`, one value per run. */
  ratio(name: string, cells: readonly string[], values: readonly number[], more?: readonly string[]): void;
  row(cells: readonly string[]): void;
  done(): Table;
}

export function table(columns: readonly string[]): TableBuilder {
  const rows: (readonly string[])[] = [];
  const ratios: Record<string, readonly number[]> = {};
  return {
    ratio(name, cells, values, more = []) {
      ratios[name] = values;
      rows.push([...cells, spreadText(values, 3), ...more, String(values.length)]);
    },
    row: (cells) => void rows.push(cells),
    done: () => ({ columns, rows, ratios }),
  };
}

/** Returns the table in Markdown. */
export function markdown({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('');
}

/**
 * Replaces the table between the markers of the part `name` in `text`. Throws if there are no such markers.
 */
export function withTable(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- bench ${name} -->\n`, `<!-- end -->\n`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`the documentation has no place for the table ${name}`);
  return `${text.slice(0, from)}${begin}\n${content}\n${text.slice(to)}`;
}
