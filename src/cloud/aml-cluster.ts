import type { Log } from '../report/log.js';
import { JobError } from '../system/errors.js';
import { type ClusterSpec, clusterBody, growthBody, type Spread } from './aml-bodies.js';
import { put, type Session } from './aml-provision.js';
import { checkGpus, defaultSize, gpuSize } from './gpu-sizes.js';
import { at, listAt, textAt } from './json.js';
import { settle } from './operations.js';
import { faultOf } from './refusals.js';
import { idIn, urlOf } from './workspace.js';

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
    warnOfIdleGpus(spec.vmSize, spread, log);
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
  checkGpus(size, spread);
  warnOfIdleGpus(size, spread, log);
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

/**
 * Returns the cluster to be created.
 *
 * @throws {JobError} usage: when an option is missing that creating it needs, or its size does not fit.
 */
export function clusterSpec(request: ClusterRequest, spread: Spread): ClusterSpec {
  const { name, lowPriority, subnet, identity, vmSize = defaultSize(spread.gpusPerNode) } = request;
  if (subnet === undefined || identity === undefined) {
    throw new JobError('usage', `the cluster ${name} does not exist and cannot be created`, {
      hint: 'creating it needs --subnet and --identity (resource ids; outputs of the templates in aml/infra)',
    });
  }
  checkGpus(vmSize, spread);
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

function warnOfIdleGpus(size: string, spread: Spread, log: Log): void {
  const known = gpuSize(size);
  const idle = (known?.gpus ?? 0) - spread.gpusPerNode;
  if (known !== undefined && idle > 0)
    log.warn(`${known.name} has ${known.gpus} GPUs per node; ${idle} of them will be idle`);
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
