/** The deployment of aml/infra/main.json: what is asked for, and the requests that it takes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../system/package.js';
import type { Resource } from '../aml-provision.js';
import type { JsonObject } from '../json.js';

export type Profile = 'open' | 'private';

/** A place for everything: a resource group of our own. */
export interface Place {
  readonly subscription: string;
  readonly resourceGroup: string;
}

export interface DeployRequest extends Place {
  readonly location: string;
  readonly profile: Profile;
  /** Prefix of all names. */
  readonly prefix: string;
  /** Monthly, in the currency of the account; 0 for none. */
  readonly budget: number;
  readonly cluster: string;
  readonly vmSize: string;
  readonly gpusPerNode: number;
  /** The most nodes of the cluster, and the nodes of the film. */
  readonly nodes: number;
  /** With `private`: public IPv4 addresses or ranges that may reach the storage. */
  readonly addresses: readonly string[];
  /** An image to import; undefined to build one from this program's own sources. */
  readonly image: string | undefined;
}

/** Who deploys, and so uploads and downloads videos. */
export interface Operator {
  readonly id: string;
  readonly type: 'User' | 'ServicePrincipal';
}

/** Groups, deployments and providers: learn.microsoft.com/rest/api/resources. */
export const RESOURCES_API = '2022-09-01';
const TAGS_API = '2021-04-01';

/** Tags of the group. The first marks it as ours, and its value is the profile; nothing else is kept. */
export const TAG = {
  ours: 'framescatter',
  /** The first day of the budget, which Azure lets nobody change. */
  begun: 'framescatter-begun',
  /** The image that is in the registry. */
  image: 'framescatter-image',
  /** The image that is being built, and the id of the run. */
  run: 'framescatter-run',
} as const;

/** Returns the resource id of the group, or of something in it. */
export function groupId({ subscription, resourceGroup }: Place, ...path: readonly string[]): string {
  return ['subscriptions', subscription, 'resourceGroups', resourceGroup, ...path]
    .map((part) => `/${encodeURIComponent(part)}`)
    .join('');
}

/** Returns the group as a resource, with the tags that it has and ours. */
export function groupOf(request: DeployRequest, tags: Readonly<Record<string, string>>): Resource {
  return {
    id: groupId(request),
    body: { location: request.location, tags: { ...tags, [TAG.ours]: request.profile } },
    apiVersion: RESOURCES_API,
  };
}

/** Returns the deployment. ARM compares it with what exists, and makes only the difference. */
export function deploymentOf(
  request: DeployRequest,
  operator: Operator | undefined,
  budgetStart: string,
): Resource {
  const values: JsonObject = {
    prefix: request.prefix,
    location: request.location,
    profile: request.profile,
    ...(operator === undefined ? {} : { operator: operator.id, operatorType: operator.type }),
    operatorIpAddresses: request.addresses,
    vmSize: request.vmSize,
    clusterName: request.cluster,
    maxNodes: request.nodes,
    budget: request.budget,
    budgetStart,
  };
  return {
    id: groupId(request, 'providers', 'Microsoft.Resources', 'deployments', 'framescatter'),
    body: {
      properties: {
        mode: 'Incremental',
        template: mainTemplate(),
        parameters: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }])),
      },
    },
    apiVersion: RESOURCES_API,
  };
}

/** Returns the PATCH that adds tags to the group and leaves the others. */
export function taggingOf(place: Place, tags: Readonly<Record<string, string>>): Resource {
  return {
    id: groupId(place, 'providers', 'Microsoft.Resources', 'tags', 'default'),
    body: { operation: 'Merge', properties: { tags } },
    apiVersion: TAGS_API,
  };
}

/** Returns the first day of the month of `now`, where a budget has to begin. */
export function monthOf(now: Date): string {
  return `${now.toISOString().slice(0, 7)}-01`;
}

function mainTemplate(): JsonObject {
  return JSON.parse(readFileSync(join(packageRoot(), 'aml', 'infra', 'main.json'), 'utf8')) as JsonObject;
}
