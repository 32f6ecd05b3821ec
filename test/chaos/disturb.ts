/** Sends signals to the processes of a job, at random times or while it muxes or publishes its output. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithin, jobPids, type RunningJob } from '../fixtures/job.js';
import type { Tally } from './verdict.js';

/** The phase of a run for the disturbance. */
export type Moment = 'at work' | 'assembling' | 'publishing';

export interface Disturbance {
  readonly target: 'a rank' | 'the root' | 'all ranks' | 'mpirun' | 'an ffmpeg';
  /** `freeze`: SIGSTOP, and SIGCONT later. */
  readonly how: 'SIGKILL' | 'SIGTERM' | 'SIGHUP' | 'freeze';
}

type Choices = readonly [Disturbance, ...Disturbance[]];

export const DISTURBANCES: Readonly<Record<Moment, Choices>> = {
  'at work': [
    { target: 'a rank', how: 'SIGKILL' },
    { target: 'the root', how: 'SIGKILL' },
    { target: 'mpirun', how: 'SIGKILL' },
    { target: 'an ffmpeg', how: 'SIGKILL' },
    { target: 'mpirun', how: 'SIGTERM' },
    { target: 'mpirun', how: 'SIGHUP' },
    { target: 'all ranks', how: 'SIGHUP' },
    { target: 'a rank', how: 'freeze' },
    { target: 'an ffmpeg', how: 'freeze' },
  ],
  assembling: [
    { target: 'the root', how: 'SIGKILL' },
    { target: 'mpirun', how: 'SIGKILL' },
    { target: 'an ffmpeg', how: 'SIGKILL' },
    { target: 'mpirun', how: 'SIGTERM' },
    { target: 'the root', how: 'freeze' },
    { target: 'an ffmpeg', how: 'freeze' },
  ],
  publishing: [
    { target: 'the root', how: 'SIGKILL' },
    { target: 'all ranks', how: 'SIGKILL' },
    { target: 'the root', how: 'SIGHUP' },
  ],
};

const FIRST_MS = 200;
const WITHIN_MS = 3500;
const ASSEMBLY_MS = 250;
const PUBLICATION_MS = 8;
const FROZEN_MS = 2500;
const ASSEMBLED = /^run-[0-9a-f]{16}-output\.\w+$/;
const PUBLICATION = /^publication\.json$/;

/** The state that the rounds of a session share. */
export interface Surroundings {
  readonly random: () => number;
  readonly tally: Tally;
}

/** Waits for the phase and disturbs the job that writes `output`, unless it has ended by then. */
export async function disturb(
  job: RunningJob,
  output: string,
  moment: Moment,
  { target, how }: Disturbance,
  { random, tally }: Surroundings,
): Promise<void> {
  const ranks = await waitFor(moment, job, output, random);
  const ffmpegs = target === 'an ffmpeg' && ranks.length > 0 ? await childrenOf(ranks) : [];
  const one = (pids: readonly number[]) => pids.slice(Math.floor(random() * pids.length)).slice(0, 1);
  const targets = {
    'a rank': one(ranks),
    'the root': ranks.slice(0, 1),
    'all ranks': ranks,
    mpirun: ranks.length === 0 ? [] : [job.pid],
    'an ffmpeg': one(ffmpegs),
  }[target];
  const reached = targets.filter((pid) => signal(pid, how === 'freeze' ? 'SIGSTOP' : how));
  if (reached.length === 0) tally.tooLate += 1;
  else if (how !== 'freeze') tally.kills += 1;
  else {
    tally.freezes += 1;
    await sleep(random() * FROZEN_MS);
    for (const pid of reached) signal(pid, 'SIGCONT');
  }
}

/** Returns the ranks, rank 0 first, when the phase has come; none if the job has ended before. */
async function waitFor(
  moment: Moment,
  job: RunningJob,
  output: string,
  random: () => number,
): Promise<readonly number[]> {
  if (moment === 'at work') {
    await endWithin(job, FIRST_MS + random() * WITHIN_MS);
    return jobPids(output);
  }
  const work = `${output}.framescatter`;
  if (!(await appears(join(work, 'scratch'), ASSEMBLED, job))) return [];
  const ranks = await jobPids(output);
  if (moment === 'assembling') {
    await sleep(random() * ASSEMBLY_MS);
    return ranks;
  }
  if (!(await appears(work, PUBLICATION, job))) return [];
  await sleep(random() * PUBLICATION_MS);
  return ranks;
}

/** Returns true if a file with such a name appears in the folder before the job ends. */
export async function appears(folder: string, name: RegExp, job: RunningJob): Promise<boolean> {
  for (;;) {
    const names = await readdir(folder).catch(() => []);
    if (names.some((one) => name.test(one))) return true;
    if ((await endWithin(job, 1)) !== undefined) return false;
  }
}

async function childrenOf(pids: readonly number[]): Promise<readonly number[]> {
  const lists = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter((word) => word.trim() !== '')).map(Number);
}

/** Returns true if the process still existed. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}
