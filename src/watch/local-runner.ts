import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LAUNCH_ENVIRONMENT } from '../mpi/launcher.js';
import { stopSignal } from '../mpi/stop-signal.js';
import { BUSY, JobError, messageOf, TELL_BUSY } from '../system/errors.js';
import { packageRoot } from '../system/package.js';
import { identityIn, identityOf, stateOf } from '../system/process-identity.js';
import { lastError } from './job-log.js';
import type { Run, Runner, RunOutcome } from './runner.js';

export interface LocalOptions {
  /** The options of the job. */
  readonly args: readonly string[];
  /** The number of ranks under mpirun; 0 for no mpirun. */
  readonly ranks: number;
  /** The folder for the logs of running jobs; those of failed jobs stay. */
  readonly logs: string;
  /** Aborted when this watcher should end. */
  readonly signal: AbortSignal;
}

const ORPHAN_POLL_MS = 500;
const STOPPED = 75;
const USAGE = 2;

interface Child {
  readonly ended: Promise<number>;
  readonly log: string;
  stop(): void;
}

interface Started extends Omit<Child, 'stop'> {
  readonly child: ChildProcess;
}

/** Returns a runner that runs each job as a child process, on this machine. */
export function localRunner(options: LocalOptions): Runner {
  const { signal } = options;
  const children = new Map<string, Child>();
  return {
    async start(run) {
      const { child, ended, log } = await startChild(options, run);
      const job = JSON.stringify(await identityOf(child.pid ?? 0));
      const stopping = options.ranks > 0 ? stopSignal('mpirun') : Promise.resolve(undefined);
      children.set(job, {
        ended,
        log,
        stop: () => void stopping.then((one) => child.kill(one ?? 'SIGTERM')),
      });
      return job;
    },
    async follow(job) {
      const child = children.get(job);
      if (child === undefined) return followOrphan(job, signal);
      signal.addEventListener('abort', child.stop, { once: true });
      if (signal.aborted) child.stop();
      try {
        return await outcomeOf(await child.ended, child.log, signal);
      } finally {
        signal.removeEventListener('abort', child.stop);
        children.delete(job);
      }
    },
  };
}

async function startChild({ args, ranks, logs }: LocalOptions, run: Run): Promise<Started> {
  const report = run.report === undefined ? [] : ['--report', run.report];
  const job = [join(packageRoot(), 'dist', 'main.js'), run.input, run.output, ...report, ...args];
  const launch = ['-np', String(ranks), process.execPath];
  await fs.mkdir(logs, { recursive: true });
  const log = join(logs, `${run.id}.log`);
  await using file = await fs.open(log, 'a');
  const [program, programArgs] = ranks > 0 ? ['mpirun', [...launch, ...job]] : [process.execPath, job];
  // A separate session, so that a signal from the terminal reaches the job once, through this process. A
  // file instead of a pipe, so that a job whose watcher has died can still write to it, and finish.
  const env = { ...LAUNCH_ENVIRONMENT, ...process.env, [TELL_BUSY]: '1' };
  const child = spawn(program, programArgs, { env, stdio: ['ignore', file.fd, file.fd], detached: true });
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  await once(child, 'spawn').catch((cause) => {
    throw new JobError('mpi', `${program} cannot be run: ${messageOf(cause)}`);
  });
  return { child, ended, log };
}

async function outcomeOf(code: number, log: string, signal: AbortSignal): Promise<RunOutcome> {
  if (code === 0) {
    await fs.rm(log, { force: true });
    return { kind: 'done' };
  }
  const reason = (await lastError(log)) ?? `the job ended with exit code ${code}; see its log: ${log}`;
  if (code === STOPPED) return signal.aborted ? { kind: 'stopped' } : { kind: 'interrupted', reason };
  if (code === BUSY) {
    await fs.rm(log, { force: true });
    return { kind: 'busy', reason };
  }
  return { kind: 'failed', reason, final: code === USAGE };
}

/** Follows a job that a dead watcher started on this machine: it may still be running. */
async function followOrphan(job: string, signal: AbortSignal): Promise<RunOutcome> {
  const identity = identityIn(JSON.parse(job));
  while ((await stateOf(identity)) === 'runs') {
    if (signal.aborted) return { kind: 'left' };
    await sleep(ORPHAN_POLL_MS);
  }
  return { kind: 'gone' };
}
