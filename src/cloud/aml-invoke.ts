import { JobError } from '../system/errors.js';
import { invocationBody } from './aml-bodies.js';
import type { Session } from './aml-provision.js';
import type { SubmittedJob } from './aml-submit.js';
import type { FilmJob } from './job-arguments.js';
import { textAt } from './json.js';
import { idIn, studioLink, urlOf } from './workspace.js';

/** Whom a token for a batch endpoint is for: not management. */
export const ENDPOINT_SCOPE = 'https://ml.azure.com/.default';

/**
 * Starts a film through the batch endpoint, as the trigger does. Not repeated where the answer is lost: the service gives
 * the job its name, so that a second request would start a second job.
 *
 * @throws JobError('cloud')
 */
export async function invoke(
  session: Session,
  endpoint: string,
  film: FilmJob,
): Promise<Pick<SubmittedJob, 'name' | 'link'>> {
  const { client, workspace, log } = session;
  const url = urlOf(client.management, idIn(workspace, 'batchEndpoints', endpoint));
  const found = await client.send({ method: 'GET', url, doing: `looking up the batch endpoint ${endpoint}` });
  const address = textAt(found.body, 'properties', 'scoringUri');
  if (address === undefined) {
    throw new JobError('cloud', `the batch endpoint ${endpoint} has no address yet`, {
      hint: 'framescatter publish aml',
    });
  }
  const doing = `calling the batch endpoint ${endpoint}`;
  const body = invocationBody(film);
  const answer = await client.send({
    method: 'POST',
    url: address,
    body,
    doing,
    scope: ENDPOINT_SCOPE,
    once: true,
  });
  const name = textAt(answer.body, 'id')?.split('/').at(-1) ?? textAt(answer.body, 'name');
  if (name === undefined || name === '') throw new JobError('cloud', `${doing} gave no job`);
  log.info(`the batch endpoint ${endpoint} started the job ${name}`, { job: name });
  return { name, link: studioLink(workspace, name) };
}
