import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryJob, submitScript } from '../cluster/slurm.js';
import { followJob } from '../cluster/slurm-follow.js';
import { batchScript, logName, type SlurmRequest, sbatchArguments } from '../cluster/slurm-script.js';
import type { Log } from '../report/log.js';
import { BUSY, TELL_BUSY } from '../system/errors.js';
import { packageRoot } from '../system/package.js';
import { lastError } from './job-log.js';
import { BUSY_PAUSE_MS, type Runner, type RunOutcome } from './runner.js';

export interface SlurmOptions {
  /** The request that `submit slurm INPUT OUTPUT ...` would make. */
  readonly request: (input: string, output: string) => SlurmRequest;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const STOPPED = 75;

/** Returns a runner that submits each job to Slurm, as `submit slurm --wait` does. */
export function slurmRunner({ request, log, signal, ...given }: SlurmOptions): Runner {
  const pause = given.pause ?? ((ms: number) => sleep(ms, undefined, { signal }));

  /** Returns the outcome of a job that ended with this exit code. */
  async function outcomeOf(job: string, code: number, logFile: string): Promise<RunOutcome> {
    if (code === 0) return { kind: 'done' };
    const reason = `Slurm job ${job} ended with exit code ${code}; see its log: ${logFile}`;
    if (code === STOPPED) return { kind: 'interrupted', reason };
    if (code === BUSY) {
      const error = await lastError(logFile).catch(() => undefined);
      await pause(BUSY_PAUSE_MS);
      return { kind: 'busy', reason: error ?? reason };
    }
    return { kind: 'failed', reason, final: false };
  }

  return {
    async start(run) {
      const wanted = request(run.input, run.output);
      const script = batchScript(wanted, packageRoot(), [`export ${TELL_BUSY}=1`]);
      return submitScript(script, sbatchArguments(wanted));
    },
    async follow(job) {
      const logFile = join(process.cwd(), logName(job));
      let known = true;
      const query = async (number: string) => {
        const found = await queryJob(number);
        known = found !== undefined;
        return found;
      };
      try {
        const code = await followJob(job, { query, logFile, log, write: () => {}, pause });
        return await outcomeOf(job, code, logFile);
      } catch (error) {
        if (signal.aborted) return { kind: 'left' };
        if (!known) return { kind: 'gone' };
        throw error;
      }
    },
  };
}
