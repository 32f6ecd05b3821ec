import type { Log } from '../report/log.js';
import { JobError } from '../system/errors.js';
import {
  assetId,
  componentBody,
  ENVIRONMENT,
  environmentBody,
  PIPELINE_COMPONENT,
  pipelineComponent,
  ranksPerNode,
  type Spread,
  STEP_COMPONENT,
  type StepSettings,
  stepComponent,
  variablesOf,
  versionOf,
} from './aml-bodies.js';
import { readTelemetry } from './application-insights.js';
import { at, type JsonObject, textAt } from './json.js';
import { type Pause, settle } from './operations.js';
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
  /** Default: that of Azure ML. */
  readonly apiVersion?: string;
}

/** What is created in the workspace if it is missing. */
export interface Provision {
  readonly image: string;
  /** Jobs send telemetry to the workspace's Application Insights. */
  readonly applicationInsights: boolean;
}

/** The facts of a workspace that requests need. */
export interface WorkspaceFacts {
  readonly location: string;
  /** The address of its MLflow. */
  readonly tracking: string | undefined;
  /** Resource ids of its storage account and its Application Insights. */
  readonly storage: string | undefined;
  readonly insights: string | undefined;
}

/** Returns the environment of an image. */
export function environmentOf(workspace: Workspace, image: string, release: string): Resource {
  const body = environmentBody(image);
  return { id: assetId(workspace, 'environments', ENVIRONMENT, versionOf(body, release)), body };
}

/** Returns the component of the MPI step. */
export function stepOf(workspace: Workspace, settings: StepSettings, release: string): Resource {
  return componentOf(workspace, STEP_COMPONENT, stepComponent(settings), release);
}

/** Returns the component of the pipeline with that step. */
export function pipelineOf(
  workspace: Workspace,
  stepId: string,
  { spread, cluster }: { readonly spread: Spread; readonly cluster: { readonly name: string } },
  release: string,
): Resource {
  const spec = pipelineComponent(stepId, spread, idIn(workspace, 'computes', cluster.name));
  return componentOf(workspace, PIPELINE_COMPONENT, spec, release);
}

function componentOf(workspace: Workspace, name: string, spec: JsonObject, release: string): Resource {
  const version = versionOf(spec, release);
  return { id: assetId(workspace, 'components', name, version), body: componentBody(spec, version) };
}

/** Reads the facts of the workspace. */
export async function readWorkspace(session: Session): Promise<WorkspaceFacts> {
  const { client, workspace } = session;
  const doing = `reading the workspace ${workspace.name}`;
  const { body } = await client.send({
    method: 'GET',
    url: urlOf(client.management, idIn(workspace)),
    doing,
  });
  const location = textAt(body, 'location');
  if (location === undefined) throw new JobError('cloud', `${doing} failed: the answer has no location`);
  const property = (name: string): string | undefined => textAt(body, 'properties', name);
  return {
    location,
    tracking: property('mlFlowTrackingUri'),
    storage: property('storageAccount'),
    insights: property('applicationInsights'),
  };
}

/**
 * Ensures that the MPI step is registered for this spread, and returns its id: in the image of `provision`,
 * or like the newest registered version.
 */
export async function ensureStep(
  session: Session,
  { insights }: WorkspaceFacts,
  spread: Spread,
  provision: Provision | undefined,
): Promise<string> {
  const { workspace, release } = session;
  if (provision === undefined) return fittingStep(session, spread);
  const { image, applicationInsights } = provision;
  const environment = environmentOf(workspace, image, release);
  await ensure(session, environment, `the environment for ${image}`);
  const variables = applicationInsights ? await readTelemetry(session, insights) : {};
  const step = stepOf(workspace, { environmentId: environment.id, spread, variables }, release);
  await ensure(session, step, `the component ${STEP_COMPONENT}`);
  return step.id;
}

/** Returns the id of the newest version of the step; of a new one like it if that has another spread. */
async function fittingStep(session: Session, spread: Spread): Promise<string> {
  const { client, workspace, release } = session;
  const id = await newestStep(session);
  const doing = `reading the component ${STEP_COMPONENT}`;
  const { body } = await client.send({ method: 'GET', url: urlOf(client.management, id), doing });
  const spec = at(body, 'properties', 'componentSpec');
  const ranks = at(spec, 'distribution', 'process_count_per_instance');
  if (at(spec, 'resources', 'instance_count') === spread.nodes && ranks === ranksPerNode(spread)) return id;
  const environmentId = textAt(spec, 'environment')?.replace(/^azureml:(?=\/)/, '');
  if (environmentId?.startsWith('/') !== true) {
    throw new JobError('cloud', `${doing} failed: it names no environment`, {
      hint: 'register it again: --provision --image REGISTRY.azurecr.io/framescatter:TAG',
    });
  }
  const variables = variablesOf(textAt(spec, 'command') ?? '');
  const step = stepOf(workspace, { environmentId, spread, variables }, release);
  await ensure(session, step, `the component ${STEP_COMPONENT} (${spread.nodes} nodes)`);
  return step.id;
}

async function newestStep(session: Session): Promise<string> {
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
  const url = urlOf(client.management, resource.id, resource.apiVersion);
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
  const url = urlOf(client.management, resource.id, resource.apiVersion);
  const begun = await client.send({ method: 'PUT', url, body: resource.body, doing });
  return settle(client, begun, { url, doing }, session.pause);
}
