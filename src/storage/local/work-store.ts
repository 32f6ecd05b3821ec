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
  isOfARun,
  markOfRun,
  PUBLICATION,
  refuseStrangers,
} from './work-names.js';

/**
 * Where a journal and its segments live, locked against other jobs. Names are those of work-names.ts. What changes something
 * there is a JobError `journal` once the lock is lost.
 */
export interface WorkStore {
  /** For messages. */
  readonly location: string;
  /** A local folder for files that are still being written. */
  readonly scratch: string;
  /** A path there for a file that only this run uses; `name` is one of `scratchNames`. */
  temporary(name: string): string;
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
  /** Whether the named file has this SHA-256, as far as can be told without fetching it: else true. */
  holds(name: string, sha256: string): Promise<boolean>;
  remove(name: string): Promise<void>;
  /** JobError `journal` if another job may work here by now. */
  check(): Promise<void>;
  /** Removes all that jobs keep here, the journal's header last, and nothing else; a publication's record stays. */
  clear(): Promise<void>;
  /** Gives the lock back; of a local folder, nothing stays that is empty. */
  close(): Promise<void>;
}

const SCRATCH = 'scratch';
/** How an earlier version ended the name of what it was writing. */
const EARLIER_NEW = '.new';
/** A job that ends removes the folder that another one is about to lock. */
const TRIES = 5;

/**
 * A work store in a local (or shared) folder, which is made where it is missing. Errors: JobError `output` where another job
 * works there, `journal` where the folder holds what is not a journal's.
 */
export async function openLocalStore(folder: string, files: DurableFiles = fs): Promise<WorkStore> {
  const scratch = join(folder, SCRATCH);
  const mark = markOfRun();
  const path = (name: string): string => join(folder, name);
  const lock = await makeAndLock(folder);
  try {
    const names = await fs.readdir(folder);
    refuseStrangers(folder, names, await strangersIn(folder, names));
    await makeFolder(scratch);
    for (const name of (await fs.readdir(scratch)).filter(isOfARun)) await removeFile(join(scratch, name));
  } catch (error) {
    await lock.release();
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
    async close() {
      const ours = await lock.check().then(
        () => true,
        () => false,
      );
      // A folder that stays because it is not empty, not ours to remove, or a mount point does no harm.
      if (ours) await fs.rmdir(scratch).catch(() => {});
      await lock.release();
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

/** What no job has put into `folder`, of its `names`. */
async function strangersIn(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const strangers = names.filter((name) => name !== SCRATCH && !isOurs(name) && !isLock(name));
  if (!names.includes(SCRATCH)) return strangers;
  const inScratch = await fs.readdir(join(folder, SCRATCH)).catch(() => ['']); // '': it is no folder
  return [...strangers, ...inScratch.filter((name) => !isInScratch(name)).map((name) => join(SCRATCH, name))];
}

/** What jobs keep in the folder, or were about to. */
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
