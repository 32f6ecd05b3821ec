/** The root's side of a running job of pictures: its journal, what is left to make, and what is done. */
import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { type Progress, showProgress } from '../../report/progress.js';
import { scratchNames } from '../../storage/local/work-names.js';
import { actionable, JobError, OutputExists } from '../../system/errors.js';
import type { Monitor } from '../../telemetry/metrics.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Journal } from '../journal/journal.js';
import type { PictureRecord } from '../journal/picture-record.js';
import { closeWork, openWork } from '../journal/work.js';
import type { Destination } from '../output/destination.js';
import { publish as publishOutput } from '../output/publication.js';
import type { LoadedPiece } from '../split/deal.js';
import { groupSize, type PictureGroup, readGroup, readGroups } from './groups.js';
import type { GroupDone, GroupOrder, MadePicture } from './messages.js';
import { type FinishedPicture, labelsOf, openOutputs, type PictureOutputs } from './picture-outputs.js';
import { outputOf, type PreparedPictures } from './prepare-pictures.js';
import { inputReader } from './read-input.js';
import { type Recorded, type Remaining, recordsOf, remainingOf, type ToMake } from './remaining.js';
import { digestOfSources } from './sources.js';

/** Disposing of it keeps the journal, unless it was discarded or holds nothing. */
export interface PictureWork extends AsyncDisposable {
  readonly journal: Journal;
  readonly outputs: PictureOutputs | undefined;
  readonly remaining: Remaining;
  /** Every picture that is made or failed so far, by its key: of this run, and those that were kept. */
  readonly recorded: ReadonlyMap<string, Recorded>;
  readonly progress: Progress;
  /** Approximate number of groups. */
  readonly count: number;
  /** Pictures of which only the first page or frame was taken. */
  readonly paged: () => number;
  groups(): AsyncGenerator<LoadedPiece<PictureGroup>, void, undefined>;
  /** Reads groups once more. */
  again(indexes: ReadonlySet<number>): AsyncGenerator<LoadedPiece<PictureGroup>, void, undefined>;
  describe(group: PictureGroup): GroupOrder;
  /** Records a finished group, and then puts its pictures in place. */
  record(done: GroupDone, data: Uint8Array): Promise<void>;
}

/** The most failures that are told while the job runs. */
const MOST_TOLD = 10;

/** Opens the journal, and finds what is left to make. */
export async function openPictureWork(
  prepared: PreparedPictures,
  storage: StorageContext,
  monitor: Monitor,
): Promise<PictureWork> {
  const { job, identity, target, pictures, entry, model } = prepared;
  const { log } = storage;
  const { journal } = await openWork(job, storage, async () => ({ identity, chosen: undefined }));
  let progress: Progress | undefined;
  let holdsWork = journal.resumes > 0 || journal.segments.length > 0;
  const close = async (): Promise<void> => {
    progress?.[Symbol.dispose]();
    await closeWork(journal.store, { keep: holdsWork, log });
  };
  try {
    const reader = inputReader(storage.stopped);
    const labels = {
      model_sha256: model.sha256,
      framescatter_version: String(identity['framescatter version']),
    };
    const outputs =
      target.kind === 'files'
        ? await openOutputs(target.folder, journal.store, labels, storage.stopped)
        : undefined;
    const earlier = recordsOf(journal.segments);
    const remaining = await remainingOf(prepared, earlier, outputs, reader);
    const { toMake, kept, skipped } = remaining;
    const recorded = new Map(kept);
    if (kept.size > 0) log.info(`resuming after ${counted(kept.size)} of an earlier run`);
    if (skipped > 0) log.info(skippedLine(skipped));
    const batch = entry.kind === 'fitted' ? entry.graph.batch : 1;
    const size = groupSize(toMake.length, batch);
    const first = journal.segments.reduce((most, { index }) => Math.max(most, index + 1), 0);
    const groups = new Map<number, PictureGroup>();
    const total = pictures.length - skipped;
    progress = showProgress(log, total, kept.size, () => journal.videoBytes, 'pictures');
    const shown = progress;
    monitor.begin(total, kept.size);
    let told = 0;
    /** Why pictures that were made are not in place, by their keys. */
    const late = new Map<string, string>();
    let paged = 0;

    const formatOf = ({ input }: ToMake) => (target.kind === 'files' ? outputOf(input, target).format : null);

    function tellFailure({ input }: ToMake, error: string): void {
      const line = `${input.display} failed: ${error}`;
      if (told < MOST_TOLD) log.warn(line, { event: 'picture failed', picture: input.display });
      else log.detail(line);
      if (told === MOST_TOLD) log.warn('more pictures failed: --report lists them, and --verbose shows them');
      told += 1;
    }

    async function publish(index: number, group: PictureGroup, records: readonly PictureRecord[]) {
      if (outputs === undefined || target.kind !== 'files') return;
      for (const [place, member] of group.members.entries()) {
        const made = records[place]?.output;
        if (made === undefined || made === null) continue;
        const { name, format } = outputOf(member.input, target);
        const file = journal.store.temporary(scratchNames.picture(index, place));
        const finished = { file, sha256: made.sha256, format };
        const { single } = target;
        if (single !== undefined) {
          const sources = await digestOfSources([member.input], async () => records[place]?.stamp);
          await publishSingle(single.destination, finished, member.replace, sources);
        } else await putInPlace(outputs, name, finished, member);
      }
    }

    /** Puts a picture in place. A file that has appeared there is left, and its picture fails. */
    async function putInPlace(
      { publish, display }: PictureOutputs,
      name: string,
      finished: FinishedPicture,
      { input, replace }: ToMake,
    ): Promise<void> {
      try {
        await publish(name, finished, replace);
      } catch (error) {
        if (!(error instanceof OutputExists)) throw error;
        late.set(input.key, `${display(name)} appeared while the job ran, and was left as it is`);
        await rm(finished.file, { force: true });
      }
    }

    /** Publishes the one output with a record of whose it is, which outlasts the rest of the work. */
    async function publishSingle(
      destination: Destination,
      finished: FinishedPicture,
      overwrite: boolean,
      sources: string,
    ) {
      const { file } = finished;
      const output = { destination, file, labels: labelsOf(finished, labels), overwrite };
      await publishOutput(journal.store, { ...identity, sources }, output, []);
      await rm(file, { force: true });
    }

    return {
      ...{ journal, outputs, remaining, recorded, progress },
      count: Math.ceil(toMake.length / size),
      paged: () => paged,

      async *groups() {
        for await (const group of readGroups(toMake, { first, size }, reader, formatOf)) {
          groups.set(group.piece.index, group.piece);
          yield group;
        }
      },

      async *again(indexes) {
        for (const [index, { members }] of groups)
          if (indexes.has(index)) yield await readGroup(index, members, reader, formatOf);
      },

      describe: ({ index, sent }) => ({ kind: 'piece', index, pictures: sent }),

      async record({ index, began, pictures: made }, data) {
        const group = groups.get(index);
        if (group === undefined) throw new JobError('internal', `no group has the number ${index}`);
        const results = resultsOf(group, made, data);
        const records = results.map(({ record }) => record);
        try {
          for (const [place, { data: file }] of results.entries()) {
            if (file.length > 0 && target.kind === 'files')
              await writeDurably(journal.store.temporary(scratchNames.picture(index, place)), file);
          }
          let rows: string | undefined;
          if (target.kind === 'table') {
            rows = journal.store.temporary(scratchNames.rows(index));
            await writeDurably(rows, Buffer.concat(results.map((one) => one.data)));
          }
          const pts = records.map((_, place) => place);
          await journal.record({ index, frames: pts.length, pts, pictures: records }, { videos: [], rows });
          holdsWork = true;
          await publish(index, group, records);
        } catch (error) {
          throw actionable(error, journal.store.location);
        }
        groups.delete(index);
        let rowsAt = 0;
        for (const [place, member] of group.members.entries()) {
          const own = records[place];
          if (own === undefined) continue;
          const record = { ...own, error: late.get(member.input.key) ?? own.error };
          recorded.set(member.input.key, { segment: index, rowsAt, record });
          rowsAt += record.rows?.bytes ?? 0;
          if (record.error !== null) tellFailure(member, record.error);
          if ((made.find((one) => one.place === place)?.furtherPages ?? 0) > 0) paged += 1;
          shown.advance();
          monitor.frame();
        }
        log.detail(`group ${index} is recorded: ${counted(records.length)}`, {
          event: 'segment',
          segment: index,
        });
        monitor.segment(index, records.length, began);
      },

      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }

  /** Returns the records of a group with what was made of each picture. */
  function resultsOf(group: PictureGroup, made: readonly MadePicture[], data: Uint8Array) {
    const isTable = target.kind === 'table';
    let from = 0;
    const ofPlace = new Map(
      made.map((one) => {
        from += one.bytes;
        return [one.place, { one, data: data.subarray(from - one.bytes, from) }] as const;
      }),
    );
    return group.members.map(
      ({ input }, place): { readonly record: PictureRecord; readonly data: Uint8Array } => {
        const found = ofPlace.get(place);
        const source = { source: input.key };
        if (found === undefined) {
          const error = group.refused.get(place) ?? 'it was not made';
          const none = {
            stamp: { bytes: 0, changed: '' },
            sha256: '',
            output: null,
            rows: null,
            finite: true,
          };
          return { record: { ...source, ...none, error }, data: new Uint8Array(0) };
        }
        const { stamp, sha256, error, finite, bytes, shapes } = found.one;
        const isMade = error === null;
        const output = isMade && !isTable ? { bytes, sha256: sha256Of(found.data) } : null;
        const rows = isMade && isTable && shapes !== null ? { bytes, shapes } : null;
        return { record: { ...source, stamp, sha256, error, output, rows, finite }, data: found.data };
      },
    );
  }
}

function skippedLine(count: number): string {
  const what =
    count === 1
      ? '1 picture is skipped: its output exists'
      : `${count} pictures are skipped: their outputs exist`;
  return `${what} already (--overwrite replaces)`;
}

function counted(pictures: number): string {
  return pictures === 1 ? '1 picture' : `${pictures} pictures`;
}

function sha256Of(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

async function writeDurably(path: string, data: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx');
  await file.writeFile(data);
  await file.sync();
}
