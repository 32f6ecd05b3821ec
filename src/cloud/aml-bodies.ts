import { createHash } from 'node:crypto';
import { EXPECTED_RANKS } from '../mpi/expected-ranks.js';
import { JobError } from '../system/errors.js';
import type { PlacedJob } from './job-arguments.js';
import type { JsonObject } from './json.js';
import { idIn, type Workspace } from './workspace.js';

/** The nodes and ranks of a job. */
export interface Spread {
  readonly nodes: number;
  /** Ranks per node: one per GPU; 0 for one rank on the CPU. */
  readonly gpusPerNode: number;
}

/** What the component of the MPI step is made for. */
export interface StepSettings {
  readonly environmentId: string;
  readonly spread: Spread;
  /** More environment variables; nothing secret, as the component shows them. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Returns the ranks per node. */
export function ranksPerNode({ gpusPerNode }: Spread): number {
  return Math.max(1, gpusPerNode);
}

export interface ClusterSpec {
  readonly name: string;
  readonly vmSize: string;
  readonly lowPriority: boolean;
  readonly maxNodes: number;
  /** Resource ids. */
  readonly subnet: string;
  readonly identity: string;
}

export const ENVIRONMENT = 'framescatter';
export const STEP_COMPONENT = 'framescatter_stylize';
export const PIPELINE_COMPONENT = 'framescatter_pipeline';
export const EXPERIMENT = 'framescatter';
const STEP = 'stylize';
const IDLE_BEFORE_SCALE_DOWN = 'PT120S';
/** The time limit for a job that hangs and costs money. Its finished work is kept, so it can resume. */
const TIME_LIMIT = 'P1D';
const SHARED_MEMORY = '8g';

/** Azure ML substitutes the values; `job-arguments.ts` ensures that each stays one word. */
const COMMAND = [
  'node /opt/framescatter/dist/main.js',
  `"${input('video')}" "${input('result')}"`,
  `--work-dir "${input('work_dir')}" --model "${input('model')}"`,
  `$[[${input('options')}]]`,
].join(' ');

/**
 * The inputs of the step. Addresses are strings, not `uri_file` with mode `direct`: Azure ML has no direct
 * mode for outputs, and does not document what it passes for an input in that mode.
 */
const INPUTS: JsonObject = {
  video: { type: 'string', description: 'https address of the video in Blob storage' },
  result: { type: 'string', description: 'https address of the blob to write' },
  work_dir: {
    type: 'string',
    description: 'https address of the folder for the journal, from which a lost job resumes',
  },
  model: {
    type: 'string',
    default: 'wave',
    description: 'a style, a blend, or the https address of an ONNX file',
  },
  options: { type: 'string', optional: true, description: 'more options of the job, for instance --crf 20' },
};

/** Characters that mean nothing within single quotes, nor to Azure ML. */
const QUOTABLE = /^[\w;:/.=, -]*$/;
const ASSIGNMENT = /'(\w+)=([^']*)'/g;

/** Returns assignments as words for a shell. */
function assignments(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => {
      if (!QUOTABLE.test(value)) throw new JobError('cloud', `the value of ${name} cannot be passed to jobs`);
      return `'${name}=${value}'`;
    })
    .join(' ');
}

/** Returns the variables that the command of the MPI step sets, except for the number of ranks. */
export function variablesOf(command: string): Readonly<Record<string, string>> {
  const before = command.slice(0, command.indexOf(' node '));
  const given = [...before.matchAll(ASSIGNMENT)].map(([, name = '', value = '']) => [name, value] as const);
  return Object.fromEntries(given.filter(([name]) => name !== EXPECTED_RANKS));
}

function input(name: string): string {
  return `\${{inputs.${name}}}`;
}

/** Environment version: the project's image. */
export function environmentBody(image: string): JsonObject {
  return {
    properties: {
      image,
      osType: 'Linux',
      description: 'Node, FFmpeg, Open MPI, ONNX Runtime and framescatter',
    },
  };
}

/** A GPU cluster that scales to zero, in a subnet, without public addresses, ssh or local accounts. */
export function clusterBody(spec: ClusterSpec, location: string): JsonObject {
  return {
    location,
    identity: { type: 'UserAssigned', userAssignedIdentities: { [spec.identity]: {} } },
    properties: {
      computeType: 'AmlCompute',
      disableLocalAuth: true,
      properties: {
        vmSize: spec.vmSize,
        vmPriority: spec.lowPriority ? 'LowPriority' : 'Dedicated',
        osType: 'Linux',
        scaleSettings: scaleTo(spec.maxNodes),
        remoteLoginPortPublicAccess: 'Disabled',
        enableNodePublicIp: false,
        subnet: { id: spec.subnet },
      },
    },
  };
}

/** The body of the PATCH that raises the maximum number of nodes. */
export function growthBody(maxNodes: number): JsonObject {
  return { properties: { properties: { scaleSettings: scaleTo(maxNodes) } } };
}

function scaleTo(maxNodeCount: number): JsonObject {
  return { minNodeCount: 0, maxNodeCount, nodeIdleTimeBeforeScaleDown: IDLE_BEFORE_SCALE_DOWN };
}

/**
 * The MPI step: splits, stylizes and joins the video in memory, from Blob storage to Blob storage. The
 * nodes are part of it, since a batch endpoint may ignore those that a step of its pipeline asks for
 * (github.com/Azure/azureml-examples/issues/3610); the job warns if it gets fewer ranks. Components have no
 * variables of their own, and those of an endpoint do not arrive (Azure/azure-sdk-for-python/issues/42255),
 * so the command sets them.
 */
export function stepComponent({ environmentId, spread, variables }: StepSettings): JsonObject {
  const ranks = String(spread.nodes * ranksPerNode(spread));
  return {
    type: 'command',
    name: STEP_COMPONENT,
    display_name: 'Stylize a video over MPI',
    description:
      'Splits, stylizes and joins a video in memory; reads and writes Blob storage as the managed identity',
    is_deterministic: false,
    inputs: INPUTS,
    outputs: {},
    command: `env ${assignments({ ...variables, [EXPECTED_RANKS]: ranks })} ${COMMAND}`,
    environment: `azureml:${environmentId}`,
    distribution: { type: 'mpi', process_count_per_instance: ranksPerNode(spread) },
    resources: { instance_count: spread.nodes, shm_size: SHARED_MEMORY },
  };
}

/** The one-step pipeline that the batch endpoint starts. */
export function pipelineComponent(stepId: string, spread: Spread, clusterId: string): JsonObject {
  const names = Object.keys(INPUTS);
  return {
    type: 'pipeline',
    name: PIPELINE_COMPONENT,
    display_name: 'framescatter',
    description: 'Stylizes one video',
    inputs: INPUTS,
    outputs: {},
    jobs: { [STEP]: step(stepId, spread, names, clusterId) },
  };
}

export function componentBody(spec: JsonObject, version: string): JsonObject {
  return { properties: { componentSpec: { ...spec, version }, isAnonymous: false } };
}

/** The pipeline job that `submit` starts. */
export function jobBody(job: PlacedJob, spread: Spread, stepId: string, clusterId: string): JsonObject {
  const inputs = inputsOf(job);
  return {
    properties: {
      jobType: 'Pipeline',
      displayName: 'framescatter',
      experimentName: EXPERIMENT,
      settings: { continue_on_step_failure: false, force_rerun: true },
      inputs: mapValues(inputs, (value) => ({ jobInputType: 'literal', value })),
      outputs: {},
      jobs: { [STEP]: step(stepId, spread, Object.keys(inputs), clusterId) },
    },
  };
}

/**
 * A step within a pipeline, in the format of Azure ML's own client: keys with underscores. It names the
 * cluster itself: an endpoint's default may not reach it (github.com/Azure/azure-sdk-for-
 * python/issues/41952).
 */
function step(stepId: string, spread: Spread, inputs: readonly string[], clusterId: string): JsonObject {
  return {
    name: STEP,
    type: 'command',
    componentId: stepId,
    computeId: clusterId,
    inputs: Object.fromEntries(
      inputs.map((name) => [name, { job_input_type: 'literal', value: `\${{parent.inputs.${name}}}` }]),
    ),
    outputs: {},
    distribution: { distribution_type: 'Mpi', process_count_per_instance: ranksPerNode(spread) },
    resources: { instance_count: spread.nodes, shm_size: SHARED_MEMORY },
    limits: { job_limits_type: 'Command', timeout: TIME_LIMIT },
    identity: { type: 'managed' },
  };
}

export function endpointBody(location: string, deployment?: string): JsonObject {
  return {
    location,
    properties: {
      authMode: 'AADToken',
      description: 'Stylizes one video per invocation',
      ...(deployment === undefined ? {} : { defaults: { deploymentName: deployment } }),
    },
  };
}

export function deploymentBody(location: string, pipelineId: string, cluster: string): JsonObject {
  return {
    location,
    properties: {
      deploymentConfiguration: {
        deploymentConfigurationType: 'PipelineComponent',
        componentId: { referenceType: 'Id', assetId: pipelineId },
        settings: { default_compute: cluster, continue_on_step_failure: 'False', force_rerun: 'True' },
      },
    },
  };
}

/** The body of a call to the batch endpoint; the trigger's Logic App sends the same. */
export function invocationBody(job: PlacedJob): JsonObject {
  return {
    properties: {
      InputData: mapValues(inputsOf(job), (value) => ({ JobInputType: 'Literal', Value: value })),
      properties: { experimentName: EXPERIMENT },
    },
  };
}

/** Returns a version derived from the content: equal content gets an equal version. */
export function versionOf(content: JsonObject, release: string): string {
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return `${release}-${hash.slice(0, 12)}`;
}

export function assetId(
  workspace: Workspace,
  kind: 'environments' | 'components',
  name: string,
  version: string,
): string {
  return idIn(workspace, kind, name, 'versions', version);
}

function inputsOf(job: PlacedJob): Readonly<Record<string, string>> {
  return {
    video: job.video,
    result: job.result,
    work_dir: job.workDir,
    model: job.model,
    ...(job.options.length === 0 ? {} : { options: job.options.join(' ') }),
  };
}

function mapValues(
  values: Readonly<Record<string, string>>,
  change: (value: string) => JsonObject,
): JsonObject {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
