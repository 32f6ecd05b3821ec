/** What is written down before an output is put in place, so that a run that is killed right after that is known to be done. */

import { lstat, readdir } from 'node:fs/promises';
import type { Log } from '../../report/log.js';
import { isLock } from '../../storage/local/folder-lock.js';
import type { Announce } from '../../storage/local/publish-file.js';
import { PUBLICATION } from '../../storage/local/work-names.js';
import { openLocalStore, type WorkStore } from '../../storage/local/work-store.js';
import type { Location } from '../../storage/location/location.js';
import { openPlace } from '../../storage/place.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from '../journal/identity.js';
import { seal, unseal } from '../journal/sealed.js';
import { closeWork, openStore, workLocation } from '../journal/work.js';
import type { Destination } from './destination.js';

interface Publication {
  /** Of the job that made the output. */
  readonly identity: Identity;
  /** The output's stamp, once it is in place; null where it cannot be there yet. */
  readonly stamp: string | null;
  /** Name of a copy in the output's folder that has not taken its place. */
  readonly beside: string | null;
}

/** Puts the output in place, and writes down before each step what would be found of it. */
export async function publish(
  store: WorkStore,
  identity: Identity,
  destination: Destination,
  put: (announce: Announce) => Promise<void>,
): Promise<void> {
  const earlier = parsePublication(await store.readText(PUBLICATION));
  if (typeof earlier?.beside === 'string') await destination.removeCopy(earlier.beside);
  await put((found) => store.writeText(PUBLICATION, seal({ identity, ...found })));
}

/**
 * The identity of the job that made what is at the output now, where an earlier run put it there and was killed before its work
 * folder was gone. Undefined where nothing tells of that.
 */
export async function publishedIdentity(
  options: JobOptions,
  destination: Destination,
): Promise<Identity | undefined> {
  if (options.restart) return undefined;
  const place = await openPlace(workLocation(options));
  const publication = parsePublication(await place.readText(PUBLICATION).catch(() => undefined));
  if (typeof publication?.stamp !== 'string') return undefined;
  return publication.stamp === (await destination.stamp()) ? publication.identity : undefined;
}

/** Whether the job `identity` is the one that made the output. What was not asked for is absent in either. */
export function isSameJob(identity: Identity, made: Identity): boolean {
  const keys = new Set([...Object.keys(identity), ...Object.keys(made)]);
  return [...keys].every((key) => identity[key] === made[key]);
}

/** Removes what a run that had put its output in place has left of its work. */
export async function tidyUp(options: JobOptions, display: string, storage: StorageContext): Promise<void> {
  const store = await openStore(workLocation(options), storage);
  await closeWork(store, { keep: false, log: storage.log });
  storage.log.info(
    `${display} is in place: an earlier run finished it, and what it left of its work is removed`,
  );
}

/** Of an output that exists: a run that was killed in its very last moment has left an empty work folder. */
export async function removeEmptyWork(location: Location, log: Log): Promise<void> {
  if (location.kind !== 'file') return;
  const names = await readdir(location.path).catch(() => undefined);
  if (names?.every((name) => name === 'scratch' || isLock(name)) !== true) return;
  if ((await lstat(location.path)).isSymbolicLink()) return;
  await openLocalStore(location.path)
    .then((store) => store.close())
    .catch(() => log.detail(`${location.path} is empty, and cannot be removed`));
}

function parsePublication(text: string | undefined): Partial<Publication> | undefined {
  return text === undefined ? undefined : unseal(text);
}
