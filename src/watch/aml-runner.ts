import { setTimeout as sleep } from 'node:timers/promises';
import { followJob, JobFailed } from '../cloud/aml-follow.js';
import type { Session } from '../cloud/aml-provision.js';
import { type Submission, type SubmittedJob, submitJob } from '../cloud/aml-submit.js';
import { createRestClient, httpsOrigin, PUBLIC_CLOUD } from '../cloud/rest-client.js';
import { defaultCredential, tokensOf } from '../cloud/tokens.js';
import { isPlainObject } from '../system/plain-object.js';
import { BUSY_PAUSE_MS, type Run, type Runner, type RunOutcome } from './runner.js';

/**
 * Matches the error of a job whose output is in use. Azure ML reports no exit codes, only texts, which may
 * contain a video's name. So a match may be wrong, and `take` limits the number of collisions.
 */
const BUSY = /framescatter: error: another job is working in /;

export interface AmlOptions {
  /** The submission that `submit aml INPUT OUTPUT ...` would make. */
  readonly submission: (input: string, output: string) => Submission;
  readonly session: Session;
  readonly signal: AbortSignal;
}

/**
 * Returns a runner that submits each job to Azure ML, as `submit aml --wait` does. A job is named after its
 * run, so that another watcher that submits it again finds the same job.
 */
export function amlRunner({ submission, session, signal }: AmlOptions): Runner {
  const interruptible = { pause: (ms: number) => sleep(ms, undefined, { signal }), ...session };
  const submit = (run: Run, name: string): Promise<SubmittedJob> =>
    submitJob(interruptible, { ...submission(run.input, run.output), name });

  /** Returns the outcome of the job. If it throws, the job is probably still running. */
  async function outcomeOf(run: Run, name: string): Promise<RunOutcome> {
    try {
      const { cluster } = submission(run.input, run.output);
      await followJob(interruptible, await submit(run, name), cluster.name);
      return { kind: 'done' };
    } catch (error) {
      if (!(error instanceof JobFailed)) throw error;
      const reason = error.message;
      if (error.end === 'interrupted') return { kind: 'interrupted', reason };
      if (!BUSY.test(reason)) return { kind: 'failed', reason, final: error.end === 'cancelled' };
      await interruptible.pause(BUSY_PAUSE_MS);
      return { kind: 'busy', reason };
    }
  }

  return {
    async start(run) {
      const name = `framescatter-${run.id}`;
      await submit(run, name);
      return JSON.stringify({ ...run, name });
    },
    async follow(job) {
      const { name, ...run } = parseJob(job);
      try {
        return await outcomeOf(run, name);
      } catch (error) {
        if (signal.aborted) return { kind: 'left' };
        throw error;
      }
    },
  };
}

/** Parses what `start` returned, which was read from a record. */
function parseJob(text: string): Run & { readonly name: string } {
  const job: unknown = JSON.parse(text);
  if (isPlainObject(job)) {
    const { name, input, output, id } = job;
    if (isString(name) && isString(input) && isString(output) && isString(id))
      return { name, input, output, id };
  }
  throw new Error(`not an Azure ML job of this program: ${text}`);
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

/** Returns `amlRunner` with the credentials that `submit aml` uses. */
export function openAmlRunner(
  options: Omit<AmlOptions, 'session'> & Omit<Session, 'client' | 'pause'>,
  environment: NodeJS.ProcessEnv,
): Runner {
  const { workspace, log, release } = options;
  const management = httpsOrigin(environment.AZURE_RESOURCE_MANAGER_URL || PUBLIC_CLOUD);
  const client = createRestClient({ tokens: tokensOf(defaultCredential), version: release, management });
  return amlRunner({ ...options, session: { client, workspace, log, release } });
}
