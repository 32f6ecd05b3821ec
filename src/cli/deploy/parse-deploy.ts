import type { DeployRequest, Place, Profile } from '../../cloud/deploy/deployment.js';
import type { LocalFilm } from '../../cloud/deploy/film.js';
import { DEFAULT_SIZES, gpuSize, hasGpus } from '../../cloud/gpu-sizes.js';
import { checkWorkspace } from '../../cloud/workspace.js';
import type { LogFormat, Verbosity } from '../../report/log.js';
import { isAddress } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { CLUSTERS, dryRunAndLogging } from '../aml/aml-options.js';
import {
  type CheckJob,
  type CommandSpec,
  type OptionsOf,
  parseCommand,
  type Text,
  usageError,
} from '../parsing/command-line.js';
import { loggingOf } from '../parsing/common-options.js';
import { optionValues } from '../parsing/option-values.js';

/** The request of `deploy azure` or `undeploy azure`. */
export type DeployCommand =
  | ({ readonly kind: 'deploy'; readonly request: DeployRequest } & Styling & Shared)
  | ({ readonly kind: 'undeploy'; readonly place: Place; readonly sure: boolean } & Shared);

interface Styling {
  /** Undefined for a sample. */
  readonly film: LocalFilm | undefined;
  readonly model: string;
}

interface Shared {
  readonly dryRun: boolean;
  readonly logFormat: LogFormat;
  readonly verbosity: Verbosity;
}

const GROUP = 'framescatter';
const MOST_NODES = 1000;
const MOST_BUDGET = 1_000_000;
const LOCATION = /^[a-z][a-z0-9]{2,40}$/;
const PREFIX = /^[a-z][a-z0-9]{2,11}$/;
const SIZE = /^Standard_[A-Za-z0-9_]{2,60}$/;
const ADDRESS = /^(?:\d{1,3}\.){3}\d{1,3}(?:\/(?:[0-9]|[12]\d|30))?$/;
const IMAGE = /^[a-z0-9][\w-]*(?:\.[\w-]+)+(?:\/[a-z0-9][\w.-]*)+(?::[\w.-]+|@sha256:[0-9a-f]{64})$/;

const EPILOGUE = `Environment: AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP; AZURE_RESOURCE_MANAGER_URL for another cloud than the public one.
docs/azure-deploy.md tells what it makes and what that costs.`;

export const DEPLOY_AZURE = {
  name: 'deploy azure',
  about: 'Set up all that jobs need in Azure, and style a film there',
  forms: ['--location L [options]', 'FILM OUTPUT --location L [options]'],
  examples: [
    'framescatter deploy azure --location westeurope',
    'framescatter deploy azure film.mp4 styled.mp4 --location westeurope',
    'framescatter deploy azure --location westeurope --dry-run',
  ],
  text: `FILM is uploaded, and its result downloaded to OUTPUT; without them a sample of four seconds is styled. The same command again goes on where the last one ended, and makes only what is missing.`,
  epilogue: `Exit codes: 0 done; 75 interrupted, the same command resumes; 1 failed.
${EPILOGUE}`,
  repeatable: ['allow-ip'],
  options: (parser) =>
    dryRunAndLogging(
      placeOptions(parser)
        .option('location', { type: 'string', describe: 'region, such as westeurope' })
        .option('profile', {
          type: 'string',
          choices: ['open', 'private'] as const,
          default: 'open' as const,
          describe: 'open: for whoever has a token and a role; private: jobs reach only approved services',
        })
        .option('budget', {
          type: 'number',
          default: 0,
          describe: "monthly, in the account's currency: owners are told at 50, 80 and 100 %",
        })
        .option('nodes', { type: 'number', default: 2, describe: 'most nodes; none are kept when idle' })
        .option('vm-size', {
          type: 'string',
          default: DEFAULT_SIZES.one,
          describe: `VM size of the nodes; without GPUs ${DEFAULT_SIZES.none}`,
        })
        .option('model', { type: 'string', default: 'wave', describe: 'a style or a blend' })
        .option('overwrite', { type: 'boolean', default: false, describe: 'replace OUTPUT if it exists' })
        .option('prefix', { type: 'string', default: 'framescatter', describe: 'prefix of all names' })
        .option('image', {
          type: 'string',
          describe: 'import this image of a public registry; default: build one from these sources',
        })
        .option('allow-ip', {
          type: 'string',
          describe: 'with private: an IPv4 address or range that may reach the storage; may be repeated',
        }),
    ),
} satisfies CommandSpec<unknown>;

export const UNDEPLOY_AZURE = {
  name: 'undeploy azure',
  about: 'Delete all that deploy azure made, with the videos in it',
  forms: ['[options]'],
  examples: ['framescatter undeploy azure', 'framescatter undeploy azure --yes'],
  text: 'Only a resource group that deploy azure made is deleted. Without --yes it lists what would be.',
  epilogue: EPILOGUE,
  options: (parser) =>
    dryRunAndLogging(
      placeOptions(parser).option('yes', { type: 'boolean', default: false, describe: 'delete it' }),
    ),
} satisfies CommandSpec<unknown>;

function placeOptions(parser: Parameters<CommandSpec<unknown>['options']>[0]) {
  return parser
    .option('subscription', { type: 'string', describe: 'id of the subscription' })
    .option('resource-group', { type: 'string', describe: `name of the resource group; default ${GROUP}` });
}

/**
 * Parses what follows `deploy azure`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseDeploy(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: CheckJob,
): DeployCommand | Text {
  const given = parseCommand(DEPLOY_AZURE, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options, words, after } = given;
  if (after.length > 0 || (words.length !== 0 && words.length !== 2))
    throw usage('deploy', 'deploy azure takes a FILM and an OUTPUT, or neither');
  const { whole } = optionValues((message) => usage('deploy', message));
  const [input, output] = words;
  const film =
    input === undefined || output === undefined
      ? undefined
      : { input: localFile(input), output: localFile(output), overwrite: options.overwrite };
  if (film === undefined && options.overwrite)
    throw usage('deploy', '--overwrite has no effect without an OUTPUT');
  const vmSize = matching(options['vm-size'], SIZE, 'vm-size', `a VM size, such as ${DEFAULT_SIZES.one}`);
  const size = gpuSize(vmSize);
  if (size?.state === 'retired') throw usage('deploy', `Azure has retired ${size.name}`);
  const gpusPerNode = hasGpus(vmSize) ? (size?.gpus ?? 1) : 0;
  checkJob(['in.mp4', 'out.mp4', '--model', options.model]);
  return {
    kind: 'deploy',
    film,
    model: options.model,
    request: {
      ...placeOf(options, environment),
      location: matching(options.location, LOCATION, 'location', 'a region, such as westeurope'),
      profile: options.profile,
      prefix: matching(options.prefix, PREFIX, 'prefix', '3 to 12 lowercase letters and digits'),
      budget: whole('budget', options.budget, 0, MOST_BUDGET),
      cluster: gpusPerNode === 0 ? CLUSTERS.cpu : CLUSTERS.gpu,
      vmSize,
      gpusPerNode,
      nodes: whole('nodes', options.nodes, 1, MOST_NODES),
      addresses: addressesOf(options['allow-ip'], options.profile),
      image:
        options.image === undefined
          ? undefined
          : matching(options.image, IMAGE, 'image', 'REGISTRY/NAME:TAG (or @sha256:...)'),
    },
    ...sharedOf('deploy azure', options),
  };
}

/**
 * Parses what follows `undeploy azure`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseUndeploy(argv: readonly string[], environment: NodeJS.ProcessEnv): DeployCommand | Text {
  const given = parseCommand(UNDEPLOY_AZURE, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options, words, after } = given;
  if (words.length > 0 || after.length > 0) throw usage('undeploy', 'undeploy azure takes no arguments');
  return {
    kind: 'undeploy',
    place: placeOf(options, environment),
    sure: options.yes,
    ...sharedOf('undeploy azure', options),
  };
}

type PlaceOptions = Pick<OptionsOf<typeof UNDEPLOY_AZURE>, 'subscription' | 'resource-group'>;

function placeOf(options: PlaceOptions, environment: NodeJS.ProcessEnv): Place {
  const { subscription, resourceGroup } = checkWorkspace({
    subscription: options.subscription ?? environment.AZURE_SUBSCRIPTION_ID ?? '',
    resourceGroup: options['resource-group'] ?? (environment.AZURE_RESOURCE_GROUP || GROUP),
    name: 'unused',
  });
  return { subscription, resourceGroup };
}

function sharedOf(command: string, options: Omit<OptionsOf<typeof UNDEPLOY_AZURE>, 'yes'>): Shared {
  return { dryRun: options['dry-run'], ...loggingOf(command, options) };
}

function addressesOf(given: unknown, profile: Profile): readonly string[] {
  const addresses = (Array.isArray(given) ? given : given === undefined ? [] : [given]).map(String);
  if (addresses.length > 0 && profile === 'open')
    throw usage('deploy', '--allow-ip has no effect without --profile private');
  return addresses.map((one) => matching(one, ADDRESS, 'allow-ip', 'an IPv4 address or range'));
}

function localFile(text: string): string {
  if (!isAddress(text)) return text;
  throw new JobError(
    'usage',
    `deploy azure takes files of this machine, not ${JSON.stringify(text.replace(/[?#].*$/s, ''))}`,
    {
      hint: 'for videos in Blob storage: framescatter submit aml INPUT OUTPUT',
    },
  );
}

function matching(value: string | undefined, pattern: RegExp, option: string, what: string): string {
  if (value !== undefined && pattern.test(value)) return value;
  const problem = value === undefined ? 'is missing' : `cannot be ${JSON.stringify(value)}`;
  throw new JobError('usage', `--${option} ${problem}`, { hint: `it takes ${what}` });
}

function usage(verb: 'deploy' | 'undeploy', message: string): JobError {
  return usageError(`${verb} azure`, message);
}
