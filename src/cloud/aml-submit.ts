import { randomUUID } from 'node:crypto';
import { JobError } from '../system/errors.js';
import { jobBody, type Spread } from './aml-bodies.js';
import { type ClusterRequest, ensureCluster } from './aml-cluster.js';
import { ensureStep, type Provision, readWorkspace, type Session } from './aml-provision.js';
import type { VideoJob } from './job-arguments.js';
import { placeJournal } from './journals.js';
import { textAt } from './json.js';
import { settle } from './operations.js';
import { idIn, studioLink, urlOf } from './workspace.js';

export interface Submission {
  readonly job: VideoJob;
  readonly spread: Spread;
  readonly cluster: ClusterRequest;
  /** Creates what is missing in the workspace. The step runs in `image`. */
  readonly provision: Provision | undefined;
  /** The name of the job, to submit a video only once. Default: a new name. */
  readonly name?: string;
}

export interface SubmittedJob {
  readonly name: string;
  /** False if a job of this name existed already: Azure ML then starts no second one. */
  readonly created: boolean;
  readonly link: string;
  /** The address of the workspace's MLflow, for following the job. */
  readonly tracking: string | undefined;
}

const NAME = /^[a-zA-Z0-9][\w-]{0,254}$/;

/** Returns a unique job name. */
export function newJobName(): string {
  return `framescatter-${randomUUID()}`;
}

/**
 * Submits a pipeline job. Safe to repeat with the same name: names are unique in a workspace, and a second
 * request finds the job of the first.
 *
 * @throws {JobError} cloud: when Azure refuses, or the cluster can never run the job.
 */
export async function submitJob(session: Session, submission: Submission): Promise<SubmittedJob> {
  const { client, workspace, log } = session;
  const name = submission.name ?? newJobName();
  if (!NAME.test(name)) throw new JobError('usage', `${JSON.stringify(name)} is not a valid job name`);
  const facts = await readWorkspace(session);
  const { location, tracking } = facts;
  const { provision, spread, cluster } = submission;
  const stepId = await ensureStep(session, facts, spread, provision);
  await ensureCluster(session, cluster, spread, provision === undefined ? undefined : { location });
  const job = await placeJournal(session, submission.job, provision && facts.storage);

  const body = jobBody(job, spread, stepId, idIn(workspace, 'computes', cluster.name));
  const url = urlOf(client.management, idIn(workspace, 'jobs', name));
  const answer = await client.send({ method: 'PUT', url, body, doing: `submitting the job ${name}` });
  const created = answer.status === 201;
  const given = textAt(answer.body, 'properties', 'services', 'Studio', 'endpoint');
  const link = given?.startsWith('https://') === true ? given : studioLink(workspace, name);
  log.info(
    created ? `submitted the job ${name}` : `the job ${name} already exists; it is not started again`,
    {
      job: name,
    },
  );
  return { name, created, link, tracking };
}

/**
 * Cancels a job. Its finished work stays in its journal.
 *
 * @throws {JobError} cloud: when Azure refuses or does not answer.
 */
export async function cancelJob(session: Session, name: string): Promise<void> {
  const { client, workspace, log } = session;
  const doing = `cancelling the job ${name}`;
  const job = urlOf(client.management, idIn(workspace, 'jobs', name));
  const cancel = urlOf(client.management, idIn(workspace, 'jobs', name, 'cancel'));
  const begun = await client.send({ method: 'POST', url: cancel, doing });
  await settle(client, begun, { url: job, doing }, session.pause);
  log.info(`the job ${name} is being cancelled`, { job: name });
}
