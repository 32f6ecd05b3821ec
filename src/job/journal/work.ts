import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../report/log.js';
import { checkBlobStore, openBlobStore } from '../../storage/azure/blob-work-store.js';
import { openFolder } from '../../storage/folder.js';
import { PUBLICATION } from '../../storage/local/work-names.js';
import { openLocalStore, type WorkStore } from '../../storage/local/work-store.js';
import { workBeside } from '../../storage/location/derived-names.js';
import { display, type Location, parseLocation } from '../../storage/location/location.js';
import { endOrphans } from '../../system/children.js';
import { JobError, messageOf } from '../../system/errors.js';
import type { EncoderWork } from '../../video/codecs/codec.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from './identity.js';
import { earlierIdentity, type Journal, openJournal, readIdentity } from './journal.js';
import { modelOptions } from './model-options.js';

/**
 * The same for every encoder on every machine: the output of x264, x265 and libvpx depends on their threads.
 * More threads gain little and cost memory; on two cores 16 threads take 2 % more processor time than two.
 */
export const ENCODER_WORK: EncoderWork = { threads: 16, picturesAtOnce: 1 };

/**
 * Returns the location of a job's journal: `--work-dir`, or a folder beside the output, on disk or in Blob
 * storage.
 */
export function workLocation(options: Pick<JobOptions, 'workDir' | 'output'>): Location {
  if (options.workDir !== undefined) return parseLocation(options.workDir);
  return workBeside(parseLocation(options.output));
}

/**
 * Checks, before any work is done, that a journal in Blob storage can be written.
 *
 * @throws {JobError} journal: when it cannot.
 */
export async function checkWork(options: JobOptions, storage: StorageContext): Promise<void> {
  const location = workLocation(options);
  if (location.kind === 'file') return;
  try {
    await checkBlobStore(location, storage.stopped);
  } catch (error) {
    if (!(error instanceof JobError) || error.code !== 'journal' || options.workDir !== undefined)
      throw error;
    throw new JobError('journal', `the journal cannot be kept beside the output: ${error.message}`, {
      hint: 'give --work-dir a folder on this machine, or one in a container with a SAS that allows rwdl',
    });
  }
}

/**
 * Returns the identity of an earlier run's journal, before it is opened. `openWork` reports any problem with
 * it, and notices if it changes before then, since the identity must agree.
 */
export async function earlierWork(options: JobOptions): Promise<Identity | undefined> {
  return options.restart ? undefined : readIdentity(await openFolder(workLocation(options)));
}

/**
 * Opens and locks the job's journal; a second job on the same journal is refused. `identify` gets the
 * identity of an earlier run, and returns this job's identity and what it chose for it. If it throws and
 * there is no earlier run, the journal is removed.
 */
export async function openWork<T>(
  options: JobOptions,
  storage: StorageContext,
  identify: (earlier: Identity | undefined) => Promise<{ readonly identity: Identity; readonly chosen: T }>,
): Promise<{ readonly journal: Journal; readonly chosen: T }> {
  const location = workLocation(options);
  if (options.workDir === undefined) await refuseLink(location);
  const store = await openStore(location, storage);
  let isNew = false;
  try {
    if (options.restart) await store.clear();
    const earlier = await earlierIdentity(store);
    isNew = earlier === undefined;
    const { identity, chosen } = await identify(earlier);
    const words = modelOptions(options);
    const journal = await openJournal(store, identity, ENCODER_WORK, words, storage.log.warn);
    return { journal, chosen };
  } catch (error) {
    await closeWork(store, { keep: !isNew, log: storage.log });
    throw error;
  }
}

/** Refuses a link in place of the default work folder: nobody gave its name, so it may be a trap. */
async function refuseLink(location: Location): Promise<void> {
  const stats = location.kind === 'file' ? await lstat(location.path).catch(() => undefined) : undefined;
  if (stats?.isSymbolicLink() !== true) return;
  throw new JobError('journal', `${display(location)} is a link, which is not followed for the work folder`, {
    hint: 'remove it, or give its target by --work-dir',
  });
}

/** Closes and unlocks the work folder; without `keep` removes the work first. */
export async function closeWork(
  store: WorkStore,
  { keep, log }: { readonly keep: boolean; readonly log: Log },
): Promise<void> {
  if (!keep) await discardWork(store, log);
  await store[Symbol.asyncDispose]();
}

/** Removes the work. A failure is only logged: it must neither undo an output nor hide the error of a job. */
export async function discardWork(store: WorkStore, log: Log): Promise<void> {
  const remove = async (): Promise<void> => {
    await store.clear();
    await store.remove(PUBLICATION);
  };
  await remove().catch((error) => {
    log.warn(`the work of this job in ${store.location} cannot be removed: ${messageOf(error)}`);
  });
}

/** Opens and locks the work folder. Throws what `openLocalStore` and `openBlobStore` throw. */
export async function openStore(location: Location, storage: StorageContext): Promise<WorkStore> {
  await endOrphans();
  if (location.kind === 'file') return openLocalStore(location.path);
  return openBlobStore(location, {
    scratch: join(await storage.scratch.folder(), 'work'),
    signal: storage.stopped,
    onWait: (holder) =>
      storage.log.info(
        `${location.url} is locked${holder === '' ? '' : ` by ${holder}`}: waiting to see if that job is still running`,
      ),
  });
}
