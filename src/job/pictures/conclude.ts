/** The end of a job of pictures, on the root: accounts for every picture, publishes, and tells the result. */
import { clock } from '../../report/progress.js';
import { JobError } from '../../system/errors.js';
import type { RunContext } from '../context/context.js';
import type { StorageContext } from '../context/storage-context.js';
import { discardWork } from '../journal/work.js';
import { publish } from '../output/publication.js';
import { TABLE_TYPES } from '../prepare/outputs.js';
import { environmentOf } from '../report/environment.js';
import type { RankReport } from '../report/limits.js';
import {
  countsLine,
  type FailedPicture,
  MOST_REPORTED,
  type PictureCounts,
  picturesReport,
  someNames,
} from '../report/pictures-report.js';
import { isPage, writeReport } from '../report/write-report.js';
import type { PictureInput } from './find.js';
import { picturePairs } from './picture-pairs.js';
import { makePictureTable } from './picture-table.js';
import type { PictureWork } from './picture-work.js';
import { outputOf, type PreparedPictures } from './prepare-pictures.js';
import { type Recorded, stampOf } from './remaining.js';
import { digestOfSources } from './sources.js';

interface Ended {
  readonly context: RunContext;
  readonly prepared: PreparedPictures;
  readonly work: PictureWork;
  readonly storage: StorageContext;
  readonly ranks: readonly RankReport[];
  readonly wallSeconds: number;
  readonly pipelineSeconds: number;
}

/**
 * Publishes the table, if one is made, and removes the journal; unless more pictures failed than may: then
 * the journal stays, and the same command makes these again.
 *
 * @throws {JobError} pictures: when more failed than may.
 */
export async function concludePictures(ended: Ended): Promise<void> {
  const { context, prepared, work, storage, ranks, wallSeconds, pipelineSeconds } = ended;
  const { log, version } = context;
  const { options, target, model } = prepared;
  const failures = failuresOf(prepared.pictures, work.recorded);
  const counts = await account(prepared, work, failures.count);
  const most = options.maxFailures ?? 0;
  const tooMany = failures.count > most;
  const table = target.kind === 'table' && !tooMany ? await publishTable(prepared, work, target) : undefined;
  const warnings = [...(table?.warnings ?? []), ...oddities(prepared.pictures, work)];
  for (const warning of warnings) log.warn(warning);
  if (options.report !== undefined) {
    const output = {
      path: target.kind === 'table' ? target.destination.display : nameOfFiles(prepared, work),
      ...(table === undefined ? {} : { table: table.display, tableRows: table.rows }),
      ...{ model: model.name, modelSize: model.size, modelSha256: model.sha256 },
    };
    const stills = isPage(options.report) ? await picturePairs(prepared, work, storage) : undefined;
    const facts = {
      version,
      stills,
      environment: await environmentOf(context.world.library, context.machines ?? []),
      output,
      pictures: counts,
      failures: failures.first,
      ranks,
      wallSeconds,
      pipelineSeconds,
      warnings,
    };
    const json = picturesReport({ ...facts, resumes: work.journal.resumes });
    const page = async () => (await import('../report/page/pictures-page.js')).picturesPage(json, stills);
    await writeReport(options.report, { json, page });
  }
  const made = counts.done - counts.kept;
  const speed = wallSeconds > 0 ? made / wallSeconds : 0;
  const size = `${context.world.size} rank${context.world.size === 1 ? '' : 's'}`;
  log.info(countsLine(counts), { event: 'pictures', ...counts });
  if (made > 0)
    log.info(`${made} in ${clock(wallSeconds)} (${speed.toFixed(speed < 10 ? 2 : 1)} per second) on ${size}`);
  if (tooMany) throw tooManyFailed(failures, counts, target.kind === 'table');
  if (table === undefined) log.info(`wrote ${nameOfFiles(prepared, work)}`);
  else log.info(`wrote ${table.display}, ${table.rows} rows`);
  await discardWork(work.journal.store, storage.log);
}

interface Failures {
  readonly count: number;
  readonly first: readonly FailedPicture[];
}

function failuresOf(pictures: readonly PictureInput[], recorded: ReadonlyMap<string, Recorded>): Failures {
  const first: FailedPicture[] = [];
  let count = 0;
  for (const { key, display } of pictures) {
    const error = recorded.get(key)?.record.error ?? null;
    if (error === null) continue;
    count += 1;
    if (first.length < MOST_REPORTED) first.push({ file: display, error });
  }
  return { count, first };
}

/**
 * Counts the pictures, each of which must have a record or have been skipped.
 *
 * @throws {JobError} internal: when one has neither.
 */
async function account(
  { pictures }: PreparedPictures,
  { recorded, remaining }: PictureWork,
  failed: number,
): Promise<PictureCounts> {
  const { kept, skipped } = remaining;
  const total = pictures.length;
  if (recorded.size + skipped !== total)
    throw new JobError(
      'internal',
      `${total} pictures, of which ${recorded.size} are recorded and ${skipped} skipped`,
    );
  return { total, done: recorded.size - failed, kept: kept.size, failed, skipped };
}

async function publishTable(
  { pictures, identity, model, job, options }: PreparedPictures,
  { journal, recorded }: PictureWork,
  { plan, format, destination }: PreparedPictures['target'] & { readonly kind: 'table' },
) {
  const metadata = {
    model_sha256: model.sha256,
    framescatter_version: String(identity['framescatter version']),
  };
  const made = await makePictureTable({ journal, plan, format, pictures, recorded, metadata });
  const labels = { contentType: TABLE_TYPES[format], metadata };
  const { overwrite } = options;
  await journal.store.check();
  const sources = await digestOfSources(pictures, async ({ key }) => stampOf(recorded.get(key)));
  await publish(
    journal.store,
    { ...identity, sources },
    { destination, file: made.file, labels, overwrite },
    [],
  );
  return { ...made, display: destination.display, output: job.output };
}

/** Returns warnings about results that are not what they might be taken for. */
function oddities(pictures: readonly PictureInput[], { recorded, paged }: PictureWork): readonly string[] {
  const odd = pictures.filter(({ key }) => {
    const record = recorded.get(key)?.record;
    return record !== undefined && record.error === null && !record.finite;
  });
  const names = someNames(
    odd.map(({ display }) => display),
    odd.length,
  );
  const pages = paged();
  return [
    ...(odd.length === 0
      ? []
      : [`the model gave NaN or infinity in ${odd.length} of ${pictures.length} pictures: ${names}`]),
    ...(pages === 0
      ? []
      : [`${pages} picture${pages === 1 ? ' has' : 's have'} more pages or frames: the first was taken`]),
  ];
}

function nameOfFiles({ target, pictures }: PreparedPictures, { outputs }: PictureWork): string {
  const [first] = pictures;
  if (target.kind !== 'files' || outputs === undefined || first === undefined) return '';
  return target.single === undefined ? outputs.display('') : outputs.display(outputOf(first, target).name);
}

function tooManyFailed({ count, first }: Failures, { total }: PictureCounts, isTable: boolean): JobError {
  const names = someNames(
    first.map(({ file, error }) => `${file} (${error})`),
    count,
  );
  const rest = isTable ? 'the table is not made yet; what was found is kept' : 'the others are done';
  return new JobError('pictures', `${count} of ${total} pictures failed: ${names}; ${rest}`, {
    hint: 'correct or remove these, and run the same command again, which keeps what is done; or allow failures with --max-failures',
  });
}
