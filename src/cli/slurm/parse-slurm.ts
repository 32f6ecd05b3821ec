import {
  type ContainerRuntime,
  type Launcher,
  LEAST_MINUTES,
  runtimeOf,
  type SlurmImage,
  type SlurmRequest,
} from '../../cluster/slurm-script.js';
import type { JobError } from '../../system/errors.js';
import {
  type CheckJob,
  type CommandSpec,
  parseCommand,
  type Text,
  usageError,
} from '../parsing/command-line.js';
import { submitOptions } from '../parsing/common-options.js';
import { optionValues } from '../parsing/option-values.js';
import { refuseSecrets } from '../parsing/secret-args.js';

/** The request of `submit slurm`. */
export type SlurmCommand = {
  readonly kind: 'submit';
  readonly request: SlurmRequest;
  /** Follow the job to its end. */
  readonly wait: boolean;
  /** Print the script instead. */
  readonly dryRun: boolean;
};

export const SUBMIT_SLURM = {
  name: 'submit slurm',
  about: 'Run a job on a Slurm cluster',
  forms: ['INPUT OUTPUT [options] [-- JOB OPTIONS]'],
  examples: [
    'framescatter submit slurm in.mp4 out.mp4 --nodes 4 --gpus-per-node 2',
    'framescatter submit slurm in.mp4 out.mp4 --wait -- --model wave',
  ],
  text:
    'Starts one rank per GPU. This program, INPUT, OUTPUT and its folder are on storage that the nodes share. A job ' +
    'that reaches its time limit goes back to the queue and resumes.',
  epilogue: `sbatch's own variables set everything else: SBATCH_MEM_PER_NODE, SBATCH_RESERVATION, ...
Exit code: with --wait the job's own; otherwise whether Slurm took it.
docs/slurm.md leads from the start to a finished video.`,
  options: (parser) =>
    submitOptions(
      parser
        .option('nodes', { type: 'number', describe: 'nodes; default 1' })
        .option('gpus-per-node', { type: 'number', describe: 'GPUs per node, 0 for none; default 1' })
        .option('ranks-per-node', { type: 'number', describe: 'default: one per GPU' })
        .option('cpus-per-rank', { type: 'number', describe: 'cores for each rank; default 4' })
        .option('time', {
          type: 'string',
          describe: 'time limit of one run of the job, as sbatch takes it; default 08:00:00',
        })
        .option('partition', { type: 'string', describe: 'where to run; default: the cluster decides' })
        .option('account', { type: 'string', describe: 'who pays; default: the cluster decides' })
        .option('qos', { type: 'string', describe: 'quality of service; default: the cluster decides' })
        .option('constraint', {
          type: 'string',
          describe: 'features of the nodes, as sbatch takes them: a100',
        })
        .option('image', {
          type: 'string',
          describe: 'container image to run in: x.sif (Apptainer), x.sqsh or REGISTRY#NAME:TAG (Pyxis)',
        })
        .option('runtime', {
          type: 'string',
          choices: ['apptainer', 'pyxis'] as const,
          describe: 'starts the containers of --image; default by its name',
        })
        .option('launcher', {
          type: 'string',
          choices: ['srun', 'mpirun'] as const,
          describe: 'starts the ranks; default srun',
        }),
      'the script',
    ),
} satisfies CommandSpec<unknown>;
const HINT = 'give the address without it, and the credentials in AZURE_STORAGE_CONNECTION_STRING';
const { whole } = optionValues(usage);

/** Names in Slurm; a list of partitions is allowed. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.,@+-]*$/;

/**
 * Parses what follows `submit slurm`. Pure. `checkJob` checks the job's own options before the job waits in a
 * queue.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseSlurm(argv: readonly string[], checkJob: CheckJob): SlurmCommand | Text {
  const given = parseCommand(SUBMIT_SLURM, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options: parsed, words: files, after: options } = given;
  const [input = '', output = ''] = files;
  if (files.length !== 2 || input === '' || output === '') {
    throw usage('submit slurm takes an INPUT and an OUTPUT');
  }
  const job = [input, output, ...options];
  checkJob(job);
  // They appear in scontrol show job and in the nodes' process lists.
  refuseSecrets(job, 'Slurm would show to others', HINT);
  return {
    kind: 'submit',
    wait: parsed.wait,
    dryRun: parsed['dry-run'],
    request: {
      nodes: whole('nodes', parsed.nodes, 1, 10_000),
      gpusPerNode: whole('gpus-per-node', parsed['gpus-per-node'], 0, 64),
      ranksPerNode: whole('ranks-per-node', parsed['ranks-per-node'], 1, 1024),
      cpusPerRank: whole('cpus-per-rank', parsed['cpus-per-rank'], 1, 1024),
      time: timeLimit(parsed.time),
      partition: name('partition', parsed.partition),
      account: name('account', parsed.account),
      qos: name('qos', parsed.qos),
      constraint: constraint(parsed.constraint),
      launcher: parsed.launcher,
      image: image(parsed.image, parsed.runtime, parsed.launcher),
      job,
    },
  };
}

function name(option: string, value: string | undefined): string | undefined {
  if (value === undefined || NAME.test(value)) return value;
  throw usage(`--${option} cannot be ${JSON.stringify(value)}`);
}

/** sbatch(1), --constraint: names joined by & | [ ] * and counts. */
function constraint(value: string | undefined): string | undefined {
  if (value === undefined || /^[A-Za-z0-9_[(][A-Za-z0-9_.,:@+&|*[\]()-]*$/.test(value)) return value;
  throw usage(`--constraint cannot be ${JSON.stringify(value)}`);
}

function image(
  value: string | undefined,
  runtime: ContainerRuntime | undefined,
  launcher: Launcher | undefined,
): SlurmImage | undefined {
  if (value === undefined) {
    if (runtime !== undefined) throw usage('--runtime has no effect without --image');
    return undefined;
  }
  if (!/^[A-Za-z0-9_./~@][^\s,]*$/.test(value)) throw usage(`--image cannot be ${JSON.stringify(value)}`);
  const found = { name: value, runtime: runtime ?? runtimeOf(value) };
  if (found.runtime === 'pyxis' && launcher === 'mpirun')
    throw usage('Pyxis starts containers through srun: --launcher mpirun is not for it');
  return found;
}

/** sbatch(1), --time: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]. */
function timeLimit(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const match = /^(?:(\d{1,4})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?$/.exec(text);
  if (match === null)
    throw usage(`--time takes e.g. 90 (minutes), 08:00:00 or 2-12:00:00, not ${JSON.stringify(text)}`);
  const [days, first = 0, second, third] = match.slice(1).map((part) => part && Number(part)) as (
    | number
    | undefined
  )[];
  const hoursFirst = days !== undefined || third !== undefined;
  const minutes = hoursFirst ? (days ?? 0) * 1440 + first * 60 + (second ?? 0) : first;
  if (minutes >= LEAST_MINUTES) return text;
  throw usage(
    `--time must be at least ${LEAST_MINUTES} minutes: the job is asked to stop up to four minutes before its end`,
  );
}

function usage(message: string): JobError {
  return usageError(SUBMIT_SLURM.name, message);
}
