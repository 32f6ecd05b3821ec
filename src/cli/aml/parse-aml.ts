import type { Argv } from 'yargs';
import type { Spread } from '../../cloud/aml-bodies.js';
import type { ClusterRequest } from '../../cloud/aml-provision.js';
import { DEFAULT_VM_SIZE } from '../../cloud/gpu-sizes.js';
import { type VideoJob, videoJob } from '../../cloud/job-arguments.js';
import { checkWorkspace, type Workspace } from '../../cloud/workspace.js';
import type { LogFormat, Verbosity } from '../../report/log.js';
import { JobError } from '../../system/errors.js';
import {
  type CheckJob,
  type CommandSpec,
  type Given,
  type OptionsOf,
  parseCommand,
  type Text,
  usageError,
} from '../parsing/command-line.js';
import { loggingOf, loggingOptions } from '../parsing/common-options.js';
import { optionValues } from '../parsing/option-values.js';

/** The request of `submit aml`, `publish aml` or `invoke aml`. */
export type AmlCommand =
  | ({ readonly kind: 'submit'; readonly job: VideoJob; readonly wait: boolean } & Common & Target)
  | ({ readonly kind: 'cancel'; readonly job: string } & Common)
  | ({ readonly kind: 'publish'; readonly endpoint: string; readonly deployment: string } & Common & Target)
  | ({ readonly kind: 'invoke'; readonly endpoint: string; readonly job: VideoJob } & Common);

interface Common {
  readonly workspace: Workspace;
  readonly dryRun: boolean;
  readonly logFormat: LogFormat;
  readonly verbosity: Verbosity;
}

interface Target {
  readonly spread: Spread;
  readonly cluster: ClusterRequest;
  readonly provision: { readonly image: string } | undefined;
}

export type AmlVerb = 'submit' | 'publish' | 'invoke';

const MOST_NODES = 1000;
const MOST_GPUS = 16;
/** A cluster keeps its priority, so each has a cluster of its own. */
const CLUSTERS = { dedicated: 'gpu-cluster', lowPriority: 'gpu-cluster-low' } as const;
const CLUSTER = /^[a-zA-Z][a-zA-Z0-9-]{1,31}$/;
const ENDPOINT = /^[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]$/;
const JOB = /^[a-zA-Z0-9][\w-]{0,254}$/;
const IMAGE = /^[a-z0-9][\w.-]*(?::\d+)?(?:\/[a-z0-9][\w.-]*)+(?::[\w.-]+|@sha256:[0-9a-f]{64})$/;
const RESOURCE = /^\/subscriptions\/[\w-]+\/resourceGroups\/[\w.()-]+\/providers\/[\w./()-]+$/i;

const ENVIRONMENT = `Environment: AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZUREML_WORKSPACE_NAME; AZURE_RESOURCE_MANAGER_URL for another cloud than the public one.
docs/azure-ml.md leads from the start to a finished video.`;

export const SUBMIT_AML = {
  name: 'submit aml',
  about: 'Run a job on a GPU cluster of Azure Machine Learning',
  forms: ['INPUT OUTPUT [options] [-- JOB OPTIONS]', '--cancel JOB'],
  examples: ['framescatter submit aml IN OUT --nodes 2 --wait', 'framescatter submit aml --cancel JOB'],
  text: 'INPUT and OUTPUT are https addresses in Blob storage.',
  epilogue: ENVIRONMENT,
  options: (parser) =>
    dryRunAndLogging(
      azureOptions(provisionOptions(targetOptions(modelAndWork(parser))))
        .option('wait', {
          type: 'boolean',
          default: false,
          describe: 'follow the job and exit with its result',
        })
        .option('cancel', { type: 'string', describe: 'ask for the end of this job' }),
    ),
} satisfies CommandSpec<unknown>;

export const PUBLISH_AML = {
  name: 'publish aml',
  about: 'Make or update the Azure ML batch endpoint that starts jobs',
  forms: ['--endpoint NAME [options]'],
  examples: ['framescatter publish aml --endpoint stylize-films --nodes 2'],
  text: 'Prints the address of the endpoint.',
  epilogue: ENVIRONMENT,
  options: (parser) =>
    dryRunAndLogging(
      endpointOption(azureOptions(provisionOptions(targetOptions(parser)))).option('deployment', {
        type: 'string',
        default: 'stylize',
        group: AZURE,
        describe: 'name of its deployment',
      }),
    ),
} satisfies CommandSpec<unknown>;

export const INVOKE_AML = {
  name: 'invoke aml',
  about: 'Start a job through the Azure ML batch endpoint',
  forms: ['INPUT OUTPUT --endpoint NAME [-- JOB OPTIONS]'],
  examples: ['framescatter invoke aml IN OUT --endpoint stylize-films'],
  text: 'INPUT and OUTPUT are https addresses in Blob storage. The trigger starts jobs the same way.',
  epilogue: ENVIRONMENT,
  options: (parser) => dryRunAndLogging(endpointOption(azureOptions(modelAndWork(parser)))),
} satisfies CommandSpec<unknown>;

/**
 * Parses what follows `submit aml`, `publish aml` or `invoke aml`. Pure. `checkJob` checks the job's own
 * options before anything is paid for.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseAml(
  verb: AmlVerb,
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: CheckJob,
): AmlCommand | Text {
  switch (verb) {
    case 'submit':
      return submission(argv, environment, checkJob);
    case 'publish':
      return publication(argv, environment);
    case 'invoke':
      return invocation(argv, environment, checkJob);
  }
}

function submission(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: CheckJob,
): AmlCommand | Text {
  const given = parseCommand(SUBMIT_AML, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options, words, after } = given;
  if (options.cancel !== undefined) {
    const job = matching(options.cancel, JOB, 'cancel', 'the name of a job');
    if (words.length > 0 || after.length > 0)
      throw usage('submit', '--cancel takes the name of a job and no other arguments');
    return { kind: 'cancel', job, ...common('submit', options, environment) };
  }
  const job = jobOf('submit', given, checkJob);
  return {
    kind: 'submit',
    job,
    wait: options.wait,
    ...common('submit', options, environment),
    ...target('submit', options),
  };
}

function publication(argv: readonly string[], environment: NodeJS.ProcessEnv): AmlCommand | Text {
  const given = parseCommand(PUBLISH_AML, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options, words, after } = given;
  if (words.length > 0 || after.length > 0) throw usage('publish', 'publish aml takes no arguments');
  return {
    kind: 'publish',
    endpoint: endpointName(options.endpoint, 'endpoint'),
    deployment: endpointName(options.deployment, 'deployment'),
    ...common('publish', options, environment),
    ...target('publish', options),
  };
}

function invocation(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: CheckJob,
): AmlCommand | Text {
  const given = parseCommand(INVOKE_AML, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const job = jobOf('invoke', given, checkJob);
  const { options } = given;
  const endpoint = endpointName(options.endpoint, 'endpoint');
  return { kind: 'invoke', endpoint, job, ...common('invoke', options, environment) };
}

function jobOf(
  verb: AmlVerb,
  { options, words, after }: Given<{ readonly model: string; readonly 'work-dir'?: string | undefined }>,
  checkJob: CheckJob,
): VideoJob {
  const [input = '', output = ''] = words;
  if (words.length !== 2) throw usage(verb, `${verb} aml takes an INPUT and an OUTPUT`);
  const job = videoJob({ input, output, workDir: options['work-dir'], model: options.model, options: after });
  checkJob([job.video, job.result, '--model', job.model, '--work-dir', job.workDir, ...job.options]);
  return job;
}

const AZURE = 'Azure:';
const CLUSTER_GROUP = 'Cluster:';

function modelAndWork<T>(parser: Argv<T>) {
  return parser
    .option('model', {
      type: 'string',
      default: 'wave',
      describe: 'a style, a blend, or the https address of an ONNX file',
    })
    .option('work-dir', {
      type: 'string',
      describe: 'https address of the folder for the journal; default OUTPUT.framescatter',
    });
}

function targetOptions<T>(parser: Argv<T>) {
  const group = CLUSTER_GROUP;
  return parser
    .option('nodes', { type: 'number', default: 1, group, describe: 'nodes for the job' })
    .option('gpus-per-node', { type: 'number', default: 1, group, describe: 'GPUs per node, a rank each' })
    .option('low-priority', {
      type: 'boolean',
      default: false,
      group,
      describe: 'cheaper nodes that may be taken away; the job then resumes',
    })
    .option('compute', {
      type: 'string',
      group,
      describe: `name of the cluster; default ${CLUSTERS.dedicated}, with --low-priority ${CLUSTERS.lowPriority}`,
    });
}

function provisionOptions<T>(parser: Argv<T>) {
  const group = 'Set-up:';
  return parser
    .option('provision', {
      type: 'boolean',
      default: false,
      group,
      describe: 'make or update what is missing: environment, component, cluster',
    })
    .option('image', {
      type: 'string',
      group,
      describe: 'with --provision: the image, REGISTRY.azurecr.io/framescatter:TAG',
    })
    .option('vm-size', {
      type: 'string',
      group,
      describe: `with --provision: VM size of the nodes; default ${DEFAULT_VM_SIZE}`,
    })
    .option('subnet', { type: 'string', group, describe: 'with --provision: resource id of their subnet' })
    .option('identity', {
      type: 'string',
      group,
      describe: 'with --provision: resource id of their identity',
    });
}

function azureOptions<T>(parser: Argv<T>) {
  const group = AZURE;
  return parser
    .option('subscription', { type: 'string', group, describe: 'id of the subscription' })
    .option('resource-group', { type: 'string', group, describe: 'name of the resource group' })
    .option('workspace', { type: 'string', group, describe: 'name of the Azure ML workspace' });
}

function endpointOption<T>(parser: Argv<T>) {
  return parser.option('endpoint', { type: 'string', group: AZURE, describe: 'name of the batch endpoint' });
}

function dryRunAndLogging<T>(parser: Argv<T>) {
  return loggingOptions(
    parser.option('dry-run', {
      type: 'boolean',
      default: false,
      describe: 'print the requests as JSON and send none',
    }),
    'Options:',
  );
}

interface AzureOptions {
  readonly subscription?: string | undefined;
  readonly 'resource-group'?: string | undefined;
  readonly workspace?: string | undefined;
  readonly 'dry-run': boolean;
  readonly 'log-format': LogFormat;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

function common(verb: AmlVerb, parsed: AzureOptions, environment: NodeJS.ProcessEnv): Common {
  const subscription = parsed.subscription ?? environment.AZURE_SUBSCRIPTION_ID ?? '';
  const resourceGroup = parsed['resource-group'] ?? environment.AZURE_RESOURCE_GROUP ?? '';
  const name = parsed.workspace ?? environment.AZUREML_WORKSPACE_NAME ?? '';
  return {
    workspace: checkWorkspace({ subscription, resourceGroup, name }),
    dryRun: parsed['dry-run'],
    ...loggingOf(`${verb} aml`, parsed),
  };
}

type TargetOptions = Omit<OptionsOf<typeof PUBLISH_AML>, 'endpoint' | 'deployment'>;

function target(verb: AmlVerb, parsed: TargetOptions): Target {
  const lowPriority = parsed['low-priority'];
  const name = parsed.compute ?? (lowPriority ? CLUSTERS.lowPriority : CLUSTERS.dedicated);
  const { image, subnet, identity, provision, 'vm-size': vmSize } = parsed;
  const makes = Object.entries({ image, subnet, identity }).find(([, value]) => value !== undefined);
  if (!provision && makes !== undefined) throw usage(verb, `--${makes[0]} has no effect without --provision`);
  const { whole } = optionValues((message) => usage(verb, message));
  return {
    spread: {
      nodes: whole('nodes', parsed.nodes, 1, MOST_NODES),
      gpusPerNode: whole('gpus-per-node', parsed['gpus-per-node'], 1, MOST_GPUS),
    },
    cluster: {
      name: matching(name, CLUSTER, 'compute', 'the name of a cluster: letters, digits and dashes'),
      lowPriority,
      vmSize:
        vmSize === undefined ? undefined : matching(vmSize, /^[A-Za-z][\w]{2,60}$/, 'vm-size', 'a VM size'),
      subnet: subnet === undefined ? undefined : matching(subnet, RESOURCE, 'subnet', 'a resource id'),
      identity:
        identity === undefined ? undefined : matching(identity, RESOURCE, 'identity', 'a resource id'),
    },
    provision: provision
      ? { image: matching(image, IMAGE, 'image', 'REGISTRY/NAME:TAG (or @sha256:...)') }
      : undefined,
  };
}

function endpointName(value: string | undefined, option: string): string {
  return matching(value, ENDPOINT, option, 'a name of letters, digits and dashes, 3 to 32 of them');
}

function matching(value: string | undefined, pattern: RegExp, option: string, what: string): string {
  if (value !== undefined && pattern.test(value)) return value;
  const problem = value === undefined ? 'is missing' : `cannot be ${JSON.stringify(value)}`;
  throw new JobError('usage', `--${option} ${problem}`, { hint: `it takes ${what}` });
}

function usage(verb: AmlVerb, message: string): JobError {
  return usageError(`${verb} aml`, message);
}
