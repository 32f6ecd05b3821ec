import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lookAtJob, submitScript } from '../cluster/slurm.js';
import { followJob } from '../cluster/slurm-follow.js';
import { batchScript, logName, type SlurmRequest, sbatchArguments } from '../cluster/slurm-script.js';
import { packageRoot } from '../package.js';
import type { Log } from '../report/log.js';
import type { Runner } from './runner.js';

export interface SlurmOptions {
  /** What `submit slurm INPUT OUTPUT ...` would ask for. */
  readonly request: (input: string, output: string) => SlurmRequest;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const STOPPED = 75;

/** Submits each job to Slurm, as `submit slurm --wait` does. */
export function slurmRunner({ request, log, signal }: SlurmOptions): Runner {
  return {
    async start(run) {
      const asked = request(run.input, run.output);
      return submitScript(batchScript(asked, packageRoot()), sbatchArguments(asked));
    },
    async follow(job) {
      if ((await lookAtJob(job)) === undefined) return { kind: 'gone' };
      try {
        const logFile = join(process.cwd(), logName(job));
        const code = await followJob(job, {
          look: lookAtJob,
          logFile,
          log,
          write: () => {},
          pause: (ms) => sleep(ms, undefined, { signal }),
        });
        if (code === 0) return { kind: 'done' };
        const reason = `Slurm job ${job} ended with exit code ${code}; its log is ${logFile}`;
        return code === STOPPED ? { kind: 'interrupted', reason } : { kind: 'failed', reason, final: false };
      } catch (error) {
        if (signal.aborted) return { kind: 'left' };
        throw error;
      }
    },
  };
}
