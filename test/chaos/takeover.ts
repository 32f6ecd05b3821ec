/** Freezes a job while another process runs the same command, and checks which one may continue. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  endWithin,
  jobCommand,
  jobPids,
  type RunningJob,
  type RunResult,
  startCommand,
} from '../fixtures/job.js';
import { onHost } from '../fixtures/other-hosts.js';
import { appears, type Surroundings, signal } from './disturb.js';
import { complaintOf, foundOutput } from './verdict.js';

/** A command and its context. */
export interface Work {
  readonly args: readonly string[];
  readonly output: string;
  readonly env: NodeJS.ProcessEnv;
  /** The time limit of a run in milliseconds. */
  readonly patience: number;
}

const AT_WORK_MS = 2500;
const HEADER = /^journal\.json$/;
const BUSY = /another job is working in .*\(process \d+ on /;
const LOST =
  /another job has taken over|the lock of this job in .* is gone|^framescatter: error: the output exists/m;

/**
 * On one machine, a frozen lock holder counts as alive: the second run is refused, and the first finishes.
 */
export async function frozenHere(ranks: number, work: Work, surroundings: Surroundings): Promise<Outcome> {
  const first = startCommand(jobCommand(ranks, work.args), { env: work.env });
  const frozen = await freeze(first, work.output, surroundings);
  const second = await ended(startCommand(jobCommand(0, work.args), { env: work.env }), work);
  for (const pid of frozen) signal(pid, 'SIGCONT');
  const result = await ended(first, work);
  const story = `frozen: ${second.code}, then ${result.code}`;
  // It may be frozen when its work is done, and only its end is left.
  const wasDone = result.code === 0 && foundOutput(second);
  if (frozen.length === 0 || wasDone) return { story, complaint: complaintOf(result, false) };
  const refused = second.code === 1 && BUSY.test(second.stderr);
  const complaint = !refused
    ? `the second run was not refused: ${second.code} ${second.stderr}`
    : result.code === 0
      ? undefined
      : `the frozen run ended with ${result.code}: ${result.stderr}`;
  return { story, complaint };
}

/**
 * Between hosts, only the heartbeat shows whether the holder is alive: when it stops, the second run takes
 * over and finishes. When the first continues, during or after the work of the second, it changes nothing.
 */
export async function frozenElsewhere(work: Work, surroundings: Surroundings): Promise<Outcome> {
  const { random } = surroundings;
  const host = (name: string) => startCommand(onHost(name, jobCommand(0, work.args)), { env: work.env });
  const first = host('host-a');
  const frozen = await freeze(first, work.output, surroundings);
  const second = host('host-b');
  const afterEnd = random() < 0.5;
  if (afterEnd) await ended(second, work);
  else {
    await tookOver(second, work.patience);
    await endWithin(second, random() * AT_WORK_MS);
  }
  for (const pid of frozen) signal(pid, 'SIGCONT');
  const [one, other] = [await ended(first, work), await ended(second, work)];
  const story = `taken over${afterEnd ? '' : ', woken meanwhile'}: ${one.code}, ${other.code}`;
  // It may be frozen when its work is done, and only its end is left.
  const wasDone = one.code === 0 && foundOutput(other);
  if (frozen.length === 0 || wasDone) return { story, complaint: complaintOf(one, false) };
  if (other.code !== 0) return { story, complaint: `the second run failed: ${other.code} ${other.stderr}` };
  const lost = one.code === 1 && LOST.test(one.stderr) && complaintOf(one, false) === undefined;
  return lost || foundOutput(one)
    ? { story, complaint: undefined }
    : { story, complaint: `the run that was taken over ended with ${one.code}: ${one.stderr}` };
}

export interface Outcome {
  readonly story: string;
  readonly complaint: string | undefined;
}

/** Freezes a job some time after it has taken the lock. Returns its processes; none if it had ended. */
async function freeze(
  job: RunningJob,
  output: string,
  { random, tally }: Surroundings,
): Promise<readonly number[]> {
  const begun = await appears(`${output}.framescatter`, HEADER, job);
  if (begun) await sleep(random() * AT_WORK_MS);
  const frozen = begun ? (await jobPids(output)).filter((pid) => signal(pid, 'SIGSTOP')) : [];
  if (frozen.length === 0) tally.tooLate += 1;
  else tally.freezes += 1;
  return frozen;
}

/** Waits until a run logs that it has opened the other's work, or has ended. */
async function tookOver(job: RunningJob, patience: number): Promise<void> {
  const until = performance.now() + patience;
  while (!/ work folder: /.test(job.stderr()) && performance.now() < until) {
    if ((await endWithin(job, 50)) !== undefined) return;
  }
}

/** Waits for the end of a run; kills and reports one that exceeds the time limit. */
async function ended(job: RunningJob, { output, patience }: Work): Promise<RunResult> {
  const result = await endWithin(job, patience);
  if (result !== undefined) return result;
  for (const pid of [...(await jobPids(output)), -job.pid]) signal(pid, 'SIGKILL');
  return { ...(await job.result), code: -1 };
}
