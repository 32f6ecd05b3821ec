import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lookAtJob, submitScript } from '../cluster/slurm.js';
import { followJob } from '../cluster/slurm-follow.js';
import { batchScript, logName, type SlurmRequest, sbatchArguments } from '../cluster/slurm-script.js';
import type { Log } from '../report/log.js';
import { BUSY, TELL_BUSY } from '../system/errors.js';
import { packageRoot } from '../system/package.js';
import { lastError } from './job-log.js';
import { BUSY_PAUSE_MS, type Ending, type Runner } from './runner.js';

export interface SlurmOptions {
  /** What `submit slurm INPUT OUTPUT ...` would ask for. */
  readonly request: (input: string, output: string) => SlurmRequest;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const STOPPED = 75;

/** Submits each job to Slurm, as `submit slurm --wait` does. */
export function slurmRunner({ request, log, signal, ...given }: SlurmOptions): Runner {
  const pause = given.pause ?? ((ms: number) => sleep(ms, undefined, { signal }));

  /** How a job ended that Slurm says ended with this code. */
  async function endingOf(job: string, code: number, logFile: string): Promise<Ending> {
    if (code === 0) return { kind: 'done' };
    const reason = `Slurm job ${job} ended with exit code ${code}; its log is ${logFile}`;
    if (code === STOPPED) return { kind: 'interrupted', reason };
    if (code === BUSY) {
      const said = await lastError(logFile).catch(() => undefined);
      await pause(BUSY_PAUSE_MS);
      return { kind: 'busy', reason: said ?? reason };
    }
    return { kind: 'failed', reason, final: false };
  }

  return {
    async start(run) {
      const asked = request(run.input, run.output);
      const script = batchScript(asked, packageRoot(), [`export ${TELL_BUSY}=1`]);
      return submitScript(script, sbatchArguments(asked));
    },
    async follow(job) {
      const logFile = join(process.cwd(), logName(job));
      let known = true;
      const look = async (number: string) => {
        const found = await lookAtJob(number);
        known = found !== undefined;
        return found;
      };
      try {
        const code = await followJob(job, { look, logFile, log, write: () => {}, pause });
        return await endingOf(job, code, logFile);
      } catch (error) {
        if (signal.aborted) return { kind: 'left' };
        if (!known) return { kind: 'gone' };
        throw error;
      }
    },
  };
}
