/** What can be known before anything is made: each check says what to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../report/log.js';
import { JobError } from '../../system/errors.js';
import { didYouMean } from '../../system/suggestion.js';
import { at, type Json, listAt, textAt } from '../json.js';
import type { Pause } from '../operations.js';
import type { RestClient } from '../rest-client.js';
import { API_VERSION } from '../workspace.js';
import { type DeployRequest, RESOURCES_API } from './deployment.js';

export interface Inquiry {
  readonly client: RestClient;
  readonly log: Log;
  readonly pause?: Pause;
}

/** Those of the types in aml/infra/main.json; budgets and roles are registered everywhere. */
export const PROVIDERS: readonly string[] = [
  ...['MachineLearningServices', 'Storage', 'KeyVault', 'ContainerRegistry', 'ManagedIdentity'],
  ...['Insights', 'OperationalInsights', 'Network'],
].map((name) => `Microsoft.${name}`);

/** learn.microsoft.com/rest/api/resources/subscriptions and /authorization/permissions. */
const SUBSCRIPTIONS_API = '2022-12-01';
const PERMISSIONS_API = '2022-04-01';
const ROLE_WRITE = 'Microsoft.Authorization/roleAssignments/write';
const DEPLOY = 'Microsoft.Resources/deployments/write';
const REGISTER_POLL_MS = 10_000;
const REGISTER_POLLS = 60;

/** The requests that ask, in order; for `--dry-run`. */
export function inquiries(request: DeployRequest) {
  const base = `/subscriptions/${request.subscription}`;
  const ml = `${base}/providers/Microsoft.MachineLearningServices/locations/${request.location}`;
  return {
    subscription: `${base}?api-version=${SUBSCRIPTIONS_API}`,
    locations: `${base}/locations?api-version=${SUBSCRIPTIONS_API}`,
    permissions: `${base}/providers/Microsoft.Authorization/permissions?api-version=${PERMISSIONS_API}`,
    provider: (name: string) => `${base}/providers/${name}?api-version=${RESOURCES_API}`,
    register: (name: string) => `${base}/providers/${name}/register?api-version=${RESOURCES_API}`,
    sizes: `${ml}/vmSizes?api-version=${API_VERSION}`,
    usages: `${ml}/usages?api-version=${API_VERSION}`,
  };
}

/**
 * Checks subscription, region, rights, providers, VM size and quota. Registers providers that are not.
 *
 * @throws {JobError} usage or cloud: on the first that a deployment would fail of; the hint says what to do.
 */
export async function checkBefore(inquiry: Inquiry, request: DeployRequest): Promise<void> {
  const asked = inquiries(request);
  const ask = (path: string, doing: string) => get(inquiry, path, doing);
  checkSubscription(await ask(asked.subscription, `looking up the subscription ${request.subscription}`));
  checkLocation(await ask(asked.locations, 'listing the regions of the subscription'), request.location);
  checkRights(await ask(asked.permissions, 'listing your rights on the subscription'));
  for (const name of PROVIDERS) await register(inquiry, request, name);
  const sizes = await ask(asked.sizes, `listing the VM sizes in ${request.location}`);
  const size = checkSize(sizes, request);
  checkQuota(await ask(asked.usages, `reading the quota in ${request.location}`), size, request);
  inquiry.log.info(
    `${request.location} has ${request.vmSize}, and the quota allows ${request.nodes} node(s)${priceOf(size)}`,
  );
}

async function get({ client }: Inquiry, path: string, doing: string): Promise<Json> {
  return (await client.send({ method: 'GET', url: `${client.management}${path}`, doing })).body;
}

function checkSubscription(body: Json): void {
  const state = textAt(body, 'state') ?? 'Enabled';
  if (/^(?:Enabled|PastDue)$/i.test(state)) return;
  throw new JobError('cloud', `the subscription is ${state.toLowerCase()}`, {
    hint: 'enable it (portal: Subscriptions), or give another with --subscription',
  });
}

function checkLocation(body: Json, location: string): void {
  const names = listAt(body, 'value').flatMap((one) => textAt(one, 'name') ?? []);
  if (names.length === 0 || names.includes(location)) return;
  throw new JobError(
    'usage',
    `--location ${location} is no region of the subscription${didYouMean(location, names)}`,
    { hint: 'az account list-locations -o table lists them' },
  );
}

/** Rights on the group can add to these, but the group may not exist yet. */
function checkRights(body: Json): void {
  const granted = listAt(body, 'value');
  const may = (action: string) =>
    granted.some(
      (one) =>
        listAt(one, 'actions').some((pattern) => covers(pattern, action)) &&
        !listAt(one, 'notActions').some((pattern) => covers(pattern, action)),
    );
  if (granted.length === 0) return;
  const missing = [DEPLOY, ROLE_WRITE].find((action) => !may(action));
  if (missing === undefined) return;
  throw new JobError('cloud', `you may not do ${missing} in the subscription`, {
    hint:
      missing === DEPLOY
        ? 'have somebody give you the role Owner on it'
        : 'have somebody give you, beside Contributor, the role Role Based Access Control Administrator on it',
  });
}

function covers(pattern: Json, action: string): boolean {
  if (typeof pattern !== 'string') return false;
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i').test(action);
}

async function register(inquiry: Inquiry, request: DeployRequest, name: string): Promise<void> {
  const { client, log, pause = sleep } = inquiry;
  const asked = inquiries(request);
  const doing = `registering the provider ${name}`;
  const state = async () => textAt(await get(inquiry, asked.provider(name), doing), 'registrationState');
  if ((await state()) === 'Registered') return;
  log.info(`registering the provider ${name}`);
  await client.send({ method: 'POST', url: `${client.management}${asked.register(name)}`, doing });
  for (let poll = 0; poll < REGISTER_POLLS; poll += 1) {
    if ((await state()) === 'Registered') return;
    await pause(REGISTER_POLL_MS);
  }
  throw new JobError('cloud', `${doing} takes more than ten minutes`, {
    hint: 'run the same command again later; it goes on from here',
  });
}

function checkSize(body: Json, request: DeployRequest): Json {
  const sizes = listAt(body, 'value');
  const named = (name: string) =>
    sizes.find((one) => textAt(one, 'name')?.toLowerCase() === name.toLowerCase());
  const found = named(request.vmSize);
  if (found !== undefined) return found;
  const kind = request.gpusPerNode > 0 ? /^Standard_NC.*T4/i : /^Standard_F/i;
  const others = sizes.flatMap((one) => textAt(one, 'name') ?? []).filter((name) => kind.test(name));
  throw new JobError('cloud', `${request.location} has no ${request.vmSize} for Azure ML`, {
    hint: `give another --location${others.length === 0 ? '' : `, or --vm-size ${others.slice(0, 4).join(' or ')}`}`,
  });
}

/**
 * Compares names by their letters and digits: a size's family is "standardNCASv3_T4Family", the quota's name
 * "Standard NCASv3_T4 Family Cluster Dedicated vCPUs".
 */
function checkQuota(body: Json, size: Json, request: DeployRequest): void {
  const family = plain(textAt(size, 'family') ?? '').replace(/family$/, '');
  const cores = at(size, 'vCPUs');
  if (family === '' || typeof cores !== 'number') return;
  const quota = listAt(body, 'value').find((one) => {
    const names = [textAt(one, 'name', 'value'), textAt(one, 'name', 'localizedValue')];
    return names.some((name) => {
      const text = plain(name ?? '');
      return text.startsWith(`${family}family`) && !text.includes('lowpriority');
    });
  });
  const limit = at(quota, 'limit');
  if (typeof limit !== 'number' || limit < 0) return;
  const used = Number(at(quota, 'currentValue') ?? 0);
  const needed = cores * request.nodes;
  if (limit - used >= needed) return;
  const title = textAt(quota, 'name', 'localizedValue') ?? textAt(quota, 'name', 'value');
  const fits = Math.floor((limit - used) / cores);
  throw new JobError(
    'cloud',
    `the quota "${title}" in ${request.location} is ${limit} cores, of which ${used} are used; ` +
      `${request.nodes} node(s) of ${request.vmSize} need ${needed}`,
    {
      hint: `${fits > 0 ? `give --nodes ${fits}, or ask` : 'ask'} for ${used + needed} cores: portal, Quotas, provider Machine Learning, region ${request.location}, this name; or give --vm-size Standard_F16s_v2, without GPUs`,
    },
  );
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function priceOf(size: Json): string {
  const prices = at(size, 'estimatedVMPrices');
  const linux = listAt(prices, 'values').find(
    (one) => textAt(one, 'osType') === 'Linux' && textAt(one, 'vmTier') === 'Standard',
  );
  const price = at(linux, 'retailPrice');
  if (typeof price !== 'number') return '';
  return `; a node costs about ${price} ${textAt(prices, 'billingCurrency') ?? ''} an hour while it works`;
}
