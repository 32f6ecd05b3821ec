import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AnotherJobWorks, JobError } from '../../system/errors.js';
import { codeOf, openRegular, readRegular, removeFile } from '../../system/own-files.js';
import {
  identityOf,
  type ProcessIdentity,
  type ProcessState,
  stateOf,
} from '../../system/process-identity.js';

const BEAT_MS = 2000;
const LOOK_MS = 200;
/** A lock's file keeps its length when its beat changes: whoever reads while it is written sees no torn text. */
const LOCK_BYTES = 512;
/** The second form is an earlier version's. */
const LOCK = /^lock-(?:[0-9a-f]{16}|\d{1,15}(?:\.[^/]*\.new)?)$/;

/** A lock that is held. */
export interface FolderLock {
  /** JobError `journal` if the lock is lost: another job has taken it over, or somebody has removed it. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** The files of a folder. A parameter so that a test can try every order in which several contenders' calls may come. */
export interface LockFiles {
  names(): Promise<readonly string[]>;
  /** Undefined where there is no such file. */
  read(name: string): Promise<string | undefined>;
  /** Makes a file that did not exist. */
  create(name: string, text: string): Promise<void>;
  /** Writes over a file of that length; nothing where there is none. */
  write(name: string, text: string): Promise<void>;
  /** Nothing where there is none. */
  remove(name: string): Promise<void>;
}

/** What else a contender learns of the others. */
export interface LockSurroundings {
  stateOf(holder: Partial<ProcessIdentity>): Promise<ProcessState>;
  /** Waits until it is time to look again. */
  pause(): Promise<void>;
  /** Calls `beat` at intervals; gives what ends that. */
  repeat(beat: () => void): () => void;
  /** Looks at a lock of another machine after which it is taken for dead if its beat has stood still. */
  readonly watchLooks: number;
  /** Looks at a holder on this machine, which may have been told to stop, before it counts as one that goes on. */
  readonly endingLooks: number;
}

interface Contender extends ProcessIdentity {
  /** For messages. */
  readonly host: string;
  /** An earlier version has none: it wrote only what it held. */
  readonly state?: 'asking' | 'holding';
}

/** What is known of another's lock. */
interface Seen {
  readonly text: string;
  /** Looks since its text changed. */
  readonly still: number;
  /** Looks at it altogether. */
  readonly looks: number;
  /** Whether its text has been seen to change. */
  readonly beats: boolean;
}

/** True of the names of locks. */
export function isLock(name: string): boolean {
  return LOCK.test(name);
}

/**
 * Keeps two jobs from working in one folder. On the same machine a dead holder is seen at once; another machine's or
 * container's is taken for dead when its beat stands still, so no two clocks are compared. Errors: JobError `output` where
 * another job holds it.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const me = { host: hostname(), ...(await identityOf()) };
  return contend(folder, me, filesOf(folder), SURROUNDINGS);
}

/**
 * The way of it: a contender puts down a file of its own, whose name nobody else ever uses, and then looks at the others'. Of
 * two, the one that looked last has seen the other, so they cannot both have seen nobody. Who sees nobody alive holds the lock.
 * Who sees one that asks as well gives way if the other's name comes first, and otherwise waits until that one has given way or
 * holds it. Dead ones' files are removed: a name that is used once cannot be a living one's meanwhile.
 */
export async function contend(
  folder: string,
  me: Omit<Contender, 'state'>,
  files: LockFiles,
  surroundings: LockSurroundings,
  name: string = `lock-${randomBytes(8).toString('hex')}`,
): Promise<FolderLock> {
  let beat = 0;
  let state: NonNullable<Contender['state']> = 'asking';
  const text = (): string => JSON.stringify({ ...me, state, beat }).padEnd(LOCK_BYTES);
  await files.create(name, text());
  const stop = surroundings.repeat(() => {
    beat += 1;
    // A lock that has vanished is reported by `check`, not by this one.
    files.write(name, text()).catch(() => {});
  });
  const release = async (): Promise<void> => {
    stop();
    await files.remove(name).catch(() => {}); // seen to be a dead job's, once this process has ended
  };
  try {
    await outlast(folder, name, files, surroundings);
    state = 'holding';
    await files.write(name, text());
  } catch (error) {
    await release();
    throw error;
  }
  return {
    release,
    async check() {
      if ((await files.read(name)) !== undefined) return;
      const names = await files.names().catch(() => []); // who took over has ended, and the folder is gone
      const [other] = names.filter((one) => isLock(one) && one !== name);
      throw other === undefined
        ? new JobError(
            'journal',
            `the lock of this job in ${folder} is gone: another job has taken over and ended, or somebody has removed it`,
            {
              hint: 'where the output is missing, put it back if it was moved, and run the same command again; leave that folder alone while the job runs',
            },
          )
        : new JobError(
            'journal',
            `another job has taken over ${folder}${named(parse(await files.read(other)))}, as this one stood still`,
            { hint: 'that job goes on with the work; if it does not, run the same command again' },
          );
    },
  };
}

/** Resolves when no other contender is alive. Errors: JobError `output` where one is that has the lock, or comes first. */
async function outlast(
  folder: string,
  mine: string,
  files: LockFiles,
  surroundings: LockSurroundings,
): Promise<void> {
  const known = new Map<string, Seen>();
  for (;;) {
    let wait = false;
    for (const name of (await files.names()).filter((one) => isLock(one) && one !== mine)) {
      const text = await files.read(name);
      if (text === undefined) continue;
      const holder = parse(text);
      const seen = look(known.get(name), text);
      known.set(name, seen);
      switch (await conditionOf(holder, seen, surroundings)) {
        case 'dead':
          await files.remove(name);
          break;
        case 'alive':
          if (holder?.state !== 'asking' || name < mine) throw new AnotherJobWorks(folder, named(holder));
          wait = true;
          break;
        case 'unsure':
          wait = true;
      }
    }
    if (!wait) return;
    await surroundings.pause();
  }
}

function look(before: Seen | undefined, text: string): Seen {
  if (before === undefined) return { text, still: 0, looks: 1, beats: false };
  const changed = before.text !== text;
  const still = changed ? 0 : before.still + 1;
  return { text, still, looks: before.looks + 1, beats: before.beats || changed };
}

async function conditionOf(
  holder: Contender | undefined,
  seen: Seen,
  { stateOf, watchLooks, endingLooks }: LockSurroundings,
): Promise<'alive' | 'dead' | 'unsure'> {
  const state = holder === undefined ? 'unknown' : await stateOf(holder);
  if (state === 'dead') return 'dead';
  // A job that was just told to stop may need a moment to be gone.
  if (state === 'runs') return holder?.state === 'asking' || seen.looks > endingLooks ? 'alive' : 'unsure';
  if (seen.still >= watchLooks) return 'dead';
  return seen.beats && holder !== undefined ? 'alive' : 'unsure';
}

/** For messages. */
function named(holder: Contender | undefined): string {
  return holder === undefined ? '' : ` (process ${holder.pid} on ${holder.host})`;
}

/** Undefined for what is just being written, or was torn by a crash. */
function parse(text: string | undefined): Contender | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Contender) : undefined;
  } catch {
    return undefined;
  }
}

const SURROUNDINGS: LockSurroundings = {
  stateOf,
  pause: () => sleep(LOOK_MS),
  repeat(beat) {
    const timer = setInterval(beat, BEAT_MS);
    timer.unref();
    return () => clearInterval(timer);
  },
  watchLooks: (4 * BEAT_MS) / LOOK_MS,
  endingLooks: 3000 / LOOK_MS,
};

function filesOf(folder: string): LockFiles {
  const path = (name: string): string => join(folder, name);
  return {
    names: () => fs.readdir(folder),
    read: (name) =>
      readRegular(path(name)).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return undefined;
        // Something that no job made: it stands still, and its name is removed.
        if (error instanceof JobError) return '';
        throw error;
      }),
    async create(name, text) {
      const handle = await fs.open(path(name), 'wx');
      try {
        await handle.writeFile(text);
      } catch (error) {
        await removeFile(path(name)).catch(() => {});
        throw error;
      } finally {
        await handle.close();
      }
    },
    async write(name, text) {
      const handle = await openRegular(path(name), fs.constants.O_WRONLY).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      });
      try {
        await handle?.writeFile(text);
      } finally {
        await handle?.close();
      }
    },
    remove: (name) => removeFile(path(name)),
  };
}
