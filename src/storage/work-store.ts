import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type DurableFiles, moveIntoPlace, writeAtomically } from './durable.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import { HEADER, isInScratch, isKept, refuseStrangers } from './work-names.js';

/**
 * Where a journal and its segments live, locked against other jobs. Names are those of work-names.ts. What changes something
 * there is a JobError `journal` once the lock is lost.
 */
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
  /** JobError `journal` if another job may work here by now. */
  check(): Promise<void>;
  /** Removes all that jobs keep here, the journal's header last, and nothing else. */
  clear(): Promise<void>;
  /** Gives the lock back; of a local folder, nothing stays that is empty. */
  close(): Promise<void>;
}

const SCRATCH = 'scratch';
const OF_LOCKS = /^lock-\d+(?:\..*\.new)?$/;
const HALF_WRITTEN = '.new';
/** A job that ends removes the folder that another one is about to lock. */
const TRIES = 5;

/**
 * A work store in a local (or shared) folder, which is made where it is missing. Errors: JobError `output` where another job
 * works there, `journal` where the folder holds what is not a journal's.
 */
export async function openLocalStore(folder: string, files: DurableFiles = fs): Promise<WorkStore> {
  const scratch = join(folder, SCRATCH);
  const path = (name: string): string => join(folder, name);
  const lock = await makeAndLock(folder);
  try {
    const names = await fs.readdir(folder);
    refuseStrangers(folder, names, await strangersIn(folder, names));
    await fs.mkdir(scratch, { recursive: true });
  } catch (error) {
    await lock.release();
    throw error;
  }
  const list = async (): Promise<readonly string[]> => (await fs.readdir(folder)).filter(isKept);
  return {
    location: folder,
    scratch,
    scratchLasts: true,
    list,
    readText: (name) => fs.readFile(path(name), 'utf8').catch(absent),
    async writeText(name, text) {
      await lock.check();
      await writeAtomically(path(name), text, files);
    },
    async adopt(from, name) {
      await lock.check();
      await moveIntoPlace(from, path(name), files);
    },
    localPath: async (name) => path(name),
    size: (name) => fs.stat(path(name)).then((stats) => stats.size, absent),
    async remove(name) {
      await lock.check();
      await fs.rm(path(name), { force: true });
    },
    check: lock.check,
    async clear() {
      await lock.check();
      for (const name of (await fs.readdir(scratch).catch(none)).filter(isInScratch))
        await fs.rm(join(scratch, name));
      const names = (await fs.readdir(folder)).filter((name) => isKept(whole(name)) && name !== HEADER);
      for (const name of [...names, HEADER]) await fs.rm(path(name), { force: true });
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
    await fs.mkdir(folder, { recursive: true });
    try {
      return await lockFolder(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === TRIES) throw error;
    }
  }
}

/** What no job has put into `folder`, of its `names`. */
async function strangersIn(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const strangers = names.filter((name) => name !== SCRATCH && !isKept(whole(name)) && !OF_LOCKS.test(name));
  if (!names.includes(SCRATCH)) return strangers;
  const inScratch = await fs.readdir(join(folder, SCRATCH)).catch(() => ['']); // '': it is no folder
  return [...strangers, ...inScratch.filter((name) => !isInScratch(name)).map((name) => join(SCRATCH, name))];
}

/** The name that a file which is being written is to get. */
function whole(name: string): string {
  return name.endsWith(HALF_WRITTEN) ? name.slice(0, -HALF_WRITTEN.length) : name;
}

function none(error: NodeJS.ErrnoException): string[] {
  return absent(error) ?? [];
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
