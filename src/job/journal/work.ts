import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../report/log.js';
import { checkBlobStore, openBlobStore } from '../../storage/azure/blob-work-store.js';
import { PUBLICATION } from '../../storage/local/work-names.js';
import { openLocalStore, type WorkStore } from '../../storage/local/work-store.js';
import { workBeside } from '../../storage/location/derived-names.js';
import { display, type Location, parseLocation } from '../../storage/location/location.js';
import { openPlace } from '../../storage/place.js';
import { endOrphans } from '../../system/children.js';
import { JobError, messageOf } from '../../system/errors.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from './identity.js';
import { earlierIdentity, type Journal, openJournal, readIdentity } from './journal.js';

/**
 * Threads of every encoder, whatever the machine has: x264's, x265's and libvpx's output depends on them. More gain little and
 * cost memory; on two cores these take 2 % more processor time than two threads do.
 */
export const ENCODER_THREADS = 16;

/** Where a job's journal is: what `--work-dir` says, else beside the output, in whichever kind of storage that is. */
export function workLocation(options: Pick<JobOptions, 'workDir' | 'output'>): Location {
  if (options.workDir !== undefined) return parseLocation(options.workDir);
  return workBeside(parseLocation(options.output));
}

/** Refuses a journal that could not be written in Blob storage, before any work is done. */
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
 * What an earlier run's journal says of the job, before it is opened. What is amiss with it, `openWork` tells; that it changes
 * before then is noticed there too, since it must agree with what was made of this.
 */
export async function earlierWork(options: JobOptions): Promise<Identity | undefined> {
  return options.restart ? undefined : readIdentity(await openPlace(workLocation(options)));
}

/**
 * Opens the job's journal, alone: a second job on the same one is refused. `identify` tells what this job is, given what
 * an earlier run's journal says of it, and what it chose for that; where it refuses a job that has no earlier run, nothing
 * is left of the journal.
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
    return { journal: await openJournal(store, identity, ENCODER_THREADS, storage.log.warn), chosen };
  } catch (error) {
    await closeWork(store, { keep: !isNew, log: storage.log });
    throw error;
  }
}

/** Whoever wants the work elsewhere says so: a link of a name that nobody gave may be a trap. */
async function refuseLink(location: Location): Promise<void> {
  const stats = location.kind === 'file' ? await lstat(location.path).catch(() => undefined) : undefined;
  if (stats?.isSymbolicLink() !== true) return;
  throw new JobError('journal', `${display(location)} is a link, and the work is not kept where it leads`, {
    hint: 'remove it, or give --work-dir the folder itself',
  });
}

/** Gives the place of the work back; without `keep` the work goes first. */
export async function closeWork(
  store: WorkStore,
  { keep, log }: { readonly keep: boolean; readonly log: Log },
): Promise<void> {
  if (!keep) await discardWork(store, log);
  await store.close();
}

/** Removes the work. What cannot be removed is only said: it neither undoes an output nor hides what a job failed with. */
export async function discardWork(store: WorkStore, log: Log): Promise<void> {
  const remove = async (): Promise<void> => {
    await store.clear();
    await store.remove(PUBLICATION);
  };
  await remove().catch((error) => {
    log.warn(`the work of this job in ${store.location} cannot be removed: ${messageOf(error)}`);
  });
}

/** Opens the place of the work, alone. Errors: those of `openLocalStore` and `openBlobStore`. */
export async function openStore(location: Location, storage: StorageContext): Promise<WorkStore> {
  await endOrphans();
  if (location.kind === 'file') return openLocalStore(location.path);
  return openBlobStore(location, {
    scratch: join(await storage.scratch.folder(), 'work'),
    signal: storage.stopped,
    onWait: (holder) =>
      storage.log.info(
        `${location.url} is locked${holder === '' ? '' : ` by ${holder}`}: waiting to see if that job still lives`,
      ),
  });
}
