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
/**
 * The length of a lock's file. It stays the same when the beat changes, so that readers never see torn text.
 */
const LOCK_BYTES = 512;
/** The names of locks. The second form is an earlier version's. */
const LOCK = /^lock-(?:[0-9a-f]{16}|\d{1,15}(?:\.[^/]*\.new)?)$/;

/** A lock that is held until it is disposed of. */
export interface FolderLock extends AsyncDisposable {
  /**
   * Checks that the lock is still held.
   *
   * @throws {JobError} journal: when another job has taken it over, or someone has removed it.
   */
  check(): Promise<void>;
}

/** The files of a folder. A parameter, so that a test can try every order of several contenders' calls. */
export interface LockFiles {
  names(): Promise<readonly string[]>;
  /** Reads a file; undefined if there is none. */
  read(name: string): Promise<string | undefined>;
  /** Makes a file that did not exist. */
  create(name: string, text: string): Promise<void>;
  /** Overwrites a file of that length; does nothing if there is none. */
  write(name: string, text: string): Promise<void>;
  /** Removes a file, if there is one. */
  remove(name: string): Promise<void>;
}

/** The other means by which a contender learns of others. */
export interface LockContext {
  stateOf(holder: Partial<ProcessIdentity>): Promise<ProcessState>;
  /** Waits until it is time to look again. */
  pause(): Promise<void>;
  /** Calls `beat` at intervals. Returns the function that stops it. */
  repeat(beat: () => void): () => void;
  /** Looks at a lock of another machine, with its beat unchanged, after which its holder counts as dead. */
  readonly watchLooks: number;
  /** Looks at a holder on this machine before it counts as alive: it may just have been told to stop. */
  readonly endingLooks: number;
}

interface Contender extends ProcessIdentity {
  /** For messages. */
  readonly host: string;
  /** Missing in files of an earlier version, which wrote only locks that it held. */
  readonly state?: 'asking' | 'holding';
}

/** What has been seen of another contender's lock. */
interface Observation {
  readonly text: string;
  /** Looks since its text changed. */
  readonly still: number;
  /** Looks at it altogether. */
  readonly looks: number;
  /** True if its text has changed while it was watched. */
  readonly beats: boolean;
}

/** Returns whether `name` is that of a lock. */
export function isLock(name: string): boolean {
  return LOCK.test(name);
}

/**
 * Locks a folder, so that two jobs never work in it. On the same machine a dead holder is recognised at once.
 * A holder on another machine or in another container counts as dead when its beat stops, so no two clocks
 * are compared.
 *
 * @throws {JobError} output: when another job holds the lock.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const me = { host: hostname(), ...(await identityOf()) };
  return contend(folder, me, filesOf(folder), CONTEXT);
}

/**
 * Takes the lock. A contender first creates a file of its own, whose name no one else ever uses, and then
 * looks at the files of the others. Of two contenders, the one that looked last has seen the other, so they
 * cannot both have seen no one. A contender that sees no one alive holds the lock. If it sees another that is
 * still asking, the one whose name comes first goes on: the other gives way. Files of dead contenders are
 * removed, which is safe because a name is never used again.
 */
export async function contend(
  folder: string,
  me: Omit<Contender, 'state'>,
  files: LockFiles,
  context: LockContext,
  name: string = `lock-${randomBytes(8).toString('hex')}`,
): Promise<FolderLock> {
  let beat = 0;
  let state: NonNullable<Contender['state']> = 'asking';
  const text = (): string => JSON.stringify({ ...me, state, beat }).padEnd(LOCK_BYTES);
  await files.create(name, text());
  const stop = context.repeat(() => {
    beat += 1;
    // `check` reports a lock that has vanished.
    files.write(name, text()).catch(() => {});
  });
  const release = async (): Promise<void> => {
    stop();
    await files.remove(name).catch(() => {}); // seen to be a dead job's, once this process has ended
  };
  try {
    await waitForOthers(folder, name, files, context);
    state = 'holding';
    await files.write(name, text());
  } catch (error) {
    await release();
    throw error;
  }
  return {
    [Symbol.asyncDispose]: release,
    async check() {
      if ((await files.read(name)) !== undefined) return;
      const names = await files.names().catch(() => []); // who took over has ended, and the folder is gone
      const [other] = names.filter((one) => isLock(one) && one !== name);
      throw other === undefined
        ? new JobError(
            'journal',
            `the lock of this job in ${folder} is gone: another job has taken over and ended, or someone has removed it`,
            {
              hint: 'if the output is missing, put the folder back if it was moved, and run the same command again; leave that folder alone while a job runs',
            },
          )
        : new JobError(
            'journal',
            `another job has taken over ${folder}${holderOf(parse(await files.read(other)))}, because this one did not respond`,
            { hint: 'that job continues the work; if it does not, run the same command again' },
          );
    },
  };
}

/**
 * Waits until no other contender is alive.
 *
 * @throws {JobError} output: when one holds the lock, or comes first.
 */
async function waitForOthers(
  folder: string,
  mine: string,
  files: LockFiles,
  context: LockContext,
): Promise<void> {
  const known = new Map<string, Observation>();
  for (;;) {
    let wait = false;
    for (const name of (await files.names()).filter((one) => isLock(one) && one !== mine)) {
      const text = await files.read(name);
      if (text === undefined) continue;
      const holder = parse(text);
      const seen = observe(known.get(name), text);
      known.set(name, seen);
      switch (await conditionOf(holder, seen, context)) {
        case 'dead':
          await files.remove(name);
          break;
        case 'alive':
          if (holder?.state !== 'asking' || name < mine) throw new AnotherJobWorks(folder, holderOf(holder));
          wait = true;
          break;
        case 'unsure':
          wait = true;
      }
    }
    if (!wait) return;
    await context.pause();
  }
}

function observe(before: Observation | undefined, text: string): Observation {
  if (before === undefined) return { text, still: 0, looks: 1, beats: false };
  const changed = before.text !== text;
  const still = changed ? 0 : before.still + 1;
  return { text, still, looks: before.looks + 1, beats: before.beats || changed };
}

async function conditionOf(
  holder: Contender | undefined,
  seen: Observation,
  { stateOf, watchLooks, endingLooks }: LockContext,
): Promise<'alive' | 'dead' | 'unsure'> {
  const state = holder === undefined ? 'unknown' : await stateOf(holder);
  if (state === 'dead') return 'dead';
  // A job that was just told to stop may need a moment to end.
  if (state === 'runs') return holder?.state === 'asking' || seen.looks > endingLooks ? 'alive' : 'unsure';
  if (seen.still >= watchLooks) return 'dead';
  return seen.beats && holder !== undefined ? 'alive' : 'unsure';
}

/** For messages. */
function holderOf(holder: Contender | undefined): string {
  return holder === undefined ? '' : ` (process ${holder.pid} on ${holder.host})`;
}

/** Parses the text of a lock; undefined while it is being written, or if a crash tore it. */
function parse(text: string | undefined): Contender | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Contender) : undefined;
  } catch {
    return undefined;
  }
}

const CONTEXT: LockContext = {
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
        // Not made by a job: it never changes, so it counts as dead and its name is removed.
        if (error instanceof JobError) return '';
        throw error;
      }),
    async create(name, text) {
      await using handle = await fs.open(path(name), 'wx');
      try {
        await handle.writeFile(text);
      } catch (error) {
        await removeFile(path(name)).catch(() => {});
        throw error;
      }
    },
    async write(name, text) {
      await using handle = await openRegular(path(name), fs.constants.O_WRONLY).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      });
      await handle?.writeFile(text);
    },
    remove: (name) => removeFile(path(name)),
  };
}
