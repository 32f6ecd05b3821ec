import {
  assetId,
  clusterBody,
  deploymentBody,
  endpointBody,
  invocationBody,
  jobBody,
  STEP_COMPONENT,
} from './aml-bodies.js';
import { clusterSpec, environmentOf, pipelineOf, type Resource, stepOf } from './aml-provision.js';
import type { Publication } from './aml-publish.js';
import type { Submission } from './aml-submit.js';
import type { VideoJob } from './job-arguments.js';
import type { JsonObject } from './json.js';
import { idIn, urlOf, type Workspace } from './workspace.js';

/** A request that a command would send; for `--dry-run`. */
export type PlannedRequest = {
  readonly method: string;
  readonly url: string;
  readonly body: JsonObject;
};

/** Placeholders for values that only the workspace knows; a dry run does not query it. */
const LOCATION = 'LOCATION_OF_THE_WORKSPACE';
const NEWEST = 'NEWEST_VERSION';
const SCORING_URI = 'ADDRESS_OF_THE_BATCH_ENDPOINT';

interface PlanContext {
  readonly workspace: Workspace;
  readonly management: string;
  readonly release: string;
}

/** Returns the requests of `submit aml` that change something. Sends none. */
export function planSubmission(
  context: PlanContext,
  submission: Submission,
  name: string,
): readonly PlannedRequest[] {
  const { workspace } = context;
  const { job, spread, cluster } = submission;
  const { stepId, requests } = planWorkspace(context, submission);
  const body = jobBody(job, spread, stepId, idIn(workspace, 'computes', cluster.name));
  return [...requests, send(context, { id: idIn(workspace, 'jobs', name), body })];
}

/** Returns the requests of `publish aml` that change something. */
export function planPublication(context: PlanContext, publication: Publication): readonly PlannedRequest[] {
  const { workspace, release } = context;
  const { endpoint, deployment, spread, cluster } = publication;
  const { stepId, requests } = planWorkspace(context, publication);
  const pipeline = pipelineOf(workspace, stepId, spread, release);
  const endpointId = idIn(workspace, 'batchEndpoints', endpoint);
  const deploymentId = idIn(workspace, 'batchEndpoints', endpoint, 'deployments', deployment);
  return [
    ...requests,
    send(context, pipeline),
    send(context, { id: endpointId, body: endpointBody(LOCATION) }),
    send(context, { id: deploymentId, body: deploymentBody(LOCATION, pipeline.id, cluster.name) }),
    send(context, { id: endpointId, body: endpointBody(LOCATION, deployment) }),
  ];
}

/** Returns the request of `invoke aml`. */
export function planInvocation(job: VideoJob): readonly PlannedRequest[] {
  return [{ method: 'POST', url: SCORING_URI, body: invocationBody(job) }];
}

function planWorkspace(
  context: PlanContext,
  { provision, cluster, spread }: Pick<Submission, 'provision' | 'cluster' | 'spread'>,
): { readonly stepId: string; readonly requests: readonly PlannedRequest[] } {
  const { workspace, release } = context;
  if (provision === undefined) {
    return { stepId: assetId(workspace, 'components', STEP_COMPONENT, NEWEST), requests: [] };
  }
  const environment = environmentOf(workspace, provision.image, release);
  const step = stepOf(workspace, environment, release);
  const requests = [send(context, environment), send(context, step)];
  if (cluster.subnet !== undefined && cluster.identity !== undefined) {
    const body = clusterBody(clusterSpec(cluster, spread), LOCATION);
    requests.push(send(context, { id: idIn(workspace, 'computes', cluster.name), body }));
  }
  return { stepId: step.id, requests };
}

function send(context: PlanContext, { id, body }: Resource): PlannedRequest {
  return { method: 'PUT', url: urlOf(context.management, id), body };
}
