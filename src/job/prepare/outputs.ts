/** What a job makes: a video, a table, or both. */
import type { LoadedModel } from '../../model/load/loaded-model.js';
import { parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { type TableFormat, tableFormatOf } from '../../table/write.js';
import { type Container, containerFor } from '../../video/formats/container.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import { type Destination, openDestination } from '../output/destination.js';

/** The kind of the output, by its name. */
export type OutputKind =
  | { readonly kind: 'video'; readonly container: Container }
  | { readonly kind: 'table'; readonly format: TableFormat };

/** A table beside a video. */
export interface TableBeside {
  readonly destination: Destination;
  readonly format: TableFormat;
}

/** Content types of tables: Parquet's and JSON Lines' have no registered ones of their own in wide use. */
export const TABLE_TYPES: Readonly<Record<TableFormat, string>> = {
  parquet: 'application/vnd.apache.parquet',
  'json-lines': 'application/jsonl',
  csv: 'text/csv',
};

/** In place of a container, where only a table is made: frames come upright, as players show them. */
export const UPRIGHT = { carriesDisplayMatrix: false, isTable: true } as const;

/** Returns what the name of the output, or --format, says of it. */
export function outputKind(name: string, format: string | undefined): OutputKind {
  const table = tableFormatOf(name);
  return table === undefined || format !== undefined
    ? { kind: 'video', container: containerFor(name, format) }
    : { kind: 'table', format: table };
}

/**
 * Opens the destination of --table.
 *
 * @throws {JobError} usage: when its name is not that of a table.
 */
export async function openTableBeside(
  { table }: Pick<JobOptions, 'table'>,
  storage: StorageContext,
): Promise<TableBeside | undefined> {
  if (table === undefined) return undefined;
  const destination = await openDestination(parseLocation(table), storage);
  const format = tableFormatOf(destination.name);
  if (format !== undefined) return { destination, format };
  throw new JobError('usage', `--table takes a name that ends in .parquet, .jsonl or .csv, not ${table}`);
}

/**
 * Returns the model with those of its outputs that the job writes.
 *
 * @throws {JobError} model: when it does not give what the job should write.
 */
export function modelFor(
  model: LoadedModel,
  output: OutputKind,
  hasTableBeside: boolean,
): { readonly model: LoadedModel; readonly notes: readonly string[] } {
  const { io, table } = model;
  if (output.kind === 'video' && io.io === 'table') {
    throw new JobError('model', `"${model.file}" gives a table and no picture`, {
      hint: 'give an OUTPUT whose name ends in .parquet, .jsonl or .csv; --out-dir makes no tables',
    });
  }
  if ((output.kind === 'table' || hasTableBeside) && table === undefined) {
    throw new JobError('model', `"${model.file}" gives no table`, {
      hint: 'name the output that becomes rows in a manifest of format 2, with the role "table"; framescatter models inspect prints one',
    });
  }
  if (output.kind === 'table') {
    // A picture that nobody keeps need not be made.
    return io.io === 'rgb'
      ? {
          model: { ...model, io: { io: 'table', input: io.input, chroma: io.chroma, fit: 'stretch' } },
          notes: [],
        }
      : { model, notes: [] };
  }
  if (table === undefined || hasTableBeside) return { model, notes: [] };
  return {
    model: { ...model, table: undefined },
    notes: ['the model also gives a table, which is not written: --table FILE writes it'],
  };
}
