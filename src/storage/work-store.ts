import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type DurableFiles, moveIntoPlace, writeAtomically } from './durable.js';

/** Where a journal and its segments live. Names are the journal's own: plain, without folders. */
export interface WorkStore {
  /** For messages. */
  readonly location: string;
  /** A local folder for files that are still being written. */
  readonly scratch: string;
  /** Whether the next run finds again what this one leaves in `scratch`. */
  readonly scratchLasts: boolean;
  list(): Promise<readonly string[]>;
  /** The text, or undefined where there is none of that name. */
  readText(name: string): Promise<string | undefined>;
  /** Whole or not at all, and lasting once it returns. */
  writeText(name: string, text: string): Promise<void>;
  /** Takes over a finished and flushed file from the scratch folder. */
  adopt(path: string, name: string): Promise<void>;
  /** A local path at which the named file can be read. */
  localPath(name: string): Promise<string>;
  /** Size in bytes, or undefined where there is none of that name. */
  size(name: string): Promise<number | undefined>;
  remove(name: string): Promise<void>;
  /** Removes everything. */
  destroy(): Promise<void>;
}

const SCRATCH = 'scratch';

/** True where a job left its journal in this folder. */
export async function localStoreExists(folder: string): Promise<boolean> {
  return fs.stat(folder).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

/** A work store in a local (or shared) folder, which is made where it is missing. */
export async function openLocalStore(folder: string, files: DurableFiles = fs): Promise<WorkStore> {
  const scratch = join(folder, SCRATCH);
  await fs.mkdir(scratch, { recursive: true });
  const path = (name: string): string => join(folder, name);
  return {
    location: folder,
    scratch,
    scratchLasts: true,
    list: async () => (await fs.readdir(folder)).filter((name) => name !== SCRATCH),
    readText: (name) => fs.readFile(path(name), 'utf8').catch(absent),
    writeText: (name, text) => writeAtomically(path(name), text, files),
    adopt: (from, name) => moveIntoPlace(from, path(name), files),
    localPath: async (name) => path(name),
    size: (name) => fs.stat(path(name)).then((stats) => stats.size, absent),
    remove: (name) => fs.rm(path(name), { force: true }),
    destroy: () => fs.rm(folder, { recursive: true, force: true }),
  };
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
