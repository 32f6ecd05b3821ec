/** Every decision of a job of pictures before the first picture, on the root. */

import { dirname } from 'node:path';
import { composePicture, type PictureGraph } from '../../model/compose/picture-graph.js';
import type { OneTable } from '../../model/compose/table-ends.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { SessionGraphs } from '../../model/session/precision.js';
import { autoProvider, PROVIDERS } from '../../model/session/providers.js';
import { formatOfName } from '../../pictures/formats.js';
import {
  atName,
  below,
  displayText,
  type Location,
  lastName,
  parseLocation,
  textOf,
} from '../../storage/location/location.js';
import { visibleGpus } from '../../system/devices.js';
import { JobError, OutputExists, UNDECODED, undecoded } from '../../system/errors.js';
import { PICTURE_COLUMNS } from '../../table/schema.js';
import { type TableFormat, tableFormatOf } from '../../table/write.js';
import type { RankMachine } from '../context/machine.js';
import type { JobOptions, PicturesOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from '../journal/identity.js';
import { checkWork, earlierWork, workLocation } from '../journal/work.js';
import { type Destination, openDestination } from '../output/destination.js';
import { isSameJob, publishedIdentity, removeEmptyWork } from '../output/publication.js';
import { batchFor } from '../prepare/batch.js';
import { cpuPrecision, ON_CPUS } from '../prepare/cpu-precision.js';
import { type MoreFiles, refuseSharedFiles } from '../prepare/files-apart.js';
import { mainPicture } from '../prepare/further-videos.js';
import { modelFor } from '../prepare/outputs.js';
import type { PictureInput, PicturesWork } from './find.js';
import { refuseSourcesFolder } from './picture-outputs.js';
import { type Entry, graphsOf } from './picture-sessions.js';
import { inputReader } from './read-input.js';
import { digestOfSources } from './sources.js';

export interface PreparedPictures {
  readonly options: PicturesOptions;
  readonly pictures: readonly PictureInput[];
  readonly model: LoadedModel;
  readonly entry: Entry;
  /** The graph that every rank opens first: the only one, or a small one that shows that the model runs. */
  readonly trial: PictureGraph;
  readonly graphs: SessionGraphs;
  readonly onCpus: 'fp32' | 'int8';
  readonly target: PreparedTarget;
  /** The job as the journal and the publication know it. */
  readonly job: JobOptions;
  readonly identity: Identity;
  /** True if an earlier run has published the one output, so that only its work is left to remove. */
  readonly published: boolean;
  readonly notes: readonly string[];
}

/** The output of a job of one picture. */
export interface SingleOutput {
  readonly name: string;
  readonly destination: Destination;
}

/** Where the result goes. */
export type PreparedTarget =
  | { readonly kind: 'files'; readonly folder: Location; readonly single: SingleOutput | undefined }
  | {
      readonly kind: 'table';
      readonly destination: Destination;
      readonly format: TableFormat;
      readonly plan: OneTable;
    };

/** Size of the picture on which a model that takes any size is tried. */
const TRIAL = { width: 64, height: 64 };
/** Name of the job in a folder of outputs; its work lies beside. */
const IN_FOLDER = 'pictures';

/**
 * Inspects model, inputs and destination. Reads no picture.
 *
 * @throws {JobError} usage, output, model or limit: when the job cannot be done.
 */
export async function preparePictures(
  { options, found }: PicturesWork,
  readModel: () => Promise<LoadedModel>,
  version: string,
  storage: StorageContext,
  machines: readonly RankMachine[],
): Promise<PreparedPictures> {
  const { pictures } = found;
  const { target, batch: askedBatch } = options;
  const place = parseLocation(target.name);
  const job = jobOf(options, pictures, place);
  const inTheWay = await checkTarget(options, pictures, place, job, storage);
  await refuseSharedFiles([job], options.list, replaced(options, pictures, place));
  await checkWork(job, storage);
  const model = modelOf(await readModel(), target.name, target.kind === 'table');
  const onCpus = cpuPrecision(
    model,
    options,
    machines,
    options.precision === 'int8' ? await earlierWork(job) : undefined,
  );
  if (onCpus.warning !== undefined) storage.log.warn(onCpus.warning);

  const fitted = model.io.io === 'table' && model.fixedSize !== undefined ? model.fixedSize : undefined;
  const batch = fitted
    ? batchFor(askedBatch, model, fitted, onGpu(options)).frames
    : ownBatch(model, askedBatch);
  const trial = composePicture(model, fitted ?? model.fixedSize ?? TRIAL, batch);
  const { bytes: _, ...facts } = trial;
  const fit = model.io.io === 'table' ? model.io.fit : 'stretch';
  const entry: Entry =
    fitted === undefined
      ? { kind: 'own-size', batch }
      : { kind: 'fitted', to: { size: fitted, fit }, graph: facts };
  const graphs = graphsOf(trial, model, options, onCpus.precision);
  const prepared = await targetOf(target, place, trial, storage);
  const identity: Identity = {
    'framescatter version': version,
    pictures: prepared.kind === 'table' ? prepared.format : 'pictures',
    // Groups end in any order.
    split: 'segments',
    model: model.sha256,
    provider: options.provider,
    precision: options.precision,
    [ON_CPUS]: onCpus.precision,
    batch,
  };
  const made = inTheWay && (await publishedIdentity(job, inTheWay.destination));
  const published =
    made !== undefined &&
    isSameJob(
      { ...identity, sources: await digestOfSources(pictures, inputReader(storage.stopped).stamp) },
      made,
    );
  if (inTheWay !== undefined && !published) {
    await removeEmptyWork(workLocation(job), storage.log);
    throw inTheWay.error;
  }
  const fitNote =
    fitted === undefined
      ? []
      : [
          `pictures are fitted to ${fitted.width}x${fitted.height}, the model's size (${fit}; "fit" in its manifest says how)`,
        ];
  return {
    ...{ options, pictures, model, entry, trial, graphs, job, identity, published },
    onCpus: onCpus.precision,
    target: prepared,
    notes: [...found.notes, ...model.notes, ...graphs.notes, ...fitNote],
  };
}

/** Returns the job as one of videos has it: its output decides where the work lies. */
function jobOf(options: PicturesOptions, pictures: readonly PictureInput[], place: Location): JobOptions {
  const { inputs: _, list: __, target, ...run } = options;
  const output = target.kind === 'folder' ? textOf(below(place, IN_FOLDER)) : target.name;
  const [first] = pictures;
  return { ...run, input: first === undefined ? '' : textOf(first.location), output };
}

/** Returns the files of a job that may replace some: others replace none, and need no look at every file. */
function replaced(
  { target, overwrite }: PicturesOptions,
  pictures: readonly PictureInput[],
  place: Location,
): MoreFiles | undefined {
  if (!overwrite || target.kind !== 'folder') return undefined;
  return {
    inputs: pictures.map(({ location }) => location),
    outputs: pictures.map(({ name }) => below(place, name)),
  };
}

interface InTheWay {
  readonly error: OutputExists;
  readonly destination: Destination;
}

/** Checks that outputs can be written. Returns a single one that is there already: it may be this job's. */
async function checkTarget(
  { target, overwrite }: PicturesOptions,
  pictures: readonly PictureInput[],
  place: Location,
  job: JobOptions,
  storage: StorageContext,
): Promise<InTheWay | undefined> {
  if (target.kind === 'folder') {
    if (target.name.includes(UNDECODED)) throw undecoded('output', displayText(target.name));
    refuseSameNames(pictures);
    const sources = pictures.map(({ location }) => location);
    await refuseSourcesFolder(place, sources);
    return undefined;
  }
  if (target.kind === 'picture' && pictures.length !== 1) {
    throw new JobError(
      'usage',
      `${displayText(target.name)} is one picture, and there are ${pictures.length} to make`,
      {
        hint: 'give a folder for them: --out-dir DIR',
      },
    );
  }
  const destination = await openDestination(place, storage);
  try {
    await destination.check(parseLocation(job.input), overwrite);
  } catch (error) {
    if (error instanceof OutputExists) return { error, destination };
    throw error;
  }
  return undefined;
}

function refuseSameNames(pictures: readonly PictureInput[]): void {
  const taken = new Map<string, string>();
  for (const { name, display } of pictures) {
    const other = taken.get(name);
    if (other !== undefined) {
      throw new JobError('usage', `two pictures would have the output ${name}: ${other} and ${display}`, {
        hint: 'rename one of them, or process it with another --out-dir',
      });
    }
    taken.set(name, display);
  }
}

/** Returns the model with the output that the job writes. */
function modelOf(model: LoadedModel, name: string, isTable: boolean): LoadedModel {
  if (isTable) return modelFor(model, { kind: 'table', format: tableFormatOf(name) ?? 'csv' }, []).model;
  if (model.io.io !== 'table') return { ...mainPicture(model), tables: [] };
  throw new JobError('model', `"${model.file}" gives a table and no picture`, {
    hint: 'give an OUTPUT whose name ends in .parquet, .jsonl or .csv',
  });
}

/** Returns the batch of a model that gets pictures in sizes of their own: one at a time. */
function ownBatch(model: LoadedModel, asked: 'auto' | number): number {
  const batch = model.fixedBatch ?? 1;
  if (asked === 'auto' || asked === batch) return batch;
  throw new JobError(
    'usage',
    `"${model.name}" gets pictures of any size one by one, so --batch does not apply`,
  );
}

async function targetOf(
  target: PicturesOptions['target'],
  place: Location,
  { table: plan }: PictureGraph,
  storage: StorageContext,
): Promise<PreparedTarget> {
  if (target.kind === 'folder') return { kind: 'files', folder: place, single: undefined };
  const name = lastName(place);
  const destination = await openDestination(place, storage);
  if (target.kind === 'picture')
    return { kind: 'files', folder: parentOf(place), single: { name, destination } };
  const format = tableFormatOf(name);
  if (format === undefined || plan === undefined) throw new JobError('internal', 'there is no table');
  refuseColumns(plan);
  return { kind: 'table', destination, format, plan };
}

function parentOf(place: Location): Location {
  if (place.kind === 'file') return { kind: 'file', path: dirname(place.path) };
  return atName(place, place.name.slice(0, Math.max(0, place.name.lastIndexOf('/'))));
}

/** Refuses a column of the model with the name of one of the first columns. */
function refuseColumns({ spec }: OneTable): void {
  const own = spec.kind === 'values' ? spec.column : undefined;
  if (!PICTURE_COLUMNS.some(({ name }) => name === own)) return;
  throw new JobError('model', `no column of values can have the name "${own}" in a table of pictures`, {
    hint: 'rename the output in the ONNX file',
  });
}

function onGpu({ provider }: PicturesOptions): boolean {
  return PROVIDERS[provider === 'auto' ? autoProvider(visibleGpus()) : provider].gainsFromBatches;
}

/** Returns the name of the output of a picture, and its format. */
export function outputOf(
  { name }: PictureInput,
  { single }: PreparedTarget & { readonly kind: 'files' },
): { readonly name: string; readonly format: NonNullable<ReturnType<typeof formatOfName>> } {
  const own = single?.name ?? name;
  const format = formatOfName(own);
  if (format === undefined) throw new JobError('internal', `${own} is no name of a picture`);
  return { name: own, format };
}
