import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../system/errors.js';
import { at, textAt } from './json.js';
import { failed, faultOf } from './refusals.js';
import type { RestAnswer, RestClient } from './rest-client.js';

/** Sleeps; tests pass one that does not. */
export type Pause = (milliseconds: number) => Promise<void>;

const POLL_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
const TIME_LIMIT_MS = 60 * 60_000;

/**
 * Waits until the operation that a PUT, PATCH or POST began has ended, and returns the resource. Follows the
 * headers of Azure Resource Manager (Azure-AsyncOperation, else Location), then the provisioning state of the
 * resource.
 *
 * @throws {JobError} cloud: when the operation fails, is cancelled, or takes more than an hour.
 */
export async function settle(
  client: RestClient,
  begun: RestAnswer,
  resource: { readonly url: string; readonly doing: string },
  pause: Pause = sleep,
): Promise<RestAnswer> {
  const { doing, url } = resource;
  const wait = waiter(doing, pause);
  const operation = begun.header('azure-asyncoperation');
  const location = begun.header('location');
  if (operation !== undefined) {
    for (let answer = begun, status = 'InProgress'; !ended(status, answer, doing); ) {
      await wait(answer);
      answer = await client.send({ method: 'GET', url: trusted(client, operation, doing), doing });
      status = textAt(answer.body, 'status') ?? 'Succeeded';
    }
  } else if (begun.status === 202 && location !== undefined) {
    for (let answer = begun; answer.status === 202; ) {
      await wait(answer);
      answer = await client.send({ method: 'GET', url: trusted(client, location, doing), doing });
    }
  }
  for (;;) {
    const answer = await client.send({ method: 'GET', url, doing });
    if (ended(textAt(answer.body, 'properties', 'provisioningState') ?? 'Succeeded', answer, doing))
      return answer;
    await wait(answer);
  }
}

function ended(status: string, answer: RestAnswer, doing: string): boolean {
  switch (status.toLowerCase()) {
    case 'succeeded':
      return true;
    case 'failed':
    case 'canceled':
    case 'cancelled':
      throw failed(
        doing,
        faultOf(at(answer.body, 'properties', 'provisioningErrors', 0) ?? answer.body),
        status.toLowerCase(),
      );
    default:
      return false;
  }
}

function waiter(doing: string, pause: Pause): (answer: RestAnswer) => Promise<void> {
  let waited = 0;
  return async (answer) => {
    const asked = Number(answer.header('retry-after')) * 1000;
    const time = Math.min(asked > 0 ? asked : POLL_MS, LONGEST_PAUSE_MS);
    waited += time;
    if (waited > TIME_LIMIT_MS) {
      throw new JobError('cloud', `${doing} has not finished within an hour`, {
        hint: 'it may still be in progress: check the studio (https://ml.azure.com)',
      });
    }
    await pause(time);
  };
}

/** Returns `url` if it is at the origin of the request: the token may go nowhere else. */
function trusted(client: RestClient, url: string, doing: string): string {
  if (URL.canParse(url) && new URL(url).origin === client.management) return url;
  throw new JobError('cloud', `${doing} failed: Azure returned a status address at another host`);
}
