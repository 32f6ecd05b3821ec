/** The requests of `deploy azure` and `undeploy azure`, for `--dry-run`. */
import { environmentOf, stepOf } from '../aml-provision.js';
import type { JsonObject } from '../json.js';
import { API_VERSION, urlOf, type Workspace } from '../workspace.js';
import {
  type DeployRequest,
  deploymentOf,
  groupId,
  groupOf,
  monthOf,
  type Place,
  RESOURCES_API,
  TAG,
  taggingOf,
} from './deployment.js';
import {
  address,
  buildBody,
  importBody,
  REGISTRY_API,
  REPOSITORY,
  registryId,
  requestOf,
  TASKS_API,
  type Wanted,
} from './image.js';
import { inquiries, PROVIDERS } from './preflight.js';

/** A request that would be sent. `when` is the condition, if there is one. */
export interface Planned {
  readonly method: string;
  readonly url: string;
  readonly when?: string;
  readonly body?: JsonObject;
}

const REGISTRY = 'REGISTRY_OF_THE_DEPLOYMENT';
const SOURCE = 'PATH_OF_THE_UPLOADED_SOURCES';
const OPERATOR = { id: 'OBJECT_ID_OF_WHOEVER_SIGNED_IN', type: 'User' } as const;
const RUN = 'RUN';

/** Returns every request up to the film's job, whose own `submit aml --dry-run` prints. Sends none. */
export function planDeployment(
  management: string,
  request: DeployRequest,
  wanted: Wanted,
  release: string,
): readonly Planned[] {
  const asked = inquiries(request);
  const get = (path: string, when?: string): Planned => ({
    method: 'GET',
    url: `${management}${path}`,
    ...(when === undefined ? {} : { when }),
  });
  const deployment = deploymentOf(request, OPERATOR, monthOf(new Date()));
  const tag = (tags: Readonly<Record<string, string>>) =>
    requestOf(management, 'PATCH', taggingOf(request, tags));
  const workspace: Workspace = { ...request, name: `${request.prefix}-ml` };
  const environment = environmentOf(workspace, `${REGISTRY}.azurecr.io/${REPOSITORY}:${wanted.tag}`, release);
  const spread = { nodes: request.nodes, gpusPerNode: request.gpusPerNode };
  const step = stepOf(workspace, { environmentId: environment.id, spread, variables: {} }, release);
  return [
    ...[asked.subscription, asked.locations, asked.permissions].map((path) => get(path)),
    ...PROVIDERS.flatMap((name) => [
      get(asked.provider(name)),
      { method: 'POST', url: `${management}${asked.register(name)}`, when: 'if it is not registered' },
    ]),
    ...[asked.sizes, asked.usages].map((path) => get(path)),
    get(address('', groupId(request), RESOURCES_API)),
    requestOf(management, 'PUT', groupOf(request, {})),
    { ...tag({ [TAG.begun]: monthOf(new Date()) }), when: 'the first time' },
    get(address('', deployment.id, RESOURCES_API), 'before, and until it has ended'),
    requestOf(management, 'PUT', deployment),
    ...planImage(management, request, wanted).map((one) => ({
      ...one,
      when: one.when ?? 'if the image is not there',
    })),
    { ...tag({ [TAG.image]: wanted.tag, [TAG.run]: '' }), when: 'if the image was not there' },
    ...[environment, step].map(({ id, body }) => ({
      method: 'PUT',
      url: urlOf(management, id),
      when: 'if it does not exist; the step gets the connection string of Application Insights too',
      body,
    })),
  ];
}

function planImage(management: string, request: DeployRequest, wanted: Wanted): readonly Planned[] {
  const at = (version: string, ...path: readonly string[]) =>
    address(management, registryId(request, REGISTRY, ...path), version);
  if (wanted.kind === 'import') {
    const body = importBody(wanted.tag, wanted.source);
    return [{ method: 'POST', url: at(REGISTRY_API, 'importImage'), body }];
  }
  return [
    { method: 'POST', url: at(TASKS_API, 'listBuildSourceUploadUrl') },
    { method: 'PUT', url: 'ADDRESS_FOR_THE_SOURCES' },
    { method: 'POST', url: at(TASKS_API, 'scheduleRun'), body: buildBody(request, wanted.tag, SOURCE) },
    {
      ...requestOf(management, 'PATCH', taggingOf(request, { [TAG.run]: `${wanted.tag} ${RUN}` })),
    },
    { method: 'GET', url: at(TASKS_API, 'runs', RUN), when: 'until it has ended' },
    { method: 'POST', url: at(TASKS_API, 'runs', RUN, 'listLogSasUrl'), when: 'until it has ended' },
  ];
}

/** Returns the requests of `undeploy azure --yes`. */
export function planRemoval(management: string, place: Place): readonly Planned[] {
  const workspace = groupId(place, 'providers', 'Microsoft.MachineLearningServices', 'workspaces', 'NAME');
  const group = address(management, groupId(place), RESOURCES_API);
  const gone = 'until it is gone';
  const vault = `/subscriptions/${place.subscription}/providers/Microsoft.KeyVault/locations/LOCATION/deletedVaults/NAME/purge`;
  return [
    { method: 'GET', url: group },
    { method: 'GET', url: address(management, groupId(place, 'resources'), RESOURCES_API) },
    {
      method: 'DELETE',
      url: `${address(management, workspace, API_VERSION)}&forceToPurge=true`,
      when: 'if the group is of framescatter, with --yes; so are the next',
    },
    { method: 'GET', url: address(management, workspace, API_VERSION), when: gone },
    { method: 'DELETE', url: group },
    { method: 'GET', url: group, when: gone },
    { method: 'POST', url: address(management, vault, '2023-07-01') },
  ];
}
