/**
 * The record that is written before an output is published: if the run is killed right after, the job counts
 * as done.
 */

import { lstat, readdir } from 'node:fs/promises';
import type { Log } from '../../report/log.js';
import { openFolder } from '../../storage/folder.js';
import { isLock } from '../../storage/local/folder-lock.js';
import type { Announce } from '../../storage/local/publish-file.js';
import { PUBLICATION } from '../../storage/local/work-names.js';
import { openLocalStore, type WorkStore } from '../../storage/local/work-store.js';
import type { Location } from '../../storage/location/location.js';
import { isPlainObject } from '../../system/plain-object.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import { type Identity, isIdentity } from '../journal/identity.js';
import { seal, unseal } from '../journal/sealed.js';
import { closeWork, openStore, workLocation } from '../journal/work.js';
import type { BlobLabels, Destination } from './destination.js';

interface Publication {
  /** The identity of the job that made the output. */
  readonly identity: Identity;
  /** The output's stamp once it is published; null if it cannot be there yet. */
  readonly stamp: string | null;
  /** Name of a temporary copy in the output's folder. */
  readonly beside: string | null;
  /**
   * The same of files beside the output, tables and then videos of further pictures, which are published
   * before it, in order; absent if none.
   */
  readonly tables?: readonly Place[];
}

type Place = Pick<Publication, 'stamp' | 'beside'>;

/** The place of a file that was not published yet. */
const NOWHERE: Place = { stamp: null, beside: null };

/** A finished file and where it goes. */
export interface Finished {
  readonly destination: Destination;
  readonly file: string;
  readonly labels: BlobLabels;
  readonly overwrite: boolean;
}

/**
 * Publishes the output, and before it the files beside it, but those that an earlier run of the job did.
 * Records before each step what a killed run would leave.
 */
export async function publish(
  store: WorkStore,
  identity: Identity,
  output: Finished,
  besides: readonly Finished[],
): Promise<void> {
  const earlier = parsePublication(await store.readText(PUBLICATION));
  if (typeof earlier?.beside === 'string') await output.destination.removeCopy(earlier.beside);
  for (const [at, { destination }] of besides.entries()) {
    const copy = earlier?.tables?.[at]?.beside;
    if (typeof copy === 'string') await destination.removeCopy(copy);
  }
  // What an earlier run put in place stays on record until it is put there again.
  const own = earlier !== undefined && isSameJob(earlier.identity, identity) ? earlier.tables : undefined;
  const places = besides.map((_, at) => own?.[at] ?? NOWHERE);
  let record: Publication = { identity, ...NOWHERE, ...(places.length === 0 ? {} : { tables: places }) };
  const announce = (found: Partial<Publication>): Promise<void> => {
    record = { ...record, ...found };
    return store.writeText(PUBLICATION, seal(record));
  };
  for (const [at, beside] of besides.entries()) {
    // To put the same there once more would leave, if this run were killed in it, a file of which no record
    // tells whose it is.
    if (!beside.overwrite && (await isStamped(beside.destination, places[at]?.stamp))) continue;
    await put(beside, (found) => announce({ tables: record.tables?.with(at, found) ?? [found] }));
  }
  await put(output, announce);
}

function put({ destination, file, labels, overwrite }: Finished, announce: Announce): Promise<void> {
  return destination.publish(file, labels, overwrite, announce);
}

async function isStamped(destination: Destination, stamp: string | null | undefined): Promise<boolean> {
  return typeof stamp === 'string' && stamp === (await destination.stamp());
}

/**
 * Returns whether the file beside the output that is there was published by an earlier run of the job that
 * `options` give, which was killed before it published the output.
 */
export async function isPublishedBeside(options: JobOptions, beside: Destination): Promise<boolean> {
  if (options.restart) return false;
  const place = await openFolder(workLocation(options));
  const publication = parsePublication(await place.readText(PUBLICATION).catch(() => undefined));
  const stamp = await beside.stamp();
  return stamp !== null && publication?.tables?.some((place) => place.stamp === stamp) === true;
}

/**
 * Returns the identity of the job that made the present output, if an earlier run published it and was killed
 * before it removed its work folder; otherwise undefined.
 */
export async function publishedIdentity(
  options: JobOptions,
  destination: Destination,
): Promise<Identity | undefined> {
  if (options.restart) return undefined;
  const place = await openFolder(workLocation(options));
  const publication = parsePublication(await place.readText(PUBLICATION).catch(() => undefined));
  if (typeof publication?.stamp !== 'string') return undefined;
  return publication.stamp === (await destination.stamp()) ? publication.identity : undefined;
}

/**
 * Returns whether an earlier run of the job that `options` give began to put the pictures of a sequence in
 * place. They are all the same then, so that a later run can go on.
 */
export async function isPublicationBegun(options: JobOptions): Promise<boolean> {
  if (options.restart) return false;
  const place = await openFolder(workLocation(options));
  const publication = parsePublication(await place.readText(PUBLICATION).catch(() => undefined));
  return typeof publication?.beside === 'string';
}

/** Returns whether two identities are equal. Options that were not given are absent. */
export function isSameJob(identity: Identity, made: Identity): boolean {
  const keys = new Set([...Object.keys(identity), ...Object.keys(made)]);
  return [...keys].every((key) => identity[key] === made[key]);
}

/** Removes the work that a run has left after it published its output. */
export async function tidyUp(options: JobOptions, display: string, storage: StorageContext): Promise<void> {
  const store = await openStore(workLocation(options), storage);
  await closeWork(store, { keep: false, log: storage.log });
  storage.log.info(
    `${display} is complete: an earlier run published it, and its remaining work files are now removed`,
  );
}

/** Removes the empty work folder of an existing output, left by a run that was killed at its very end. */
export async function removeEmptyWork(location: Location, log: Log): Promise<void> {
  if (location.kind !== 'file') return;
  const names = await readdir(location.path).catch(() => undefined);
  if (names?.every((name) => name === 'scratch' || isLock(name)) !== true) return;
  if ((await lstat(location.path)).isSymbolicLink()) return;
  await openLocalStore(location.path)
    .then((store) => store[Symbol.asyncDispose]())
    .catch(() => log.detail(`${location.path} is empty, and cannot be removed`));
}

/** Parses a publication record; undefined if there is none, or it is damaged. */
function parsePublication(text: string | undefined): Publication | undefined {
  const { identity, stamp, beside, tables, table } = (text === undefined ? undefined : unseal(text)) ?? {};
  const place = placeOf({ stamp, beside });
  if (!isIdentity(identity) || place === undefined) return undefined;
  // Records of early versions have one table.
  const others = (Array.isArray(tables) ? tables : [table]).map((one) =>
    isPlainObject(one) ? placeOf(one) : undefined,
  );
  const known = others.filter((one) => one !== undefined);
  return { identity, ...place, ...(known.length < others.length ? {} : { tables: known }) };
}

function placeOf({
  stamp = null,
  beside = null,
}: Readonly<Record<string, unknown>>): Pick<Publication, 'stamp' | 'beside'> | undefined {
  return isTextOrNull(stamp) && isTextOrNull(beside) ? { stamp, beside } : undefined;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
