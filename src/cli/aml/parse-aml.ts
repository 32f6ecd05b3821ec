import type { Spread } from '../../cloud/aml-bodies.js';
import type { ClusterRequest } from '../../cloud/aml-cluster.js';
import type { Provision } from '../../cloud/aml-provision.js';
import { checkGpus } from '../../cloud/gpu-sizes.js';
import { blobFolder, type VideoJob, videoJob } from '../../cloud/job-arguments.js';
import { journalBelow } from '../../cloud/journals.js';
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
import { loggingOf } from '../parsing/common-options.js';
import { optionValues } from '../parsing/option-values.js';
import {
  AZURE,
  azureOptions,
  CLUSTERS,
  dryRunAndLogging,
  endpointOption,
  modelAndWork,
  provisionOptions,
  targetOptions,
} from './aml-options.js';

/** The request of `submit aml`, `publish aml` or `invoke aml`. */
export type AmlCommand =
  | ({ readonly kind: 'submit'; readonly job: VideoJob } & Waiting & Common & Target)
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
  readonly provision: Provision | undefined;
}

interface Waiting {
  readonly wait: boolean;
  /** The number of jobs that may be submitted for the video, each when the one before was interrupted. */
  readonly attempts: number;
  /** The name of the job; without it a new one. */
  readonly name?: string;
}

export type AmlVerb = 'submit' | 'publish' | 'invoke';

const MOST_NODES = 1000;
const MOST_GPUS = 16;
const MOST_ATTEMPTS = 100;
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
  examples: [
    'framescatter submit aml IN OUT --nodes 2 --wait',
    'framescatter submit aml IN OUT --low-priority --attempts 10',
    'framescatter submit aml --cancel JOB',
  ],
  text: 'INPUT and OUTPUT are https addresses in Blob storage.',
  epilogue: `Exit codes with --wait: 0 done; 75 interrupted, the same command resumes; 1 failed or cancelled.
${ENVIRONMENT}`,
  options: (parser) =>
    dryRunAndLogging(
      azureOptions(provisionOptions(targetOptions(modelAndWork(parser))))
        .option('wait', {
          type: 'boolean',
          default: false,
          describe: 'follow the job and exit with its result',
        })
        .option('attempts', {
          type: 'number',
          default: 1,
          describe: 'with --wait, which it implies: jobs in all, if nodes are taken away',
        })
        .option('name', {
          type: 'string',
          describe: 'name of the job; if it exists, it is followed in place of starting another',
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
  const { whole } = optionValues((message) => usage('submit', message));
  const attempts = whole('attempts', options.attempts, 1, MOST_ATTEMPTS);
  return {
    kind: 'submit',
    job,
    attempts,
    wait: options.wait || attempts > 1,
    ...(options.name === undefined ? {} : { name: matching(options.name, JOB, 'name', 'the name of a job') }),
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

interface JobOptions {
  readonly model: string;
  readonly 'work-dir'?: string | undefined;
  readonly journals?: string | undefined;
}

function jobOf(verb: AmlVerb, { options, words, after }: Given<JobOptions>, checkJob: CheckJob): VideoJob {
  const [input = '', output = ''] = words;
  if (words.length !== 2) throw usage(verb, `${verb} aml takes an INPUT and an OUTPUT`);
  const { journals, model, 'work-dir': workDir } = options;
  if (journals !== undefined && workDir !== undefined)
    throw usage(verb, '--journals and --work-dir exclude each other');
  const given = videoJob({ input, output, workDir, model, options: after });
  const job =
    journals === undefined
      ? given
      : { ...given, workDir: journalBelow(blobFolder(journals, '--journals'), given.result) };
  const place = job.workDir === undefined ? [] : ['--work-dir', job.workDir];
  checkJob([job.video, job.result, '--model', job.model, ...place, ...job.options]);
  return job;
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
  const { image, subnet, identity, provision, 'vm-size': vmSize } = parsed;
  const applicationInsights = parsed['application-insights'];
  const needProvision = { image, subnet, identity, 'application-insights': applicationInsights || undefined };
  const makes = Object.entries(needProvision).find(([, value]) => value !== undefined);
  if (!provision && makes !== undefined) throw usage(verb, `--${makes[0]} has no effect without --provision`);
  const { whole } = optionValues((message) => usage(verb, message));
  const spread = {
    nodes: whole('nodes', parsed.nodes, 1, MOST_NODES),
    gpusPerNode: whole('gpus-per-node', parsed['gpus-per-node'], 0, MOST_GPUS),
  };
  if (vmSize !== undefined) checkGpus(vmSize, spread);
  const kind = spread.gpusPerNode === 0 ? CLUSTERS.cpu : CLUSTERS.gpu;
  const name = parsed.compute ?? `${kind}${lowPriority ? CLUSTERS.lowPriority : ''}`;
  return {
    spread,
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
      ? {
          image: matching(image, IMAGE, 'image', 'REGISTRY/NAME:TAG (or @sha256:...)'),
          applicationInsights,
        }
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
