import { JobError, messageOf } from '../system/errors.js';
import { followJob, JobFailed } from './aml-follow.js';
import type { Session } from './aml-provision.js';
import { newJobName, type Submission, type SubmittedJob, submitJob } from './aml-submit.js';

/** With several attempts, an outage of Azure is sat out for about an hour. */
const MAX_OUTAGES = 12;

/**
 * Submits a job and follows it to its end. If it is interrupted, which is not its fault, submits it again,
 * up to `attempts` times in all; the journal keeps what was done. A job that failed by itself or was
 * cancelled is not submitted again. The names of further attempts follow from the first, so that a second
 * call finds the jobs of the first one and starts none beside them. `began` gets each job.
 *
 * @throws {JobFailed} when the last attempt did not complete.
 * @throws {JobError} cloud: when Azure refuses, or no longer answers.
 */
export async function runToEnd(
  session: Session,
  submission: Submission,
  attempts: number,
  began: (job: SubmittedJob) => void,
): Promise<void> {
  const base = submission.name ?? newJobName();
  for (let attempt = 1; ; attempt += 1) {
    const name = attempt === 1 ? base : `${base}-${attempt}`;
    const job = await submitJob(session, { ...submission, name });
    began(job);
    try {
      await followThroughOutages(session, job, submission.cluster.name, attempts > 1 ? MAX_OUTAGES : 0);
      return;
    } catch (error) {
      if (!(error instanceof JobFailed) || error.end !== 'interrupted' || attempt === attempts) throw error;
      session.log.warn(`${error.message}; submitting it again (attempt ${attempt + 1} of ${attempts})`);
    }
  }
}

async function followThroughOutages(
  session: Session,
  job: SubmittedJob,
  cluster: string,
  outages: number,
): Promise<void> {
  for (let outage = 0; ; outage += 1) {
    try {
      return await followJob(session, job, cluster);
    } catch (error) {
      if (error instanceof JobFailed || !(error instanceof JobError)) throw error;
      if (outage === outages) {
        throw new JobError('cloud', `the state of the job ${job.name} is unknown: ${messageOf(error)}`, {
          hint: `it may still run; to follow it: the same command with --name ${job.name}`,
          cause: error,
        });
      }
      session.log.warn(`${messageOf(error)}; still following the job ${job.name}`);
    }
  }
}
