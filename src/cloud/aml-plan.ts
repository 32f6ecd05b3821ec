import {
  assetId,
  clusterBody,
  deploymentBody,
  endpointBody,
  growthBody,
  invocationBody,
  jobBody,
  STEP_COMPONENT,
} from './aml-bodies.js';
import { clusterSpec } from './aml-cluster.js';
import { environmentOf, pipelineOf, type Resource, stepOf } from './aml-provision.js';
import type { Publication } from './aml-publish.js';
import type { Submission } from './aml-submit.js';
import { telemetryVariables } from './application-insights.js';
import type { VideoJob } from './job-arguments.js';
import { JOURNALS, journalContainer, withJournalBelow } from './journals.js';
import type { JsonObject } from './json.js';
import { idIn, urlOf, type Workspace } from './workspace.js';

/** A request that a command would send; for `--dry-run`. */
export type PlannedRequest = {
  readonly method: string;
  readonly url: string;
  /** The condition under which it is sent; always, if there is none. */
  readonly when?: string;
  readonly body: JsonObject;
};

/** Placeholders for values that only the workspace knows; a dry run does not query it. */
const LOCATION = 'LOCATION_OF_THE_WORKSPACE';
const NEWEST = 'NEWEST_VERSION';
const ENVIRONMENT_OF_NEWEST = 'ENVIRONMENT_OF_THE_NEWEST_VERSION';
const SCORING_URI = 'ADDRESS_OF_THE_BATCH_ENDPOINT';
const STORAGE_ACCOUNT = 'STORAGE_ACCOUNT_OF_THE_WORKSPACE';
const CONNECTION_STRING = 'CONNECTION_STRING_OF_APPLICATION_INSIGHTS';
const SUBNET = 'GIVE_--subnet';
const IDENTITY = 'GIVE_--identity';
const MISSING = 'if it does not exist';

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
  const { workspace, management } = context;
  const { spread, cluster, provision } = submission;
  const { stepId, requests } = planWorkspace(context, submission);
  const job = withJournalBelow(submission.job, journals());
  const makesContainer = provision !== undefined && submission.job.workDir === undefined;
  const body = jobBody(job, spread, stepId, idIn(workspace, 'computes', cluster.name));
  return [
    ...requests,
    ...(makesContainer ? [send(context, journalContainer(`/${STORAGE_ACCOUNT}`), MISSING)] : []),
    { method: 'PUT', url: urlOf(management, idIn(workspace, 'jobs', name)), body },
  ];
}

/** Returns the requests of `publish aml` that change something. */
export function planPublication(context: PlanContext, publication: Publication): readonly PlannedRequest[] {
  const { workspace, release } = context;
  const { endpoint, deployment, cluster } = publication;
  const { stepId, requests } = planWorkspace(context, publication);
  const pipeline = pipelineOf(workspace, stepId, publication, release);
  const endpointId = idIn(workspace, 'batchEndpoints', endpoint);
  const deploymentId = idIn(workspace, 'batchEndpoints', endpoint, 'deployments', deployment);
  return [
    ...requests,
    send(context, pipeline, MISSING),
    send(context, { id: endpointId, body: endpointBody(LOCATION) }, MISSING),
    send(context, { id: deploymentId, body: deploymentBody(LOCATION, pipeline.id, cluster.name) }),
    send(context, { id: endpointId, body: endpointBody(LOCATION, deployment) }),
  ];
}

/** Returns the request of `invoke aml`. */
export function planInvocation(job: VideoJob): readonly PlannedRequest[] {
  const body = invocationBody(withJournalBelow(job, journals()));
  return [{ method: 'POST', url: SCORING_URI, body }];
}

function journals(): string {
  return `https://${STORAGE_ACCOUNT}.blob.core.windows.net/${JOURNALS}`;
}

function planWorkspace(
  context: PlanContext,
  { provision, cluster, spread }: Pick<Submission, 'provision' | 'cluster' | 'spread'>,
): { readonly stepId: string; readonly requests: readonly PlannedRequest[] } {
  const { workspace, release, management } = context;
  if (provision === undefined) {
    const step = stepOf(workspace, { environmentId: ENVIRONMENT_OF_NEWEST, spread, variables: {} }, release);
    const when = 'if the newest version is for other nodes or GPUs; the version follows from the environment';
    const stepId = assetId(workspace, 'components', STEP_COMPONENT, NEWEST);
    return { stepId, requests: [send(context, step, when)] };
  }
  const environment = environmentOf(workspace, provision.image, release);
  const variables = provision.applicationInsights ? telemetryVariables(CONNECTION_STRING) : {};
  const step = stepOf(workspace, { environmentId: environment.id, spread, variables }, release);
  const { subnet = SUBNET, identity = IDENTITY } = cluster;
  const body = clusterBody(clusterSpec({ ...cluster, subnet, identity }, spread), LOCATION);
  const id = idIn(workspace, 'computes', cluster.name);
  return {
    stepId: step.id,
    requests: [
      ...[environment, step, { id, body }].map((one) => send(context, one, MISSING)),
      {
        method: 'PATCH',
        url: urlOf(management, id),
        when: 'if it exists, limited to fewer nodes',
        body: growthBody(spread.nodes),
      },
    ],
  };
}

function send(context: PlanContext, { id, body, apiVersion }: Resource, when?: string): PlannedRequest {
  const url = urlOf(context.management, id, apiVersion);
  return { method: 'PUT', url, ...(when === undefined ? {} : { when }), body };
}
