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

/** What all that is done in a workspace needs. */
export interface Session {
  readonly client: RestClient;
  readonly workspace: Workspace;
  readonly log: Log;
  /** Of this program: part of the versions of what it registers. */
  readonly release: string;
  readonly pause?: Pause;
}

/** A resource with the body that makes it: the same for sending and for `--dry-run`. */
export interface Resource {
  readonly id: string;
  readonly body: JsonObject;
}

/** The environment of an image. */
export function environmentOf(workspace: Workspace, image: string, release: string): Resource {
  const body = environmentBody(image);
  return { id: assetId(workspace, 'environments', ENVIRONMENT, versionOf(body, release)), body };
}

/** The MPI step's component in that environment. */
export function stepOf(workspace: Workspace, environment: Resource, release: string): Resource {
  return componentOf(workspace, STEP_COMPONENT, stepComponent(environment.id), release);
}

/** The pipeline's component with that step. */
export function pipelineOf(workspace: Workspace, stepId: string, spread: Spread, release: string): Resource {
  return componentOf(workspace, PIPELINE_COMPONENT, pipelineComponent(stepId, spread), release);
}

function componentOf(workspace: Workspace, name: string, spec: JsonObject, release: string): Resource {
  const version = versionOf(spec, release);
  return { id: assetId(workspace, 'components', name, version), body: componentBody(spec, version) };
}

/** The workspace's own record: its region and its addresses. */
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

/** Registers the image as an environment and the MPI step as a component, where they are not; gives the step's id. */
export async function ensureStep(session: Session, image: string): Promise<string> {
  const environment = environmentOf(session.workspace, image, session.release);
  await ensure(session, environment, `the environment for ${image}`);
  const step = stepOf(session.workspace, environment, session.release);
  await ensure(session, step, `the component ${STEP_COMPONENT}`);
  return step.id;
}

/** The id of the newest registered version of the MPI step. */
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

/** Sends `resource` unless it is there: its id says what is in it. */
export async function ensure(session: Session, resource: Resource, what: string): Promise<void> {
  const { client, log } = session;
  const url = urlOf(client.management, resource.id);
  const found = await client.send({ method: 'GET', url, doing: `looking up ${what}`, absentIsAnswer: true });
  if (found.status !== 404) {
    log.detail(`${what} is there already`);
    return;
  }
  await put(session, resource, `creating ${what}`);
  log.info(`created ${what}`);
}

/** Sends `resource` whether it is there or not, and waits until it is ready. */
export async function put(session: Session, resource: Resource, doing: string) {
  const { client } = session;
  const url = urlOf(client.management, resource.id);
  const begun = await client.send({ method: 'PUT', url, body: resource.body, doing });
  return settle(client, begun, { url, doing }, session.pause);
}

/** What is asked of a cluster; the parts that only making it needs may be missing. */
export interface ClusterRequest extends Pick<ClusterSpec, 'name' | 'lowPriority'> {
  readonly vmSize: string | undefined;
  readonly subnet: string | undefined;
  readonly identity: string | undefined;
}

/**
 * Sees to it that the cluster can run the job: it exists with the asked priority, its nodes have the GPUs, and it may
 * grow to so many nodes. With `provision` it is made, or allowed to grow; without, what is wrong is an error, since a job
 * that its cluster can never start stays queued for ever.
 */
export async function ensureCluster(
  session: Session,
  asked: ClusterRequest,
  spread: Spread,
  provision: { readonly location: string } | undefined,
): Promise<void> {
  const { client, workspace, log } = session;
  const id = idIn(workspace, 'computes', asked.name);
  const url = urlOf(client.management, id);
  const doing = `looking up the cluster ${asked.name}`;
  const found = await client.send({ method: 'GET', url, doing, absentIsAnswer: true });
  if (found.status === 404) {
    if (provision === undefined) throw noCluster(asked.name);
    const spec = clusterSpec(asked, spread);
    checkGpus(spec.vmSize, spread, log);
    await put(
      session,
      { id, body: clusterBody(spec, provision.location) },
      `creating the cluster ${asked.name}`,
    );
    log.info(
      `created the cluster ${asked.name}: up to ${spread.nodes} nodes of ${spec.vmSize}, none while idle`,
    );
    return;
  }
  const cluster = at(found.body, 'properties', 'properties');
  checkPriority(asked, textAt(cluster, 'vmPriority'));
  const size = textAt(cluster, 'vmSize') ?? '';
  if (asked.vmSize !== undefined && asked.vmSize.toLowerCase() !== size.toLowerCase()) {
    throw new JobError('cloud', `the cluster ${asked.name} has nodes of ${size}, not ${asked.vmSize}`, {
      hint: 'a cluster keeps its size: give another name with --compute',
    });
  }
  checkGpus(size, spread, log);
  const most = at(cluster, 'scaleSettings', 'maxNodeCount');
  if (typeof most !== 'number' || most >= spread.nodes) return;
  if (provision === undefined) {
    throw new JobError(
      'cloud',
      `the cluster ${asked.name} grows to ${most} nodes, and the job takes ${spread.nodes}`,
      {
        hint: 'give --provision to let it grow, or fewer --nodes',
      },
    );
  }
  const growing = `letting the cluster ${asked.name} grow to ${spread.nodes} nodes`;
  const begun = await client.send({ method: 'PATCH', url, body: growthBody(spread.nodes), doing: growing });
  await settle(client, begun, { url, doing: growing }, session.pause);
  log.info(`the cluster ${asked.name} may now grow to ${spread.nodes} nodes`);
}

/** @throws JobError('usage') where something is missing that making the cluster takes. */
export function clusterSpec(asked: ClusterRequest, spread: Spread): ClusterSpec {
  const { name, lowPriority, subnet, identity, vmSize = DEFAULT_VM_SIZE } = asked;
  if (subnet === undefined || identity === undefined) {
    throw new JobError('usage', `the cluster ${name} does not exist and cannot be made`, {
      hint: 'making it takes --subnet and --identity (resource ids; the templates in aml/infra put them out)',
    });
  }
  return { name, lowPriority, vmSize, subnet, identity, maxNodes: spread.nodes };
}

/** What keeps a cluster from growing, in a sentence; undefined where nothing does. */
export async function troubleOf(session: Session, cluster: string): Promise<string | undefined> {
  const { client, workspace } = session;
  const doing = `looking up the cluster ${cluster}`;
  const url = urlOf(client.management, idIn(workspace, 'computes', cluster));
  const { body } = await client.send({ method: 'GET', url, doing, absentIsAnswer: true });
  const error = listAt(body, 'properties', 'properties', 'errors')[0];
  if (error === undefined) return undefined;
  const fault = faultOf(error);
  return `the cluster ${cluster} cannot grow: ${[fault.code, fault.message].filter((text) => text !== '').join(': ')}`;
}

/** @throws JobError('usage') where nodes of `size` are gone, or have fewer GPUs than ranks. */
export function checkGpus(size: string, spread: Spread, log: Log): void {
  const known = gpuSize(size);
  if (known === undefined) return;
  if (known.state === 'retired') {
    throw new JobError('usage', `Azure has retired ${known.name}`, {
      hint: 'docs/azure-ml.md lists what took its place',
    });
  }
  if (spread.gpusPerNode > known.gpus) {
    throw new JobError('usage', `${known.name} has ${known.gpus} GPU(s) a node, not ${spread.gpusPerNode}`, {
      hint: `give --gpus-per-node ${known.gpus}, or a larger --vm-size`,
    });
  }
  if (spread.gpusPerNode < known.gpus) {
    log.warn(
      `${known.name} has ${known.gpus} GPUs a node; ${known.gpus - spread.gpusPerNode} of them stay idle`,
    );
  }
}

function checkPriority(asked: ClusterRequest, priority: string | undefined): void {
  if (priority === undefined) return;
  const isLow = priority.toLowerCase() === 'lowpriority';
  if (isLow === asked.lowPriority) return;
  const has = isLow ? 'low-priority nodes, which can be taken away' : 'dedicated nodes';
  throw new JobError('cloud', `the cluster ${asked.name} has ${has}`, {
    hint: isLow
      ? 'say --low-priority, or give another --compute'
      : 'give another --compute, or leave --low-priority out',
  });
}

function noCluster(name: string): JobError {
  return new JobError('cloud', `the workspace has no cluster ${name}`, {
    hint: 'give --provision with --subnet and --identity, or make it: az ml compute create -f aml/compute.yml',
  });
}
