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
import type { FilmJob } from './job-arguments.js';
import type { JsonObject } from './json.js';
import { idIn, urlOf, type Workspace } from './workspace.js';

/** A request that a command would send. */
export type PlannedRequest = {
  readonly method: string;
  readonly url: string;
  readonly body: JsonObject;
};

/** Stand for what only the workspace knows, which a dry run does not ask. */
const LOCATION = 'LOCATION_OF_THE_WORKSPACE';
const NEWEST = 'NEWEST_VERSION';
const SCORING_URI = 'ADDRESS_OF_THE_BATCH_ENDPOINT';

interface Place {
  readonly workspace: Workspace;
  readonly management: string;
  readonly release: string;
}

/** The requests of `submit aml`, without those that only look; makes none. */
export function planSubmission(
  place: Place,
  submission: Submission,
  name: string,
): readonly PlannedRequest[] {
  const { workspace } = place;
  const { film, spread, cluster } = submission;
  const { stepId, requests } = planWorkspace(place, submission);
  const body = jobBody(film, spread, stepId, idIn(workspace, 'computes', cluster.name));
  return [...requests, send(place, { id: idIn(workspace, 'jobs', name), body })];
}

/** The requests of `publish aml`. */
export function planPublication(place: Place, publication: Publication): readonly PlannedRequest[] {
  const { workspace, release } = place;
  const { endpoint, deployment, spread, cluster } = publication;
  const { stepId, requests } = planWorkspace(place, publication);
  const pipeline = pipelineOf(workspace, stepId, spread, release);
  const endpointId = idIn(workspace, 'batchEndpoints', endpoint);
  const deploymentId = idIn(workspace, 'batchEndpoints', endpoint, 'deployments', deployment);
  return [
    ...requests,
    send(place, pipeline),
    send(place, { id: endpointId, body: endpointBody(LOCATION) }),
    send(place, { id: deploymentId, body: deploymentBody(LOCATION, pipeline.id, cluster.name) }),
    send(place, { id: endpointId, body: endpointBody(LOCATION, deployment) }),
  ];
}

/** The request of `invoke aml`. */
export function planInvocation(film: FilmJob): readonly PlannedRequest[] {
  return [{ method: 'POST', url: SCORING_URI, body: invocationBody(film) }];
}

function planWorkspace(
  place: Place,
  { provision, cluster, spread }: Pick<Submission, 'provision' | 'cluster' | 'spread'>,
): { readonly stepId: string; readonly requests: readonly PlannedRequest[] } {
  const { workspace, release } = place;
  if (provision === undefined) {
    return { stepId: assetId(workspace, 'components', STEP_COMPONENT, NEWEST), requests: [] };
  }
  const environment = environmentOf(workspace, provision.image, release);
  const step = stepOf(workspace, environment, release);
  const requests = [send(place, environment), send(place, step)];
  if (cluster.subnet !== undefined && cluster.identity !== undefined) {
    const body = clusterBody(clusterSpec(cluster, spread), LOCATION);
    requests.push(send(place, { id: idIn(workspace, 'computes', cluster.name), body }));
  }
  return { stepId: step.id, requests };
}

function send(place: Place, { id, body }: Resource): PlannedRequest {
  return { method: 'PUT', url: urlOf(place.management, id), body };
}
