import { randomUUID } from 'node:crypto';
import { JobError } from '../system/errors.js';
import { jobBody, type Spread } from './aml-bodies.js';
import {
  type ClusterRequest,
  ensureCluster,
  ensureStep,
  newestStep,
  readWorkspace,
  type Session,
} from './aml-provision.js';
import type { FilmJob } from './job-arguments.js';
import { textAt } from './json.js';
import { settle } from './operations.js';
import { idIn, studioLink, urlOf } from './workspace.js';

export interface Submission {
  readonly film: FilmJob;
  readonly spread: Spread;
  readonly cluster: ClusterRequest;
  /** Make what is missing in the workspace; `image` is what the step runs in. */
  readonly provision: { readonly image: string } | undefined;
  /** Name of the job, where the caller wants the same film submitted once only; else a new one. */
  readonly name?: string;
}

export interface SubmittedJob {
  readonly name: string;
  /** False where a job of this name was there already: Azure ML then starts no second one. */
  readonly created: boolean;
  readonly link: string;
  /** Address of the workspace's MLflow, for following the job. */
  readonly tracking: string | undefined;
}

const NAME = /^[a-zA-Z0-9][\w-]{0,254}$/;

/** A name that no other job has. */
export function newJobName(): string {
  return `framescatter-${randomUUID()}`;
}

/**
 * Submits a film as a pipeline job. Safe to repeat with the same name: names are unique in a workspace, and a second
 * request only finds the first one's job.
 *
 * @throws JobError('cloud') where Azure refuses, or the cluster can never run the job.
 */
export async function submitJob(session: Session, submission: Submission): Promise<SubmittedJob> {
  const { client, workspace, log } = session;
  const name = submission.name ?? newJobName();
  if (!NAME.test(name)) throw new JobError('usage', `a job cannot be named ${JSON.stringify(name)}`);
  const { location, tracking } = await readWorkspace(session);
  const { provision, spread, cluster } = submission;
  const stepId =
    provision === undefined ? await newestStep(session) : await ensureStep(session, provision.image);
  await ensureCluster(session, cluster, spread, provision === undefined ? undefined : { location });

  const body = jobBody(submission.film, spread, stepId, idIn(workspace, 'computes', cluster.name));
  const url = urlOf(client.management, idIn(workspace, 'jobs', name));
  const answer = await client.send({ method: 'PUT', url, body, doing: `submitting the job ${name}` });
  const created = answer.status === 201;
  const given = textAt(answer.body, 'properties', 'services', 'Studio', 'endpoint');
  const link = given?.startsWith('https://') === true ? given : studioLink(workspace, name);
  log.info(
    created ? `submitted the job ${name}` : `the job ${name} was submitted before; it is not started again`,
    {
      job: name,
    },
  );
  return { name, created, link, tracking };
}

/** Asks for a job's end; what it has finished stays in its journal. @throws JobError('cloud') */
export async function cancelJob(session: Session, name: string): Promise<void> {
  const { client, workspace, log } = session;
  const doing = `cancelling the job ${name}`;
  const job = urlOf(client.management, idIn(workspace, 'jobs', name));
  const cancel = urlOf(client.management, idIn(workspace, 'jobs', name, 'cancel'));
  const begun = await client.send({ method: 'POST', url: cancel, doing });
  await settle(client, begun, { url: job, doing }, session.pause);
  log.info(`the job ${name} is being cancelled`, { job: name });
}
