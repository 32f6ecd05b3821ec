import { join } from 'node:path';
import { shellWord } from './shell.js';

export type Launcher = 'srun' | 'mpirun';

/** What a job asks of Slurm; undefined leaves it to the default, and to the variables that sbatch reads (SBATCH_...). */
export interface SlurmRequest {
  readonly nodes: number | undefined;
  /** 0 for nodes without GPUs. */
  readonly gpusPerNode: number | undefined;
  /** Default: one a GPU, or one a node where there are none. */
  readonly ranksPerNode: number | undefined;
  readonly cpusPerRank: number | undefined;
  /** As sbatch takes it. */
  readonly time: string | undefined;
  readonly partition: string | undefined;
  readonly account: string | undefined;
  readonly launcher: Launcher | undefined;
  /** The job's own words: INPUT, OUTPUT and its options. */
  readonly job: readonly string[];
}

/** `--name=value` options of sbatch. */
type Options = Readonly<Record<string, string | number>>;

const DEFAULTS = { nodes: 1, gpusPerNode: 1, cpusPerRank: 4, time: '08:00:00' } as const;
const JOB_NAME = 'framescatter';

/**
 * What a job that ends in several time slots needs. The signal comes this many seconds before the limit, and may come a
 * minute earlier (sbatch(1)): the frames in flight must be finished by then.
 */
const RESUMABLE = [
  '--output=framescatter-%j.out',
  '--open-mode=append',
  '--requeue',
  '--signal=B:USR1@180',
] as const;

/** The shortest time limit, in minutes, that leaves time to work before that signal. */
export const LEAST_MINUTES = 10;

/** The log of a job, as RESUMABLE names it, in the folder that it is submitted from. */
export function logName(job: string): string {
  return `framescatter-${job}.out`;
}

/**
 * The batch script of a job: what it asks for as #SBATCH lines, then slurm/stylize.sbatch with the job's words, each
 * quoted. `home` is the folder of this program, on storage that the nodes share. `more` are lines that go before it.
 */
export function batchScript(request: SlurmRequest, home: string, more: readonly string[] = []): string {
  const { nodes, gpusPerNode, cpusPerRank, time } = DEFAULTS;
  const wanted = {
    ...{ nodes, 'gpus-per-node': gpusPerNode, 'ntasks-per-node': ranksPerNode(request) },
    ...{ 'cpus-per-task': cpusPerRank, time },
    ...asked(request),
  };
  const options = render(wanted).filter((option) => option !== '--gpus-per-node=0');
  return [
    '#!/bin/bash',
    ...[`--job-name=${JOB_NAME}`, ...options, ...RESUMABLE].map((option) => `#SBATCH ${option}`),
    '',
    `export FRAMESCATTER_HOME=${shellWord(home)}`,
    ...(request.launcher === undefined ? [] : [`export FRAMESCATTER_LAUNCHER=${request.launcher}`]),
    ...more,
    `exec bash ${[join(home, 'slurm', 'stylize.sbatch'), ...request.job].map(shellWord).join(' ')}`,
    '',
  ].join('\n');
}

/**
 * sbatch's own arguments beside the script: what was asked for, once more, because sbatch prefers its environment
 * (SBATCH_PARTITION, ...) to the script's lines; and the log, which must be known to follow the job. `folder` is where the
 * job is submitted from: sbatch would take a `%` in its name for one of its own patterns.
 */
export function sbatchArguments(request: SlurmRequest, folder = process.cwd()): readonly string[] {
  const options = render(asked(request)).filter((option) => option !== '--gpus-per-node=0');
  return ['--parsable', `--output=${join(folder.replaceAll('%', '%%'), logName('%j'))}`, ...options];
}

function asked(request: SlurmRequest): Options {
  const { nodes, gpusPerNode, cpusPerRank, time, partition, account } = request;
  const ranks =
    gpusPerNode === undefined && request.ranksPerNode === undefined ? undefined : ranksPerNode(request);
  const options = {
    ...{ nodes, 'gpus-per-node': gpusPerNode, 'ntasks-per-node': ranks, 'cpus-per-task': cpusPerRank },
    ...{ time, partition, account },
  };
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function ranksPerNode(request: SlurmRequest): number {
  return request.ranksPerNode ?? Math.max(1, request.gpusPerNode ?? DEFAULTS.gpusPerNode);
}

function render(options: Options): readonly string[] {
  return Object.entries(options).map(([name, value]) => `--${name}=${value}`);
}
