import type { Argv } from 'yargs';
import type { Spread } from '../../cloud/aml-bodies.js';
import type { ClusterRequest } from '../../cloud/aml-provision.js';
import { DEFAULT_VM_SIZE } from '../../cloud/gpu-sizes.js';
import { type FilmJob, filmJob } from '../../cloud/job-arguments.js';
import { checkWorkspace, type Workspace } from '../../cloud/workspace.js';
import type { LogFormat, Verbosity } from '../../report/log.js';
import { JobError } from '../../system/errors.js';
import { commandLine } from '../parsing/command-line.js';
import { optionValues } from '../parsing/option-values.js';

/** What `submit aml`, `publish aml` or `invoke aml` is asked to do. */
export type AmlCommand =
  | ({ readonly kind: 'submit'; readonly film: FilmJob; readonly wait: boolean } & Common & Target)
  | ({ readonly kind: 'cancel'; readonly job: string } & Common)
  | ({ readonly kind: 'publish'; readonly endpoint: string; readonly deployment: string } & Common & Target)
  | ({ readonly kind: 'invoke'; readonly endpoint: string; readonly film: FilmJob } & Common)
  | { readonly kind: 'text'; readonly text: string };

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

/** Says whether the words are a job's INPUT, OUTPUT and options; throws a JobError `usage` where they are not. */
export type CheckJob = (words: readonly string[]) => void;

const MOST_NODES = 1000;
const MOST_GPUS = 16;
/** A cluster keeps its priority, so each has a cluster of its own. */
const CLUSTERS = { dedicated: 'gpu-cluster', lowPriority: 'gpu-cluster-low' } as const;
const CLUSTER = /^[a-zA-Z][a-zA-Z0-9-]{1,31}$/;
const ENDPOINT = /^[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]$/;
const JOB = /^[a-zA-Z0-9][\w-]{0,254}$/;
const IMAGE = /^[a-z0-9][\w.-]*(?::\d+)?(?:\/[a-z0-9][\w.-]*)+(?::[\w.-]+|@sha256:[0-9a-f]{64})$/;
const RESOURCE = /^\/subscriptions\/[\w-]+\/resourceGroups\/[\w.()-]+\/providers\/[\w./()-]+$/i;

const FILM_OPTIONS = ['model', 'work-dir'];
const TARGET_OPTIONS = ['nodes', 'gpus-per-node', 'low-priority', 'compute'];
const PROVISION_OPTIONS = ['provision', 'image', 'vm-size', 'subnet', 'identity'];
/** One parser serves all three, so that what a command has no use for must be refused by hand. */
const NOT_FOR: Readonly<Record<AmlVerb, readonly string[]>> = {
  submit: ['endpoint', 'deployment'],
  publish: [...FILM_OPTIONS, 'wait', 'cancel'],
  invoke: [...TARGET_OPTIONS, ...PROVISION_OPTIONS, 'deployment', 'wait', 'cancel'],
};

const USAGES: Readonly<Record<AmlVerb, string>> = {
  submit: `Usage:
  framescatter submit aml INPUT OUTPUT [options] [-- options of the job]
  framescatter submit aml --cancel JOB

Runs a job on a GPU cluster of Azure Machine Learning. INPUT and OUTPUT are https addresses in Blob storage.`,
  publish: `Usage: framescatter publish aml --endpoint NAME [options]

Makes or updates the batch endpoint that starts such jobs, and prints its address.`,
  invoke: `Usage: framescatter invoke aml INPUT OUTPUT --endpoint NAME [options] [-- options of the job]

Starts a job through the batch endpoint, as the trigger does.`,
};

const EPILOGUE = `Environment: AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZUREML_WORKSPACE_NAME;
AZURE_RESOURCE_MANAGER_URL in another cloud than the public one. docs/azure-ml.md leads from the start to a film.`;

/**
 * Turns what follows `submit aml`, `publish aml` or `invoke aml` into a command. Pure. Bad usage is a JobError `usage`;
 * `checkJob` is what tells it in the job's own words, before anything is paid for.
 */
export function parseAml(
  verb: AmlVerb,
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: CheckJob,
): AmlCommand {
  const dashes = argv.indexOf('--');
  const words = dashes < 0 ? argv : argv.slice(0, dashes);
  const options = dashes < 0 ? [] : argv.slice(dashes + 1);
  let text = '';
  const parsed = parserFor(verb).parseSync([...words], {}, (error, _parsed, output) => {
    if (error !== undefined && error !== null) throw usage(verb, error.message);
    text = output;
  });
  if (text !== '') return { kind: 'text', text: `${text}\n` };
  const strange = NOT_FOR[verb].find((name) => words.some((word) => word.split('=', 1)[0] === `--${name}`));
  if (strange !== undefined) throw usage(verb, `--${strange} is no option of ${verb} aml`);
  const given = parsed._.map(String);
  if (parsed.cancel !== undefined) return cancelling(parsed, given, environment);
  if (verb === 'publish') {
    if (given.length > 0 || options.length > 0) throw usage(verb, 'publish aml takes no more words');
    const { endpoint, deployment } = endpointOf(parsed);
    return { kind: 'publish', endpoint, deployment, ...common(parsed, environment), ...target(parsed) };
  }
  const [input = '', output = ''] = given;
  if (given.length !== 2) throw usage(verb, `${verb} aml takes an INPUT and an OUTPUT`);
  const film = filmJob({ input, output, workDir: parsed['work-dir'], model: parsed.model, options });
  checkJob([film.video, film.result, '--model', film.model, '--work-dir', film.workDir, ...film.options]);
  if (verb === 'invoke') {
    return { kind: 'invoke', endpoint: endpointOf(parsed).endpoint, film, ...common(parsed, environment) };
  }
  return { kind: 'submit', film, wait: parsed.wait, ...common(parsed, environment), ...target(parsed) };
}

type Parsed = ReturnType<ReturnType<typeof parserFor>['parseSync']>;

function parserFor(verb: AmlVerb) {
  const parser = commandLine(USAGES[verb], EPILOGUE, false);
  return NOT_FOR[verb].reduce(
    (kept, name) => kept.hide(name),
    commonOptions(targetOptions(filmOptions(parser))),
  );
}

function filmOptions<T>(parser: Argv<T>) {
  const group = 'Job:';
  return parser
    .option('model', {
      type: 'string',
      default: 'wave',
      group,
      describe: 'a style, a blend, or the https address of an ONNX file',
    })
    .option('work-dir', {
      type: 'string',
      group,
      describe: 'https address of the folder for the journal; default OUTPUT.framescatter',
    })
    .option('wait', {
      type: 'boolean',
      default: false,
      group,
      describe: 'follow the job and exit with its result',
    })
    .option('cancel', {
      type: 'string',
      group,
      describe: 'ask for the end of this job',
    });
}

function targetOptions<T>(parser: Argv<T>) {
  const group = 'Cluster:';
  return parser
    .option('nodes', { type: 'number', default: 1, group, describe: 'nodes that a job takes' })
    .option('gpus-per-node', { type: 'number', default: 1, group, describe: 'ranks on each node' })
    .option('low-priority', {
      type: 'boolean',
      default: false,
      group,
      describe: 'cheaper nodes that may be taken away; the job then resumes from its journal',
    })
    .option('compute', {
      type: 'string',
      group,
      describe: `name of the cluster; default ${CLUSTERS.dedicated}, with --low-priority ${CLUSTERS.lowPriority}`,
    })
    .option('provision', {
      type: 'boolean',
      default: false,
      group,
      describe: 'make or update what is missing: environment, component, cluster',
    })
    .option('image', {
      type: 'string',
      group,
      describe: '--provision: the image, REGISTRY.azurecr.io/framescatter:TAG',
    })
    .option('vm-size', {
      type: 'string',
      group,
      describe: `--provision: VM size of the nodes; default ${DEFAULT_VM_SIZE}`,
    })
    .option('subnet', { type: 'string', group, describe: '--provision: resource id of their subnet' })
    .option('identity', {
      type: 'string',
      group,
      describe: '--provision: resource id of their identity',
    });
}

function commonOptions<T>(parser: Argv<T>) {
  const group = 'Azure:';
  return parser
    .option('subscription', { type: 'string', group, describe: 'id of the subscription' })
    .option('resource-group', { type: 'string', group, describe: 'name of the resource group' })
    .option('workspace', { type: 'string', group, describe: 'name of the Azure ML workspace' })
    .option('endpoint', {
      type: 'string',
      group,
      describe: 'name of the batch endpoint',
    })
    .option('deployment', {
      type: 'string',
      default: 'stylize',
      group,
      describe: 'name of its deployment',
    })
    .option('dry-run', {
      type: 'boolean',
      default: false,
      group: 'Other:',
      describe: 'print the requests as JSON and send none',
    })
    .option('log-format', {
      type: 'string',
      choices: ['text', 'json'] as const,
      default: 'text' as const,
      group: 'Other:',
      describe: 'form of the lines on standard error',
    })
    .option('quiet', {
      type: 'boolean',
      alias: 'q',
      default: false,
      group: 'Other:',
      describe: 'only errors',
    })
    .option('verbose', {
      type: 'boolean',
      alias: 'v',
      default: false,
      group: 'Other:',
      describe: 'every decision',
    });
}

function cancelling(parsed: Parsed, given: readonly string[], environment: NodeJS.ProcessEnv): AmlCommand {
  const job = matching(parsed.cancel, JOB, 'cancel', 'the name of a job');
  if (given.length > 0) throw usage('submit', '--cancel takes the name of a job and no more words');
  return { kind: 'cancel', job, ...common(parsed, environment) };
}

function common(parsed: Parsed, environment: NodeJS.ProcessEnv): Common {
  if (parsed.quiet && parsed.verbose) throw new JobError('usage', '--quiet and --verbose exclude each other');
  const subscription = parsed.subscription ?? environment.AZURE_SUBSCRIPTION_ID ?? '';
  const resourceGroup = parsed['resource-group'] ?? environment.AZURE_RESOURCE_GROUP ?? '';
  const name = parsed.workspace ?? environment.AZUREML_WORKSPACE_NAME ?? '';
  return {
    workspace: checkWorkspace({ subscription, resourceGroup, name }),
    dryRun: parsed['dry-run'],
    logFormat: parsed['log-format'],
    verbosity: parsed.quiet ? 'quiet' : parsed.verbose ? 'verbose' : 'normal',
  };
}

function target(parsed: Parsed): Target {
  const lowPriority = parsed['low-priority'];
  const name = parsed.compute ?? (lowPriority ? CLUSTERS.lowPriority : CLUSTERS.dedicated);
  const { image, subnet, identity, provision, 'vm-size': vmSize } = parsed;
  const makes = Object.entries({ image, subnet, identity }).find(([, value]) => value !== undefined);
  if (!provision && makes !== undefined)
    throw usage('submit', `--${makes[0]} does nothing without --provision`);
  const { whole } = optionValues((message) => usage('submit', message));
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

function endpointOf(parsed: Parsed): { readonly endpoint: string; readonly deployment: string } {
  const what = 'a name of letters, digits and dashes, 3 to 32 of them';
  return {
    endpoint: matching(parsed.endpoint, ENDPOINT, 'endpoint', what),
    deployment: matching(parsed.deployment, ENDPOINT, 'deployment', what),
  };
}

function matching(value: string | undefined, pattern: RegExp, option: string, what: string): string {
  if (value !== undefined && pattern.test(value)) return value;
  const problem = value === undefined ? 'is missing' : `cannot be ${JSON.stringify(value)}`;
  throw new JobError('usage', `--${option} ${problem}`, { hint: `it takes ${what}` });
}

function usage(verb: AmlVerb, message: string): JobError {
  return new JobError('usage', message, { hint: `framescatter ${verb} aml --help lists the options` });
}
