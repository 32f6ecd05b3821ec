import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../errors.js';
import { NO_LINKS } from './durable.js';
import { identityOf, type ProcessIdentity, stateOf } from './process-identity.js';

const LOCK = 'lock';
/** How often a holder shows that it lives, and how long others watch before they take a silent lock over. */
const BEAT_MS = 2000;
const WATCH_MS = 4 * BEAT_MS;
/** How long a holder on this machine may take to end, and how often it is looked at. */
const ENDING_MS = 3000;
const LOOK_MS = 200;
/** A lock's file keeps its length when its beat changes: whoever reads while it is written sees no torn text. */
const LOCK_BYTES = 512;

/** A lock that is held. */
export interface FolderLock {
  /** JobError `journal` if another job has taken the lock over, which it does when this process has stood still for long. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** A parameter so that a test can be a file system without hard links. */
type LinkFiles = Pick<typeof fs, 'link'>;

interface Holder extends ProcessIdentity {
  /** For messages. */
  readonly host: string;
  readonly beat: number;
}

/**
 * Keeps two jobs from working in one folder. On the same machine a dead holder is seen at once; another machine's or
 * container's is taken for dead when its beat stands still, so no two clocks are compared. Errors: JobError `output` where
 * another job holds it.
 */
export async function lockFolder(folder: string, files: LinkFiles = fs): Promise<FolderLock> {
  const earlier = await newestLock(folder);
  if (earlier.holder !== undefined && (await lives(earlier.holder, earlier.path)))
    throw busy(folder, earlier.holder);
  const me = { host: hostname(), ...(await identityOf()) };
  const generation = earlier.generation + 1;
  const path = lockPath(folder, generation);
  let beat = 0;
  const text = (): string => JSON.stringify({ ...me, beat }).padEnd(LOCK_BYTES);
  if (!(await createWhole(path, text(), files))) throw busy(folder, (await newestLock(folder)).holder);
  if (earlier.generation > 0) await fs.rm(earlier.path, { force: true });
  const timer = setInterval(() => {
    beat += 1;
    // A lock that has vanished is reported by `check`, not by this one.
    fs.writeFile(path, text(), { flag: 'r+' }).catch(() => {});
  }, BEAT_MS);
  timer.unref();
  return {
    async check() {
      if ((await newestGeneration(folder)) === generation) return;
      const who = named((await newestLock(folder)).holder);
      throw new JobError('journal', `another job has taken over ${folder}${who}, as this one stood still`, {
        hint: 'that job goes on with the work; if it does not, run the same command again',
      });
    },
    async release() {
      clearInterval(timer);
      await fs.rm(path, { force: true }).catch(() => {}); // seen to be a dead job's, once this process has ended
    },
  };
}

function lockPath(folder: string, generation: number): string {
  return join(folder, `${LOCK}-${generation}`);
}

/** The lock that counts. Who takes over a dead one makes the next generation, and only one can make it. */
async function newestLock(
  folder: string,
): Promise<{ readonly generation: number; readonly path: string; readonly holder: Holder | undefined }> {
  const generation = await newestGeneration(folder);
  const path = lockPath(folder, generation);
  return { generation, path, holder: generation === 0 ? undefined : await readHolder(path) };
}

async function newestGeneration(folder: string): Promise<number> {
  const generations = (await fs.readdir(folder)).map((name) => Number(/^lock-(\d+)$/.exec(name)?.[1] ?? 0));
  return Math.max(0, ...generations);
}

/**
 * Makes a file that did not exist, whole: nobody reads half of it, unless there are no hard links, when whoever comes in that
 * moment takes a live lock for a torn one. False where it exists.
 */
async function createWhole(path: string, text: string, files: LinkFiles): Promise<boolean> {
  const temporary = `${path}.${hostname()}.${process.pid}.new`;
  await fs.writeFile(temporary, text);
  try {
    await files.link(temporary, path).catch((error) => {
      if (!NO_LINKS.includes(error.code)) throw error;
      return fs.writeFile(path, text, { flag: 'wx' });
    });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await fs.rm(temporary, { force: true });
  }
}

function busy(folder: string, holder: Holder | undefined): JobError {
  return new JobError('output', `another job is working in ${folder}${named(holder)}`, {
    hint: 'wait for it to end, or give another output',
  });
}

/** For messages. */
function named(holder: Holder | undefined): string {
  return holder === undefined ? '' : ` (process ${holder.pid} on ${holder.host})`;
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await fs.readFile(path, 'utf8')) as Holder;
  } catch {
    return undefined; // none, or torn by a crash: nobody's
  }
}

async function lives(holder: Holder, path: string): Promise<boolean> {
  for (let waited = 0; ; waited += LOOK_MS) {
    const state = await stateOf(holder);
    if (state === 'dead') return false;
    if (state === 'unknown') break;
    // A job that was just told to stop may need a moment to be gone.
    if (waited >= ENDING_MS) return true;
    await sleep(LOOK_MS);
  }
  await sleep(WATCH_MS);
  const now = await readHolder(path);
  return now !== undefined && now.beat !== holder.beat;
}
