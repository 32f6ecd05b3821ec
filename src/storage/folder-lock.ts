import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../errors.js';
import { identityOf, type ProcessIdentity, stateOf } from './process-identity.js';

const LOCK = 'lock';
/** How often a holder shows that it lives, and how long others watch before they take a silent lock over. */
const BEAT_MS = 2000;
const WATCH_MS = 4 * BEAT_MS;
/** How long a holder on this machine may take to end, and how often it is looked at. */
const ENDING_MS = 3000;
const LOOK_MS = 200;

interface Holder extends ProcessIdentity {
  /** For messages. */
  readonly host: string;
  readonly beat: number;
}

/**
 * Keeps two jobs from working in one folder. On the same machine a dead holder is seen at once; another machine's or
 * container's is taken for dead when its beat stands still, so no two clocks are compared. Gives the function that unlocks.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const earlier = await newestLock(folder);
  if (earlier.holder !== undefined && (await lives(earlier.holder, earlier.path)))
    throw busy(folder, earlier.holder);
  const me = { host: hostname(), ...(await identityOf()) };
  const path = lockPath(folder, earlier.generation + 1);
  let beat = 0;
  const text = (): string => JSON.stringify({ ...me, beat });
  if (!(await createWhole(path, text()))) throw busy(folder, (await newestLock(folder)).holder);
  if (earlier.generation > 0) await fs.rm(earlier.path, { force: true });
  const timer = setInterval(() => {
    beat += 1;
    // A folder that has vanished is reported by the write that needs it, not by this one.
    fs.writeFile(path, text(), { flag: 'r+' }).catch(() => {});
  }, BEAT_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await fs.rm(path, { force: true });
  };
}

function lockPath(folder: string, generation: number): string {
  return join(folder, `${LOCK}-${generation}`);
}

/** The lock that counts. Who takes over a dead one makes the next generation, and only one can make it. */
async function newestLock(
  folder: string,
): Promise<{ readonly generation: number; readonly path: string; readonly holder: Holder | undefined }> {
  const generations = (await fs.readdir(folder)).map((name) => Number(/^lock-(\d+)$/.exec(name)?.[1] ?? 0));
  const generation = Math.max(0, ...generations);
  const path = lockPath(folder, generation);
  return { generation, path, holder: generation === 0 ? undefined : await readHolder(path) };
}

/** Makes a file that did not exist, whole: nobody reads half of it. False where it exists. */
async function createWhole(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.${hostname()}.${process.pid}.new`;
  await fs.writeFile(temporary, text);
  try {
    await fs.link(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await fs.rm(temporary, { force: true });
  }
}

function busy(folder: string, holder: Holder | undefined): JobError {
  const who = holder === undefined ? '' : ` (process ${holder.pid} on ${holder.host})`;
  return new JobError('output', `another job is working in ${folder}${who}`, {
    hint: 'wait for it to end, or give another output',
  });
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
