import { JobError } from '../system/errors.js';
import { invocationBody } from './aml-bodies.js';
import type { Session } from './aml-provision.js';
import type { SubmittedJob } from './aml-submit.js';
import type { VideoJob } from './job-arguments.js';
import { placeJournal } from './journals.js';
import { textAt } from './json.js';
import { idIn, studioLink, urlOf } from './workspace.js';

/** The token scope of batch endpoints, which differs from that of management. */
export const ENDPOINT_SCOPE = 'https://ml.azure.com/.default';

/**
 * Starts a job through the batch endpoint, as the trigger does. Does not retry when the answer is lost: the
 * service names the job, so a second request would start a second job.
 *
 * @throws {JobError} cloud: when Azure refuses or does not answer.
 */
export async function invoke(
  session: Session,
  endpoint: string,
  job: VideoJob,
): Promise<Pick<SubmittedJob, 'name' | 'link'>> {
  const { client, workspace, log } = session;
  const url = urlOf(client.management, idIn(workspace, 'batchEndpoints', endpoint));
  const found = await client.send({ method: 'GET', url, doing: `looking up the batch endpoint ${endpoint}` });
  const address = textAt(found.body, 'properties', 'scoringUri');
  if (address === undefined) {
    throw new JobError('cloud', `the batch endpoint ${endpoint} has no scoring address yet`, {
      hint: 'create or update it: framescatter publish aml',
    });
  }
  const doing = `calling the batch endpoint ${endpoint}`;
  const body = invocationBody(await placeJournal(session, job, undefined));
  const answer = await client.send({
    method: 'POST',
    url: address,
    body,
    doing,
    scope: ENDPOINT_SCOPE,
    once: true,
  });
  const name = textAt(answer.body, 'id')?.split('/').at(-1) ?? textAt(answer.body, 'name');
  if (name === undefined || name === '') throw new JobError('cloud', `${doing} returned no job`);
  log.info(`the batch endpoint ${endpoint} started the job ${name}`, { job: name });
  return { name, link: studioLink(workspace, name) };
}
