import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { JobError } from '../errors.js';
import { checkBlobStore, openBlobStore } from '../storage/blob-work-store.js';
import { lockFolder } from '../storage/folder-lock.js';
import { atName, type Location, parseLocation } from '../storage/location.js';
import { openPlace } from '../storage/place.js';
import { openLocalStore, type WorkStore } from '../storage/work-store.js';
import {
  earlierIdentity,
  glanceAtIdentity,
  type Identity,
  type Journal,
  openJournal,
  refuseStrangers,
} from './journal.js';
import type { JobOptions } from './options.js';
import type { Site } from './site.js';

/** Encoder threads are part of the journal; more than this gains little and costs memory. */
const MOST_ENCODER_THREADS = 16;

/** Where a job's journal is: what `--work-dir` says, else beside the output, in whichever kind of storage that is. */
export function workLocation(options: Pick<JobOptions, 'workDir' | 'output'>): Location {
  if (options.workDir !== undefined) return parseLocation(options.workDir);
  const output = parseLocation(options.output);
  if (output.kind === 'file') return { kind: 'file', path: `${output.path}.framescatter` };
  return atName(output, `${output.name}.framescatter`);
}

/** Refuses a journal that could not be written in Blob storage, before any work is done. */
export async function checkWork(options: JobOptions, site: Site): Promise<void> {
  const location = workLocation(options);
  if (location.kind === 'file') return;
  try {
    await checkBlobStore(location, site.stopped);
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
  return options.restart ? undefined : glanceAtIdentity(await openPlace(workLocation(options)));
}

/**
 * Opens the job's journal, alone: a second job on the same one is refused. `identify` tells what this job is, given what
 * an earlier run's journal says of it, and what it chose for that; where it refuses a job that has no earlier run, nothing
 * is left of the journal.
 */
export async function openWork<T>(
  options: JobOptions,
  site: Site,
  identify: (earlier: Identity | undefined) => Promise<{ readonly identity: Identity; readonly chosen: T }>,
): Promise<{ readonly journal: Journal; readonly unlock: () => Promise<void>; readonly chosen: T }> {
  const location = workLocation(options);
  let { store, unlock } = await openStore(location, site);
  let isNew = false;
  try {
    if (options.restart) {
      await refuseStrangers(store);
      await unlock();
      await store.destroy();
      ({ store, unlock } = await openStore(location, site));
    }
    const threads = Math.min(MOST_ENCODER_THREADS, availableParallelism());
    const earlier = await earlierIdentity(store);
    isNew = earlier === undefined;
    const { identity, chosen } = await identify(earlier);
    return { journal: await openJournal(store, identity, threads), unlock, chosen };
  } catch (error) {
    await unlock();
    if (isNew) await store.destroy();
    throw error;
  }
}

async function openStore(
  location: Location,
  site: Site,
): Promise<{ readonly store: WorkStore; readonly unlock: () => Promise<void> }> {
  if (location.kind === 'file') {
    const store = await openLocalStore(location.path);
    return { store, unlock: await lockFolder(location.path) };
  }
  return openBlobStore(location, {
    scratch: join(await site.scratch.folder(), 'work'),
    signal: site.stopped,
    onWait: (holder) =>
      site.log.info(
        `${location.url} is locked${holder === '' ? '' : ` by ${holder}`}: waiting to see if that job still lives`,
      ),
  });
}
