import { join } from 'node:path';
import { shellWord } from './shell.js';

export type Launcher = 'srun' | 'mpirun';

/** What starts containers: Apptainer on the node, or Slurm's plug-in Pyxis with Enroot. */
export type ContainerRuntime = 'apptainer' | 'pyxis';

export interface SlurmImage {
  /** A file (.sif, .sqsh) or a reference (docker://..., REGISTRY#NAME:TAG). */
  readonly name: string;
  readonly runtime: ContainerRuntime;
}

/** Returns the runtime that an image is made for: Enroot's files and references are Pyxis's. */
export function runtimeOf(image: string): ContainerRuntime {
  return /\.sqsh$|#/.test(image) ? 'pyxis' : 'apptainer';
}

/** A job for Slurm. What is undefined has a default, which the variables of sbatch (SBATCH_...) override. */
export interface SlurmRequest {
  readonly nodes: number | undefined;
  /** 0 for nodes without GPUs. */
  readonly gpusPerNode: number | undefined;
  /** Default: one per GPU, or one per node without GPUs. */
  readonly ranksPerNode: number | undefined;
  readonly cpusPerRank: number | undefined;
  /** In sbatch's format. */
  readonly time: string | undefined;
  readonly partition: string | undefined;
  readonly account: string | undefined;
  readonly qos: string | undefined;
  /** In sbatch's format: `a100&nvlink`. */
  readonly constraint: string | undefined;
  readonly launcher: Launcher | undefined;
  /** The image that the ranks run in; undefined for the program on the nodes. */
  readonly image: SlurmImage | undefined;
  /** The arguments of the job: INPUT, OUTPUT and its options. */
  readonly job: readonly string[];
}

/** `--name=value` options of sbatch. */
type Options = Readonly<Record<string, string | number>>;

const DEFAULTS = { nodes: 1, gpusPerNode: 1, cpusPerRank: 4, time: '08:00:00' } as const;
const JOB_NAME = 'framescatter';

/**
 * Options for a job that runs over several time slots. The signal comes 180 seconds before the time limit, or
 * up to a minute earlier (sbatch(1)), so that the frames in flight can be finished.
 */
const RESUMABLE = [
  '--output=framescatter-%j.out',
  '--open-mode=append',
  '--requeue',
  '--signal=B:USR1@180',
] as const;

/** The shortest time limit, in minutes, that leaves time for work before that signal. */
export const LEAST_MINUTES = 10;

/** Returns the name of a job's log, as in RESUMABLE, in the folder from which it is submitted. */
export function logName(job: string): string {
  return `framescatter-${job}.out`;
}

/**
 * Returns the batch script of a job: its requests as #SBATCH lines, then slurm/stylize.sbatch with the job's
 * quoted arguments. `home` is the folder of this program, on shared storage. `more` are lines before the last
 * one.
 */
export function batchScript(request: SlurmRequest, home: string, more: readonly string[] = []): string {
  const { nodes, gpusPerNode, cpusPerRank, time } = DEFAULTS;
  const wanted = {
    ...{ nodes, 'gpus-per-node': gpusPerNode, 'ntasks-per-node': ranksPerNode(request) },
    ...{ 'cpus-per-task': cpusPerRank, time },
    ...explicitOptions(request),
  };
  const options = render(wanted).filter((option) => option !== '--gpus-per-node=0');
  return [
    '#!/bin/bash',
    ...[`--job-name=${JOB_NAME}`, ...options, ...RESUMABLE].map((option) => `#SBATCH ${option}`),
    '',
    `export FRAMESCATTER_HOME=${shellWord(home)}`,
    ...(request.launcher === undefined ? [] : [`export FRAMESCATTER_LAUNCHER=${request.launcher}`]),
    ...(request.image === undefined ? [] : imageLines(request.image)),
    ...more,
    `exec bash ${[join(home, 'slurm', 'stylize.sbatch'), ...request.job].map(shellWord).join(' ')}`,
    '',
  ].join('\n');
}

/**
 * Returns the arguments of sbatch itself. They repeat the explicit requests, because sbatch's environment
 * (SBATCH_PARTITION, ...) overrides the lines of the script, and name the log, which `followJob` must know.
 * The job is submitted from `folder`; a `%` in its path is escaped, since sbatch would expand it.
 */
export function sbatchArguments(request: SlurmRequest, folder = process.cwd()): readonly string[] {
  const options = render(explicitOptions(request)).filter((option) => option !== '--gpus-per-node=0');
  return ['--parsable', `--output=${join(folder.replaceAll('%', '%%'), logName('%j'))}`, ...options];
}

function imageLines({ name, runtime }: SlurmImage): readonly string[] {
  return [`export FRAMESCATTER_IMAGE=${shellWord(name)}`, `export FRAMESCATTER_CONTAINER_RUNTIME=${runtime}`];
}

function explicitOptions(request: SlurmRequest): Options {
  const { nodes, gpusPerNode, cpusPerRank, time, partition, account, qos, constraint } = request;
  const ranks =
    gpusPerNode === undefined && request.ranksPerNode === undefined ? undefined : ranksPerNode(request);
  const options = {
    ...{ nodes, 'gpus-per-node': gpusPerNode, 'ntasks-per-node': ranks, 'cpus-per-task': cpusPerRank },
    ...{ time, partition, account, qos, constraint },
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
