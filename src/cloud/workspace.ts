import { JobError } from '../system/errors.js';

/**
 * The API version of all paths here. 2024-04-01 was the first stable one with pipeline component deployments.
 */
export const API_VERSION = '2025-12-01';

/** The location of an Azure ML workspace. */
export interface Workspace {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly name: string;
}

const SUBSCRIPTION = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Azure's naming rules for the two resource types. */
const RESOURCE_GROUP = /^[\w.()-]{0,89}[\w()-]$/;
const NAME = /^[a-zA-Z0-9][\w-]{2,32}$/;

/** @throws {JobError} usage: when a part is missing or invalid; the message names it. */
export function checkWorkspace(parts: Partial<Workspace>): Workspace {
  const { subscription = '', resourceGroup = '', name = '' } = parts;
  const check = (value: string, pattern: RegExp, what: string, option: string, variable: string): void => {
    if (pattern.test(value)) return;
    const problem = value === '' ? 'is missing' : `cannot be ${JSON.stringify(value)}`;
    throw new JobError('usage', `the ${what} ${problem}`, { hint: `give --${option} or set ${variable}` });
  };
  check(subscription, SUBSCRIPTION, 'subscription', 'subscription', 'AZURE_SUBSCRIPTION_ID');
  check(resourceGroup, RESOURCE_GROUP, 'resource group', 'resource-group', 'AZURE_RESOURCE_GROUP');
  check(name, NAME, 'workspace', 'workspace', 'AZUREML_WORKSPACE_NAME');
  return { subscription, resourceGroup, name };
}

/** Returns the resource id of the workspace, or of something in it: `idIn(workspace, 'jobs', name)`. */
export function idIn(workspace: Workspace, ...path: readonly string[]): string {
  const { subscription, resourceGroup, name } = workspace;
  const parts = [
    ...['subscriptions', subscription, 'resourceGroups', resourceGroup],
    ...['providers', 'Microsoft.MachineLearningServices', 'workspaces', name],
    ...path,
  ];
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('');
}

/** Returns the address of a resource at `management` (an origin). */
export function urlOf(management: string, id: string, version = API_VERSION): string {
  return `${management}${id}?api-version=${version}`;
}

/** Returns the page of a job in the studio. */
export function studioLink(workspace: Workspace, job: string): string {
  return `https://ml.azure.com/runs/${encodeURIComponent(job)}?wsid=${idIn(workspace)}`;
}
