import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../errors.js';
import { writeAtomically } from './durable.js';

const LOCK = 'lock';
/** How often a holder shows that it lives, and how long another host watches before it takes a silent lock over. */
const BEAT_MS = 2000;
const WATCH_MS = 4 * BEAT_MS;

interface Holder {
  readonly host: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot (proc(5), field 22): a reused pid is not the holder. */
  readonly started: string;
  readonly beat: number;
}

/**
 * Keeps two jobs from working in one folder. On the same host a dead holder is seen at once; another host's holder is
 * taken for dead when its beat stands still, so no two clocks are compared. Gives the function that unlocks.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, LOCK);
  const me = { host: hostname(), pid: process.pid, started: await processStartTime(process.pid) };
  const earlier = await readHolder(path);
  if (earlier !== undefined && (await lives(earlier, path))) throw busy(folder, earlier);
  let beat = 0;
  const text = (): string => JSON.stringify({ ...me, beat });
  if (earlier === undefined) {
    await fs.rm(path, { force: true }); // a torn one
    await fs.writeFile(path, text(), { flag: 'wx' });
  } else {
    await writeAtomically(path, text());
  }
  const now = await readHolder(path);
  if (now?.pid !== me.pid || now.host !== me.host) throw busy(folder, now);
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
  if (holder.host === hostname())
    return (await processStartTime(holder.pid)) === holder.started && holder.pid !== process.pid;
  await sleep(WATCH_MS);
  return (await readHolder(path))?.beat !== holder.beat;
}

/** proc(5): field 22 of /proc/PID/stat; counted after the command name, which may hold spaces and brackets. */
export async function processStartTime(pid: number): Promise<string> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
