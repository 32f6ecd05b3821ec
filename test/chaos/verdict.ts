/** What is wrong with how a run ended, and with what a round has left. */
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { codecProcesses, jobPids, ourLines, type RunResult } from '../fixtures/job.js';

/** How much the rounds did to their jobs, and what they found. */
export interface Tally {
  kills: number;
  freezes: number;
  tooLate: number;
  recomputed: number;
  wrong: number;
  hung: number;
  crashed: number;
  leftOver: number;
}

/** What a job may say that was interfered with: each tells who did it, or what to do. */
const KNOWN = [
  /^another job is working in .* \(process \d+ on \S+\)/,
  /^another job has taken over .*, as this one stood still/,
  /^the lock of this job in .* is gone/,
  /^the output exists: /,
  /^stopped by SIG(?:TERM|HUP|INT)/,
  /\bff(?:mpeg|probe)\b/,
];
const CRASHED = /internal error|^Node\.js v\d|Segmentation fault|SIGSEGV|SIGABRT|terminate called/m;
const STOPPED = 75;
const SETTLE_MS = 15_000;

/** The errors that a run tells of, without their beginning. */
function errorsOf(stderr: string): readonly string[] {
  return ourLines(stderr).flatMap((line) => /error: (.*)$/.exec(line)?.[1] ?? []);
}

/** What is wrong with the end of a run; `disturbed` where signals were sent to it or to what it runs. */
export function complaintOf({ code, stderr }: RunResult, disturbed: boolean): string | undefined {
  const errors = errorsOf(stderr);
  if (CRASHED.test(stderr)) return `it crashed with ${code}: ${stderr}`;
  const strange = errors.find((error) => !KNOWN.some((known) => known.test(error)));
  if (strange !== undefined) return `it ended with ${code} and says: ${strange}`;
  if (code === 0 || code === STOPPED || disturbed) return undefined;
  return code === 1 && errors.length > 0 ? undefined : `it ended with ${code} by itself: ${stderr}`;
}

/** True of a run that found its output made: by a run that was killed when nothing was left to do. */
export function foundOutput({ stderr }: RunResult): boolean {
  return errorsOf(stderr).some((error) => error.startsWith('the output exists: '));
}

/** What a round has left but its output, after a while for what is just ending. */
export async function leftBehind(folder: string, output: string): Promise<readonly string[]> {
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    const processes = [...(await jobPids(output)), ...codecProcesses(folder)];
    const files = readdirSync(folder).filter((name) => `${folder}/${name}` !== output);
    if (existsSync(output) && processes.length === 0 && files.length === 0) return [];
    if (performance.now() > until) return [...files, ...processes.map((pid) => `process ${pid}`)];
    await sleep(100);
  }
}
