import { setTimeout as sleep } from 'node:timers/promises';
import { followJob, JobEndedBadly } from '../cloud/aml-follow.js';
import type { Session } from '../cloud/aml-provision.js';
import { type Submission, type SubmittedJob, submitJob } from '../cloud/aml-submit.js';
import { createRestClient, httpsOrigin, PUBLIC_CLOUD } from '../cloud/rest-client.js';
import { defaultCredential, tokensOf } from '../cloud/tokens.js';
import { BUSY_PAUSE_MS, type Ending, type Run, type Runner } from './runner.js';

/**
 * Azure ML tells no exit code of a job, only texts that its log led to, in which a video's name may stand: so this may be
 * wrong, and a video is tried again for only so many collisions (`take`).
 */
const BUSY = /framescatter: error: another job is working in /;

export interface AmlOptions {
  /** What `submit aml INPUT OUTPUT ...` would ask for. */
  readonly submission: (input: string, output: string) => Submission;
  readonly session: Session;
  readonly signal: AbortSignal;
}

/**
 * Submits each job to Azure ML, as `submit aml --wait` does. A run's job is named after it, so that submitting it once
 * more, by another watcher, only finds it again.
 */
export function amlRunner({ submission, session, signal }: AmlOptions): Runner {
  const interruptible = { pause: (ms: number) => sleep(ms, undefined, { signal }), ...session };
  const submit = (run: Run, name: string): Promise<SubmittedJob> =>
    submitJob(interruptible, { ...submission(run.input, run.output), name });

  /** How the job ends. Whatever else is thrown tells nothing of the job, which is most likely at work. */
  async function endingOf(run: Run, name: string): Promise<Ending> {
    try {
      const { cluster } = submission(run.input, run.output);
      await followJob(interruptible, await submit(run, name), cluster.name);
      return { kind: 'done' };
    } catch (error) {
      if (!(error instanceof JobEndedBadly)) throw error;
      const reason = error.message;
      if (!BUSY.test(reason)) return { kind: 'failed', reason, final: false };
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
      const { name, ...run } = JSON.parse(job) as Run & { readonly name: string };
      try {
        return await endingOf(run, name);
      } catch (error) {
        if (signal.aborted) return { kind: 'left' };
        throw error;
      }
    },
  };
}

/** The same, signed in as `submit aml` signs in. */
export function openAmlRunner(
  options: Omit<AmlOptions, 'session'> & Omit<Session, 'client' | 'pause'>,
  environment: NodeJS.ProcessEnv,
): Runner {
  const { workspace, log, release } = options;
  const management = httpsOrigin(environment.AZURE_RESOURCE_MANAGER_URL || PUBLIC_CLOUD);
  const client = createRestClient({ tokens: tokensOf(defaultCredential), version: release, management });
  return amlRunner({ ...options, session: { client, workspace, log, release } });
}
