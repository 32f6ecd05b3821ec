/** What a job makes: a video, a table, or both. */
import type { LoadedModel } from '../../model/load/loaded-model.js';
import { type Location, lastName, parseLocation } from '../../storage/location/location.js';
import { isSequence } from '../../storage/location/numbered-names.js';
import { JobError } from '../../system/errors.js';
import { didYouMean } from '../../system/suggestion.js';
import { outputTable, type TableFormat, tableFormatOf } from '../../table/write.js';
import { type Container, containerFor, containerNamed, IMAGES } from '../../video/formats/container.js';
import type { JobOptions } from '../context/options.js';
import type { TransferContext } from '../context/storage-context.js';
import { type Destination, openDestination } from '../output/destination.js';

/** The kind of the output, by its name. */
export type OutputKind =
  | { readonly kind: 'video'; readonly container: Container }
  | { readonly kind: 'table'; readonly format: TableFormat };

/** A table beside the output. */
export interface TableBeside {
  /** The name of the model's output that it is made of; undefined: that of its first table. */
  readonly name: string | undefined;
  /** Where it goes, as the command line says. */
  readonly location: Location;
  readonly destination: Destination;
  readonly format: TableFormat;
}

/** The place of one of the tables that a job makes. */
export interface TableFile {
  readonly format: TableFormat;
  /** Undefined: it is the output. */
  readonly beside: Destination | undefined;
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
  if (isSequence(name)) return { kind: 'video', container: IMAGES };
  const table = outputTable(name, format);
  return table === undefined
    ? { kind: 'video', container: containerFor(name, format) }
    : { kind: 'table', format: table };
}

/**
 * Opens the destinations of --table, and of --output but those of videos.
 *
 * @throws {JobError} usage: when a name is not that of a table.
 */
export async function openTablesBeside(
  { table, outputs }: Pick<JobOptions, 'table' | 'outputs'>,
  storage: TransferContext,
): Promise<readonly TableBeside[]> {
  const isVideo = (text: string): boolean => containerNamed(lastName(parseLocation(text))) !== undefined;
  const given: readonly (readonly [string | undefined, string])[] = [
    ...(table === undefined ? [] : [[undefined, table] as const]),
    ...[...outputs].filter(([, text]) => !isVideo(text)),
  ];
  return Promise.all(
    given.map(async ([name, text]) => {
      const location = parseLocation(text);
      const destination = await openDestination(location, storage);
      const format = tableFormatOf(destination.name);
      if (format !== undefined) return { name, location, destination, format };
      const option = name === undefined ? '--table' : `--output ${name}`;
      throw new JobError(
        'usage',
        `${option} takes a name that ends in .parquet, .jsonl or .csv, not ${text}`,
      );
    }),
  );
}

/** The model with those of its outputs that a job writes. */
export interface WrittenModel {
  readonly model: LoadedModel;
  /** The places of its tables, in their order. */
  readonly files: readonly TableFile[];
  readonly notes: readonly string[];
}

/**
 * Returns the model with those of its outputs that the job writes. OUTPUT, or --table, is its first table.
 *
 * @throws {JobError} model: when it does not give what the job should write.
 */
export function modelFor(
  model: LoadedModel,
  output: OutputKind,
  besides: readonly Omit<TableBeside, 'location'>[],
): WrittenModel {
  const { io, tables } = model;
  const [first] = tables;
  if (output.kind === 'video' && io.io === 'table') {
    throw new JobError('model', `"${model.file}" gives a table and no picture`, {
      hint: 'give an OUTPUT whose name ends in .parquet, .jsonl or .csv, or --format parquet with --out-dir',
    });
  }
  if ((output.kind === 'table' || besides.length > 0) && first === undefined) {
    throw new JobError('model', `"${model.file}" gives no table`, {
      hint:
        besides.map(({ name }) => pictureHint(model.pictures, name)).find((hint) => hint !== undefined) ??
        'name the output that becomes rows in a manifest of format 2, with the role "table"; framescatter models inspect prints one',
    });
  }
  const places = placesOf(model, output, besides);
  const written = tables.filter(({ name }) => places.has(name));
  const left = tables.filter(({ name }) => !places.has(name));
  const notes = left.map(({ name }) => {
    const which = tables.length === 1 ? 'a table' : `the table "${name}"`;
    const option = name === first?.name && output.kind === 'video' ? '--table FILE' : `--output ${name}=FILE`;
    return `the model also gives ${which}, which is not written: with one INPUT, ${option} writes it`;
  });
  // A picture that nobody keeps need not be made.
  const isUnkept = output.kind === 'table' && io.io === 'rgb';
  const kept = isUnkept ? ({ io: 'table', input: io.input, chroma: io.chroma, fit: 'stretch' } as const) : io;
  const pictures = isUnkept ? [] : model.pictures;
  return { model: { ...model, io: kept, tables: written, pictures }, files: [...places.values()], notes };
}

/** Returns what to do where a picture was to be written as a table; undefined if `name` is none. */
function pictureHint(pictures: LoadedModel['pictures'], name: string | undefined): string | undefined {
  return pictures.some((one) => one.name === name)
    ? `"${name}" is a picture: give --output ${name} a name that ends in .mp4, .mov, .mkv or .webm`
    : undefined;
}

/** Returns the place of each table that is written, by its name, in the order of the model's tables. */
function placesOf(
  { file, tables, pictures }: LoadedModel,
  output: OutputKind,
  besides: readonly Omit<TableBeside, 'location'>[],
): ReadonlyMap<string, TableFile> {
  const [first] = tables;
  const places = new Map<string, TableFile>();
  if (first !== undefined && output.kind === 'table')
    places.set(first.name, { format: output.format, beside: undefined });
  for (const { name = first?.name ?? '', destination, format } of besides) {
    if (!tables.some((one) => one.name === name)) {
      const own = tables.map((one) => one.name);
      throw new JobError(
        'model',
        `"${file}" has no table "${name}"${didYouMean(name, own)}; it has ${own.join(', ')}`,
        {
          hint:
            pictureHint(pictures, name) ??
            'correct the name after --output, or add the role "table" in its manifest',
        },
      );
    }
    if (places.has(name)) {
      const option = output.kind === 'table' ? 'OUTPUT' : '--table';
      throw new JobError('usage', `${option} is the table "${name}", so --output ${name} does not apply`);
    }
    places.set(name, { format, beside: destination });
  }
  return new Map(
    tables.flatMap(({ name }) => {
      const place = places.get(name);
      return place === undefined ? [] : [[name, place] as const];
    }),
  );
}
