/** Removes what `deploy azure` made: the group with all in it, and the names that deletion would keep. */
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError, messageOf } from '../../system/errors.js';
import { type Json, listAt, textAt } from '../json.js';
import { API_VERSION } from '../workspace.js';
import { readGroup } from './deploy.js';
import { groupId, type Place, RESOURCES_API, TAG } from './deployment.js';
import { address } from './image.js';
import type { Inquiry } from './preflight.js';

const VAULT_API = '2023-07-01';
const WORKSPACES = 'Microsoft.MachineLearningServices/workspaces';
const VAULTS = 'Microsoft.KeyVault/vaults';
const POLL_MS = 10_000;
const LIMIT_MS = 3_600_000;

export interface Found {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  /** The deployment made it. */
  readonly ours: boolean;
}

/**
 * Deletes the group. Without `sure` nothing is deleted: the error lists what would be.
 *
 * @throws {JobError} usage: when the group is not framescatter's, or without `sure`.
 * @throws {JobError} cloud: when Azure refuses.
 */
export async function undeploy(inquiry: Inquiry, place: Place, sure: boolean): Promise<void> {
  const { client, log, pause = sleep } = inquiry;
  const group = await readGroup(inquiry, place);
  if (group === undefined) {
    log.info(`there is no resource group ${place.resourceGroup}`);
    return;
  }
  if (group.tags[TAG.ours] === undefined) {
    throw new JobError(
      'usage',
      `the resource group ${place.resourceGroup} is not framescatter's: deploy azure did not make it`,
      { hint: 'give the --resource-group of deploy azure' },
    );
  }
  const found = await resourcesIn(inquiry, place);
  if (!sure) throw unsure(place, found);
  for (const { id } of found.filter(({ type }) => type.toLowerCase() === WORKSPACES.toLowerCase())) {
    // Else its name stays taken, and a new deployment of the same name fails.
    await remove(inquiry, `${address(client.management, id, API_VERSION)}&forceToPurge=true`, {
      doing: 'deleting the workspace',
      absent: address(client.management, id, API_VERSION),
    });
  }
  const url = address(client.management, groupId(place), RESOURCES_API);
  await remove(inquiry, url, { doing: `deleting the resource group ${place.resourceGroup}`, absent: url });
  for (const { name } of found.filter(({ type }) => type.toLowerCase() === VAULTS.toLowerCase()))
    await purgeVault(inquiry, place, group.location, name);
  log.info(`deleted the resource group ${place.resourceGroup} and the ${found.length} resources in it`);

  async function remove(
    { client }: Inquiry,
    target: string,
    { doing, absent }: { readonly doing: string; readonly absent: string },
  ): Promise<void> {
    log.info(doing);
    await client.send({ method: 'DELETE', url: target, doing, absentIsAnswer: true });
    for (let waited = 0; waited <= LIMIT_MS; waited += POLL_MS) {
      const { status } = await client.send({ method: 'GET', url: absent, doing, absentIsAnswer: true });
      if (status === 404) return;
      await pause(POLL_MS);
    }
    throw new JobError('cloud', `${doing} has not finished within an hour`, {
      hint: 'it may still be in progress; run the same command again',
    });
  }
}

/** Lists what is in the group. */
async function resourcesIn({ client }: Inquiry, place: Place): Promise<readonly Found[]> {
  const doing = `listing the resource group ${place.resourceGroup}`;
  const url = address(client.management, groupId(place, 'resources'), RESOURCES_API);
  const { body } = await client.send({ method: 'GET', url, doing });
  return listAt(body, 'value').map((one: Json) => ({
    id: textAt(one, 'id') ?? '',
    type: textAt(one, 'type') ?? '',
    name: textAt(one, 'name') ?? '',
    ours: textAt(one, 'tags', TAG.ours) !== undefined,
  }));
}

function unsure({ resourceGroup }: Place, found: readonly Found[]): JobError {
  const lines = found.map(
    ({ type, name, ours }) => `  ${type} ${name}${ours ? '' : ' (not made by deploy azure)'}`,
  );
  return new JobError(
    'usage',
    [
      `this deletes the resource group ${resourceGroup} with all videos, results and journals:`,
      ...lines,
    ].join('\n'),
    { hint: 'give --yes if that is meant' },
  );
}

/** A vault's name would stay taken for a week. Needs more rights than the rest: without them it stays so. */
async function purgeVault(
  { client, log }: Inquiry,
  place: Place,
  location: string,
  name: string,
): Promise<void> {
  const id = `/subscriptions/${place.subscription}/providers/Microsoft.KeyVault/locations/${location}/deletedVaults/${encodeURIComponent(name)}/purge`;
  try {
    await client.send({
      method: 'POST',
      url: address(client.management, id, VAULT_API),
      doing: `purging the vault ${name}`,
      absentIsAnswer: true,
    });
  } catch (error) {
    log.warn(`${messageOf(error)}; its name stays taken for a week: deploy again with another --prefix`);
  }
}
