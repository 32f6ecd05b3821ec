import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type DurableFiles, isTemporary, moveIntoPlace, writeAtomically } from '../../system/durable.js';
import { JobError } from '../../system/errors.js';
import { fileDigest } from '../../system/file-digest.js';
import { codeOf, makeFolder, readRegular, removeFile, sizeOfRegular } from '../../system/own-files.js';
import { type FolderLock, isLock, lockFolder } from './folder-lock.js';
import {
  HEADER,
  isInScratch,
  isKept,
  isRunFile,
  PUBLICATION,
  refuseForeignFiles,
  runPrefix,
} from './work-names.js';

/**
 * The folder of a journal and its segments, locked against other jobs. Names are those of work-names.ts. Once
 * the lock is lost, every change is a JobError `journal`. Disposing of it releases the lock, and removes a
 * local folder if it is empty.
 */
export interface WorkStore extends AsyncDisposable {
  /** For messages. */
  readonly location: string;
  /** A local folder for files that are still being written. */
  readonly scratch: string;
  /** Returns a path there for a file that only this run uses; `name` is one of `scratchNames`. */
  temporary(name: string): string;
  /** True if the next run finds what this one leaves in `scratch`. */
  readonly scratchLasts: boolean;
  list(): Promise<readonly string[]>;
  /** Reads a text; undefined if there is none of that name. */
  readText(name: string): Promise<string | undefined>;
  /** Writes a text whole or not at all. It lasts once this returns. */
  writeText(name: string, text: string): Promise<void>;
  /** Moves a finished and flushed file here from the scratch folder. */
  adopt(path: string, name: string): Promise<void>;
  /** Returns a local path at which the named file can be read. */
  localPath(name: string): Promise<string>;
  /** Returns the size in bytes; undefined if there is none of that name. */
  size(name: string): Promise<number | undefined>;
  /** Returns whether the named file has this SHA-256. True if only fetching it would tell. */
  holds(name: string, sha256: string): Promise<boolean>;
  remove(name: string): Promise<void>;
  /**
   * Checks that no other job may work here.
   *
   * @throws {JobError} journal: when one may.
   */
  check(): Promise<void>;
  /**
   * Removes all files that jobs keep here and nothing else; the journal's header last. A publication's record
   * stays.
   */
  clear(): Promise<void>;
}

const SCRATCH = 'scratch';
/** The suffix that an earlier version gave to files that it was writing. */
const EARLIER_NEW = '.new';
/** Tries to lock the folder: a job that ends may remove it just before it is locked. */
const TRIES = 5;

/**
 * Opens a work store in a local (or shared) folder, which is made if it is missing.
 *
 * @throws {JobError} output: when another job works there.
 * @throws {JobError} journal: when the folder holds files that are not a journal's.
 */
export async function openLocalStore(folder: string, files: DurableFiles = fs): Promise<WorkStore> {
  const scratch = join(folder, SCRATCH);
  const mark = runPrefix();
  const path = (name: string): string => join(folder, name);
  const lock = await makeAndLock(folder);
  try {
    const names = await fs.readdir(folder);
    refuseForeignFiles(folder, names, await foreignFilesIn(folder, names));
    await makeFolder(scratch);
    for (const name of (await fs.readdir(scratch)).filter(isRunFile)) await removeFile(join(scratch, name));
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
  const list = async (): Promise<readonly string[]> => (await fs.readdir(folder)).filter(isKept);
  return {
    location: folder,
    scratch,
    temporary: (name) => join(scratch, `${mark}${name}`),
    scratchLasts: true,
    list,
    readText: (name) => readRegular(path(name)).catch(absent),
    async writeText(name, text) {
      await lock.check();
      await writeAtomically(path(name), text, files);
    },
    async adopt(from, name) {
      await lock.check();
      await moveIntoPlace(from, path(name), files);
    },
    localPath: async (name) => path(name),
    size: (name) => sizeOfRegular(path(name)),
    holds: async (name, sha256) => (await fileDigest(path(name))) === sha256,
    async remove(name) {
      await lock.check();
      await removeFile(path(name));
    },
    check: lock.check,
    async clear() {
      await lock.check();
      for (const name of (await fs.readdir(scratch).catch(none)).filter(isInScratch))
        await removeFile(join(scratch, name));
      const names = (await fs.readdir(folder)).filter(
        (name) => isOurs(name) && name !== HEADER && name !== PUBLICATION,
      );
      for (const name of [...names, HEADER]) await removeFile(path(name));
    },
    async [Symbol.asyncDispose]() {
      const ours = await lock.check().then(
        () => true,
        () => false,
      );
      // A folder stays if it is not empty, not ours to remove, or a mount point: that does no harm.
      if (ours) await fs.rmdir(scratch).catch(() => {});
      await lock[Symbol.asyncDispose]();
      if (ours) await fs.rmdir(folder).catch(() => {});
    },
  };
}

async function makeAndLock(folder: string): Promise<FolderLock> {
  for (let tries = 1; ; tries += 1) {
    await fs.mkdir(folder, { recursive: true }).catch((error: unknown) => {
      if (!['EEXIST', 'ENOTDIR'].includes(codeOf(error))) throw error;
      throw new JobError('journal', `${folder} is not a folder: the work cannot be kept there`, {
        hint: 'give another --work-dir',
      });
    });
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || tries === TRIES) throw error;
    }
  }
}

/** Returns those of the `names` in `folder` that no job has put there. */
async function foreignFilesIn(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const foreign = names.filter((name) => name !== SCRATCH && !isOurs(name) && !isLock(name));
  if (!names.includes(SCRATCH)) return foreign;
  const inScratch = await fs.readdir(join(folder, SCRATCH)).catch(() => ['']); // '': it is no folder
  return [...foreign, ...inScratch.filter((name) => !isInScratch(name)).map((name) => join(SCRATCH, name))];
}

/** Returns whether a file is one that jobs keep in the folder, or were writing. */
function isOurs(name: string): boolean {
  return (
    isKept(name) ||
    isTemporary(name) ||
    (name.endsWith(EARLIER_NEW) && isKept(name.slice(0, -EARLIER_NEW.length)))
  );
}

function none(error: unknown): string[] {
  return absent(error) ?? [];
}

function absent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  throw error;
}
