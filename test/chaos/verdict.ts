/** Checks how a run ended, and what a round has left behind. */
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { codecProcesses, jobPids, ourLines, type RunResult } from '../fixtures/job.js';

/** The counts of disturbances and results of the rounds. */
export interface Tally {
  kills: number;
  freezes: number;
  tooLate: number;
  /** Frames of recorded segments that a later run did not find. */
  lost: number;
  wrong: number;
  hung: number;
  crashed: number;
  leftOver: number;
}

/** The permitted errors of a disturbed job; each names the cause or a remedy. */
const KNOWN = [
  /^another job is working in .* \(process \d+ on \S+\)/,
  /^another job has taken over .*, because this one did not respond/,
  /^the lock of this job in .* is gone/,
  /^the output exists: /,
  /^stopped by SIG(?:TERM|HUP|INT)/,
  /\bff(?:mpeg|probe)\b/,
];
const CRASHED = /internal error|^Node\.js v\d|Segmentation fault|SIGSEGV|SIGABRT|terminate called/m;
const STOPPED = 75;
const SETTLE_MS = 60_000;

/** Returns the errors of a run without their prefix. */
function errorsOf(stderr: string): readonly string[] {
  return ourLines(stderr).flatMap((line) => /error: (.*)$/.exec(line)?.[1] ?? []);
}

/** Returns the complaint about the end of a run, if any; `disturbed` if it or its children got signals. */
export function complaintOf({ code, stderr }: RunResult, disturbed: boolean): string | undefined {
  const errors = errorsOf(stderr);
  if (CRASHED.test(stderr)) return `it crashed with ${code}: ${stderr}`;
  const strange = errors.find((error) => !KNOWN.some((known) => known.test(error)));
  if (strange !== undefined) return `it ended with ${code} and says: ${strange}`;
  if (code === 0 || code === STOPPED || disturbed) return undefined;
  return code === 1 && errors.length > 0 ? undefined : `it ended with ${code} by itself: ${stderr}`;
}

/** Returns true if a run found its output complete, from a run that was killed after its last step. */
export function foundOutput({ stderr }: RunResult): boolean {
  return errorsOf(stderr).some((error) => error.startsWith('the output exists: '));
}

/** Returns what a round has left besides its output, after a grace time for ending processes. */
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
