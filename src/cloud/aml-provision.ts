import type { Log } from '../report/log.js';
import { JobError } from '../system/errors.js';
import {
  assetId,
  type ClusterSpec,
  clusterBody,
  componentBody,
  ENVIRONMENT,
  environmentBody,
  growthBody,
  PIPELINE_COMPONENT,
  pipelineComponent,
  type Spread,
  STEP_COMPONENT,
  stepComponent,
  versionOf,
} from './aml-bodies.js';
import { DEFAULT_VM_SIZE, gpuSize } from './gpu-sizes.js';
import { at, type JsonObject, listAt, textAt } from './json.js';
import { type Pause, settle } from './operations.js';
import { faultOf } from './refusals.js';
import type { RestClient } from './rest-client.js';
import { idIn, urlOf, type Workspace } from './workspace.js';

/** The context of all operations in a workspace. */
export interface Session {
  readonly client: RestClient;
  readonly workspace: Workspace;
  readonly log: Log;
  /** The version of this program, part of the versions that it registers. */
  readonly release: string;
  readonly pause?: Pause;
}

/** A resource and the body that creates it, the same for requests and for `--dry-run`. */
export interface Resource {
  readonly id: string;
  readonly body: JsonObject;
}

/** Returns the environment of an image. */
export function environmentOf(workspace: Workspace, image: string, release: string): Resource {
  const body = environmentBody(image);
  return { id: assetId(workspace, 'environments', ENVIRONMENT, versionOf(body, release)), body };
}

/** Returns the component of the MPI step in that environment. */
export function stepOf(workspace: Workspace, environment: Resource, release: string): Resource {
  return componentOf(workspace, STEP_COMPONENT, stepComponent(environment.id), release);
}

/** Returns the component of the pipeline with that step. */
export function pipelineOf(workspace: Workspace, stepId: string, spread: Spread, release: string): Resource {
  return componentOf(workspace, PIPELINE_COMPONENT, pipelineComponent(stepId, spread), release);
}

function componentOf(workspace: Workspace, name: string, spec: JsonObject, release: string): Resource {
  const version = versionOf(spec, release);
  return { id: assetId(workspace, 'components', name, version), body: componentBody(spec, version) };
}

/** Reads the workspace's region and tracking address. */
export async function readWorkspace(
  session: Session,
): Promise<{ readonly location: string; readonly tracking: string | undefined }> {
  const { client, workspace } = session;
  const doing = `reading the workspace ${workspace.name}`;
  const { body } = await client.send({
    method: 'GET',
    url: urlOf(client.management, idIn(workspace)),
    doing,
  });
  const location = textAt(body, 'location');
  if (location === undefined) throw new JobError('cloud', `${doing} failed: the answer has no location`);
  return { location, tracking: textAt(body, 'properties', 'mlFlowTrackingUri') };
}

/**
 * Registers the image as an environment and the MPI step as a component, if missing. Returns the step's id.
 */
export async function ensureStep(session: Session, image: string): Promise<string> {
  const environment = environmentOf(session.workspace, image, session.release);
  await ensure(session, environment, `the environment for ${image}`);
  const step = stepOf(session.workspace, environment, session.release);
  await ensure(session, step, `the component ${STEP_COMPONENT}`);
  return step.id;
}

/** Returns the id of the newest registered version of the MPI step. */
export async function newestStep(session: Session): Promise<string> {
  const { client, workspace } = session;
  const id = idIn(workspace, 'components', STEP_COMPONENT);
  const doing = `looking up the component ${STEP_COMPONENT}`;
  const answer = await client.send({
    method: 'GET',
    url: urlOf(client.management, id),
    doing,
    absentIsAnswer: true,
  });
  const version = textAt(answer.body, 'properties', 'latestVersion');
  if (answer.status === 404 || version === undefined) {
    throw new JobError('cloud', `the workspace ${workspace.name} has no component ${STEP_COMPONENT}`, {
      hint: 'register it: --provision --image REGISTRY.azurecr.io/framescatter:TAG, or the files in aml/',
    });
  }
  return assetId(workspace, 'components', STEP_COMPONENT, version);
}

/** Creates `resource` unless it exists: its id identifies its content. */
export async function ensure(session: Session, resource: Resource, what: string): Promise<void> {
  const { client, log } = session;
  const url = urlOf(client.management, resource.id);
  const found = await client.send({ method: 'GET', url, doing: `looking up ${what}`, absentIsAnswer: true });
  if (found.status !== 404) {
    log.detail(`${what} exists already`);
    return;
  }
  await put(session, resource, `creating ${what}`);
  log.info(`created ${what}`);
}

/** Creates or replaces `resource`, and waits until it is ready. */
export async function put(session: Session, resource: Resource, doing: string) {
  const { client } = session;
  const url = urlOf(client.management, resource.id);
  const begun = await client.send({ method: 'PUT', url, body: resource.body, doing });
  return settle(client, begun, { url, doing }, session.pause);
}

/** The requested cluster. What only its creation needs may be missing. */
export interface ClusterRequest extends Pick<ClusterSpec, 'name' | 'lowPriority'> {
  readonly vmSize: string | undefined;
  readonly subnet: string | undefined;
  readonly identity: string | undefined;
}

/**
 * Ensures that the cluster can run the job: that it exists with the requested priority, that its nodes have
 * enough GPUs, and that it may grow to enough nodes. With `provision` it is created or allowed to grow.
 * Otherwise a mismatch is an error, since a job that its cluster can never start stays queued forever.
 */
export async function ensureCluster(
  session: Session,
  request: ClusterRequest,
  spread: Spread,
  provision: { readonly location: string } | undefined,
): Promise<void> {
  const { client, workspace, log } = session;
  const id = idIn(workspace, 'computes', request.name);
  const url = urlOf(client.management, id);
  const doing = `looking up the cluster ${request.name}`;
  const found = await client.send({ method: 'GET', url, doing, absentIsAnswer: true });
  if (found.status === 404) {
    if (provision === undefined) throw noCluster(request.name);
    const spec = clusterSpec(request, spread);
    checkGpus(spec.vmSize, spread, log);
    await put(
      session,
      { id, body: clusterBody(spec, provision.location) },
      `creating the cluster ${request.name}`,
    );
    log.info(
      `created the cluster ${request.name}: up to ${spread.nodes} nodes of ${spec.vmSize}, none when idle`,
    );
    return;
  }
  const cluster = at(found.body, 'properties', 'properties');
  checkPriority(request, textAt(cluster, 'vmPriority'));
  const size = textAt(cluster, 'vmSize') ?? '';
  if (request.vmSize !== undefined && request.vmSize.toLowerCase() !== size.toLowerCase()) {
    throw new JobError(
      'cloud',
      `the cluster ${request.name} has nodes of size ${size}, not ${request.vmSize}`,
      {
        hint: 'the size of a cluster cannot change: give another name with --compute',
      },
    );
  }
  checkGpus(size, spread, log);
  const most = at(cluster, 'scaleSettings', 'maxNodeCount');
  if (typeof most !== 'number' || most >= spread.nodes) return;
  if (provision === undefined) {
    throw new JobError(
      'cloud',
      `the cluster ${request.name} is limited to ${most} nodes, but the job needs ${spread.nodes}`,
      {
        hint: 'give --provision to let it grow, or fewer --nodes',
      },
    );
  }
  const growing = `raising the limit of the cluster ${request.name} to ${spread.nodes} nodes`;
  const begun = await client.send({ method: 'PATCH', url, body: growthBody(spread.nodes), doing: growing });
  await settle(client, begun, { url, doing: growing }, session.pause);
  log.info(`raised the limit of the cluster ${request.name} to ${spread.nodes} nodes`);
}

/** @throws {JobError} usage: when an option is missing that creating the cluster needs. */
export function clusterSpec(request: ClusterRequest, spread: Spread): ClusterSpec {
  const { name, lowPriority, subnet, identity, vmSize = DEFAULT_VM_SIZE } = request;
  if (subnet === undefined || identity === undefined) {
    throw new JobError('usage', `the cluster ${name} does not exist and cannot be created`, {
      hint: 'creating it needs --subnet and --identity (resource ids; outputs of the templates in aml/infra)',
    });
  }
  return { name, lowPriority, vmSize, subnet, identity, maxNodes: spread.nodes };
}

/** Returns the error that keeps a cluster from growing, as a sentence; undefined if there is none. */
export async function scalingError(session: Session, cluster: string): Promise<string | undefined> {
  const { client, workspace } = session;
  const doing = `looking up the cluster ${cluster}`;
  const url = urlOf(client.management, idIn(workspace, 'computes', cluster));
  const { body } = await client.send({ method: 'GET', url, doing, absentIsAnswer: true });
  const error = listAt(body, 'properties', 'properties', 'errors')[0];
  if (error === undefined) return undefined;
  const fault = faultOf(error);
  return `the cluster ${cluster} cannot grow: ${[fault.code, fault.message].filter((text) => text !== '').join(': ')}`;
}

/** @throws {JobError} usage: when Azure has retired `size`, or it has fewer GPUs than ranks. */
export function checkGpus(size: string, spread: Spread, log: Log): void {
  const known = gpuSize(size);
  if (known === undefined) return;
  if (known.state === 'retired') {
    throw new JobError('usage', `Azure has retired ${known.name}`, {
      hint: 'docs/azure-ml.md lists its successors',
    });
  }
  if (spread.gpusPerNode > known.gpus) {
    throw new JobError(
      'usage',
      `${known.name} has ${known.gpus} GPU(s) per node, not ${spread.gpusPerNode}`,
      {
        hint: `give --gpus-per-node ${known.gpus}, or a larger --vm-size`,
      },
    );
  }
  if (spread.gpusPerNode < known.gpus) {
    log.warn(
      `${known.name} has ${known.gpus} GPUs per node; ${known.gpus - spread.gpusPerNode} of them will be idle`,
    );
  }
}

function checkPriority(request: ClusterRequest, priority: string | undefined): void {
  if (priority === undefined) return;
  const isLow = priority.toLowerCase() === 'lowpriority';
  if (isLow === request.lowPriority) return;
  const has = isLow ? 'low-priority nodes, which Azure may take away' : 'dedicated nodes';
  throw new JobError('cloud', `the cluster ${request.name} has ${has}`, {
    hint: isLow
      ? 'give --low-priority or another --compute'
      : 'give another --compute, or omit --low-priority',
  });
}

function noCluster(name: string): JobError {
  return new JobError('cloud', `the workspace has no cluster ${name}`, {
    hint: 'give --provision with --subnet and --identity, or create it: az ml compute create -f aml/compute.yml',
  });
}
