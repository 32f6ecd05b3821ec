import { JobError } from '../system/errors.js';
import { deploymentBody, endpointBody, type Spread } from './aml-bodies.js';
import { type ClusterRequest, ensureCluster } from './aml-cluster.js';
import {
  ensure,
  ensureStep,
  type Provision,
  pipelineOf,
  put,
  readWorkspace,
  type Session,
} from './aml-provision.js';
import { textAt } from './json.js';
import { idIn } from './workspace.js';

export interface Publication {
  readonly endpoint: string;
  readonly deployment: string;
  readonly spread: Spread;
  readonly cluster: ClusterRequest;
  readonly provision: Provision | undefined;
}

/**
 * Creates or updates the batch endpoint that starts jobs: the component of the pipeline, the endpoint, the
 * deployment and, once that is ready, the endpoint's default deployment. Returns the address to call.
 *
 * @throws {JobError} cloud: when Azure refuses or does not answer.
 */
export async function publish(session: Session, publication: Publication): Promise<string> {
  const { workspace, log, release } = session;
  const { endpoint, deployment, cluster, spread, provision } = publication;
  const facts = await readWorkspace(session);
  const { location } = facts;
  const stepId = await ensureStep(session, facts, spread, provision);
  const pipeline = pipelineOf(workspace, stepId, publication, release);
  await ensure(session, pipeline, `the component of the pipeline (${spread.nodes} nodes)`);
  await ensureCluster(session, cluster, spread, provision === undefined ? undefined : { location });

  const endpointId = idIn(workspace, 'batchEndpoints', endpoint);
  const deploymentId = idIn(workspace, 'batchEndpoints', endpoint, 'deployments', deployment);
  await ensure(session, { id: endpointId, body: endpointBody(location) }, `the batch endpoint ${endpoint}`);
  const body = deploymentBody(location, pipeline.id, cluster.name);
  await put(session, { id: deploymentId, body }, `deploying to the batch endpoint ${endpoint}`);
  const withDefault = { id: endpointId, body: endpointBody(location, deployment) };
  const answer = await put(
    session,
    withDefault,
    `making ${deployment} the default of the batch endpoint ${endpoint}`,
  );
  log.info(`the batch endpoint ${endpoint} starts jobs on ${cluster.name}`);
  const address = textAt(answer.body, 'properties', 'scoringUri');
  if (address === undefined)
    throw new JobError('cloud', `the batch endpoint ${endpoint} has no scoring address yet`);
  return address;
}
