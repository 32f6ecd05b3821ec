import { createHash } from 'node:crypto';
import type { VideoJob } from './job-arguments.js';
import type { JsonObject } from './json.js';
import { idIn, type Workspace } from './workspace.js';

/** The nodes and ranks of a job. */
export interface Spread {
  readonly nodes: number;
  /** Ranks per node: one per GPU. */
  readonly gpusPerNode: number;
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

/** The MPI step: splits, stylizes and joins the video in memory, from Blob storage to Blob storage. */
export function stepComponent(environmentId: string): JsonObject {
  return {
    type: 'command',
    name: STEP_COMPONENT,
    display_name: 'Stylize a video over MPI',
    description:
      'Splits, stylizes and joins a video in memory; reads and writes Blob storage as the managed identity',
    is_deterministic: false,
    inputs: INPUTS,
    outputs: {},
    command: COMMAND,
    environment: `azureml:${environmentId}`,
    distribution: { type: 'mpi', process_count_per_instance: 1 },
    resources: { instance_count: 1, shm_size: SHARED_MEMORY },
  };
}

/** The one-step pipeline that the batch endpoint starts. */
export function pipelineComponent(stepId: string, spread: Spread): JsonObject {
  const names = Object.keys(INPUTS);
  return {
    type: 'pipeline',
    name: PIPELINE_COMPONENT,
    display_name: 'framescatter',
    description: 'Stylizes one video',
    inputs: INPUTS,
    outputs: {},
    jobs: { [STEP]: step(stepId, spread, names) },
  };
}

export function componentBody(spec: JsonObject, version: string): JsonObject {
  return { properties: { componentSpec: { ...spec, version }, isAnonymous: false } };
}

/** The pipeline job that `submit` starts. */
export function jobBody(job: VideoJob, spread: Spread, stepId: string, clusterId: string): JsonObject {
  const inputs = inputsOf(job);
  return {
    properties: {
      jobType: 'Pipeline',
      displayName: 'framescatter',
      experimentName: EXPERIMENT,
      settings: { continue_on_step_failure: false, force_rerun: true },
      inputs: mapValues(inputs, (value) => ({ jobInputType: 'literal', value })),
      outputs: {},
      jobs: { [STEP]: { ...step(stepId, spread, Object.keys(inputs)), computeId: clusterId } },
    },
  };
}

/** A step within a pipeline, in the format of Azure ML's own client: keys with underscores. */
function step(stepId: string, spread: Spread, inputs: readonly string[]): JsonObject {
  return {
    name: STEP,
    type: 'command',
    componentId: stepId,
    inputs: Object.fromEntries(
      inputs.map((name) => [name, { job_input_type: 'literal', value: `\${{parent.inputs.${name}}}` }]),
    ),
    outputs: {},
    distribution: { distribution_type: 'Mpi', process_count_per_instance: spread.gpusPerNode },
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
export function invocationBody(job: VideoJob): JsonObject {
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

function inputsOf(job: VideoJob): Readonly<Record<string, string>> {
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
