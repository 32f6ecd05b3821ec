/** From an empty subscription to a cluster that takes jobs. Every step may be repeated. */
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';
import { at, type Json, textAt } from '../json.js';
import { faultOf } from '../refusals.js';
import type { Tokens } from '../tokens.js';
import {
  type DeployRequest,
  deploymentOf,
  groupId,
  groupOf,
  monthOf,
  type Operator,
  type Place,
  RESOURCES_API,
  TAG,
} from './deployment.js';
import { deploymentError } from './explain.js';
import {
  address,
  ensureImage,
  type ImageWork,
  REPOSITORY,
  requestOf,
  tagGroup,
  type Wanted,
} from './image.js';
import { checkBefore, type Inquiry } from './preflight.js';

export interface DeployWork extends ImageWork {
  readonly tokens: Tokens;
}

/** What was made, and what jobs need of it. */
export interface Deployed {
  /** Without a slash at its end. */
  readonly blobEndpoint: string;
  readonly workspace: string;
  readonly image: string;
}

export interface Group {
  readonly location: string;
  readonly tags: Readonly<Record<string, string>>;
}

const POLL_MS = 10_000;
const LIMIT_MS = 3_600_000;

/**
 * Makes what is missing: the group, all resources, and the image. A call that finds another at work follows
 * it; one after a failure goes on where that one ended.
 *
 * @throws {JobError} usage: when the group is somebody else's, or of another region or profile.
 * @throws {JobError} cloud: when Azure refuses; the hint says what to do.
 */
export async function deployAll(work: DeployWork, request: DeployRequest, wanted: Wanted): Promise<Deployed> {
  const { client, log } = work;
  await checkBefore(work, request);
  const before = await readGroup(work, request);
  checkGroup(before, request);
  await client.send({
    ...requestOf(client.management, 'PUT', groupOf(request, before?.tags ?? {})),
    doing: `creating the resource group ${request.resourceGroup}`,
  });
  const begun = before?.tags[TAG.begun] ?? monthOf(new Date());
  if (before?.tags[TAG.begun] === undefined) await tagGroup(work, request, { [TAG.begun]: begun });

  const token = await work.tokens.get(`${client.management}/.default`);
  const operator = operatorOf(token);
  if (operator === undefined)
    log.warn('who signed in is not known: give yourself the roles on the containers (docs/azure-deploy.md)');
  const outputs = await deployTemplate(work, request, operator, begun);
  const output = (name: string): string => {
    const value = textAt(outputs, name, 'value');
    if (value === undefined) throw new JobError('cloud', `the deployment has no output ${name}`);
    return value;
  };
  await ensureImage(work, request, output('registryName'), wanted, before?.tags ?? {});
  return {
    blobEndpoint: output('blobEndpoint').replace(/\/+$/, ''),
    workspace: output('workspaceName'),
    image: `${output('registryServer')}/${REPOSITORY}:${wanted.tag}`,
  };
}

/** Returns the group; undefined if there is none. */
export async function readGroup({ client }: Inquiry, place: Place): Promise<Group | undefined> {
  const url = address(client.management, groupId(place), RESOURCES_API);
  const doing = `looking up the resource group ${place.resourceGroup}`;
  const { status, body } = await client.send({ method: 'GET', url, doing, absentIsAnswer: true });
  if (status === 404) return undefined;
  const tags = Object.entries((at(body, 'tags') ?? {}) as Record<string, Json>);
  return {
    location: textAt(body, 'location') ?? '',
    tags: Object.fromEntries(tags.map(([name, value]) => [name, String(value)])),
  };
}

/** @throws {JobError} usage: when the group is not one that an earlier call with this request made. */
function checkGroup(group: Group | undefined, request: DeployRequest): void {
  if (group === undefined) return;
  const { resourceGroup, location, profile } = request;
  const made = group.tags[TAG.ours];
  if (made === undefined) {
    throw new JobError('usage', `the resource group ${resourceGroup} exists and is not framescatter's`, {
      hint: 'give another --resource-group; it is created',
    });
  }
  if (made !== profile || group.location !== location) {
    throw new JobError(
      'usage',
      `the resource group ${resourceGroup} is in ${group.location} with the profile ${made}`,
      {
        hint: `give these, or another --resource-group; or begin anew after framescatter undeploy azure --resource-group ${resourceGroup}`,
      },
    );
  }
}

/**
 * Returns who a token is for, from its claims. They are read, not trusted: Azure checks the token.
 */
export function operatorOf(token: string): Operator | undefined {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const claims = JSON.parse(payload) as Json;
    const id = textAt(claims, 'oid');
    if (id === undefined || !/^[0-9a-f-]{36}$/i.test(id)) return undefined;
    return { id, type: textAt(claims, 'idtyp') === 'app' ? 'ServicePrincipal' : 'User' };
  } catch {
    return undefined;
  }
}

/** Sends the template, or follows the deployment that another call sent, and returns its outputs. */
async function deployTemplate(
  work: DeployWork,
  request: DeployRequest,
  operator: Operator | undefined,
  budgetStart: string,
): Promise<Json> {
  const { client, log, pause = sleep } = work;
  const deployment = deploymentOf(request, operator, budgetStart);
  const url = address(client.management, deployment.id, RESOURCES_API);
  const doing = 'deploying';
  const read = async () => (await client.send({ method: 'GET', url, doing, absentIsAnswer: true })).body;
  if (isUnderWay(await read())) log.info('a deployment is under way; following it first');
  for (let waited = 0, sent = false; waited <= LIMIT_MS; waited += POLL_MS) {
    const body = await read();
    if (!isUnderWay(body)) {
      if (sent) return outcome(body, request);
      const put = requestOf(client.management, 'PUT', deployment);
      await client.send({ ...put, doing }).catch((error: unknown) => {
        throw refusedDeployment(error, request);
      });
      log.info('deploying storage, registry, workspace and cluster; this takes some minutes');
      sent = true;
      continue;
    }
    await pause(POLL_MS);
  }
  throw new JobError('cloud', 'the deployment has not finished within an hour', {
    hint: `it may still be in progress; run the same command again, or look at the group ${request.resourceGroup} in the portal (Deployments)`,
  });
}

function stateOf(body: Json): string {
  return textAt(body, 'properties', 'provisioningState') ?? 'None';
}

function isUnderWay(body: Json): boolean {
  return !/^(?:None|Succeeded|Failed|Canceled)$/i.test(stateOf(body));
}

function outcome(body: Json, request: DeployRequest): Json {
  if (/^Succeeded$/i.test(stateOf(body))) return at(body, 'properties', 'outputs');
  throw deploymentError(at(body, 'properties', 'error') ?? { code: stateOf(body) }, request);
}

/** An answer that refuses the whole template has its causes in words alone by now. */
function refusedDeployment(error: unknown, request: DeployRequest): unknown {
  if (!(error instanceof JobError)) return error;
  const { message } = faultOf({ message: error.message });
  const explained = deploymentError({ code: 'Refused', message }, request);
  return new JobError('cloud', error.message, { hint: explained.hint ?? '', cause: error });
}
