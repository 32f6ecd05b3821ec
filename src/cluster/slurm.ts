import { spawn } from 'node:child_process';
import { JobError } from '../system/errors.js';

/** What Slurm says of a job. */
export interface SlurmJob {
  /** PENDING, RUNNING, COMPLETED, ...: squeue(1), "job state codes". */
  readonly state: string;
  /** Why it waits, or why it ended. */
  readonly reason: string;
  /** Of the batch script: its exit code and, where one ended it, a signal. */
  readonly code: number;
  readonly signal: number;
  readonly nodes: string;
  /** How often it was requeued. */
  readonly restarts: number;
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What to do about a refusal, by what it says. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/partition/i, 'sinfo lists the partitions'],
  [/account|association/i, 'sacctmgr show associations user=$USER lists the accounts'],
  [
    /node configuration|more processors|gres|cpu count/i,
    'ask for fewer nodes, GPUs or cores; sinfo -N -o "%N %c %m %G" lists what the nodes have',
  ],
  [/time limit/i, 'sinfo -o "%P %l" lists the longest times'],
  [/contact|connection|communication/i, 'scontrol ping tells whether the controller answers'],
];

/** Submits a batch script, given on sbatch's standard input; the job's number. JobError `cluster` where it cannot be. */
export async function submitScript(script: string, options: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('sbatch', options, script);
  const job = /^(\d+)(?:;|$)/m.exec(stdout)?.[1];
  if (code === 0 && job !== undefined) return job;
  const reasons = refusal(stderr);
  throw new JobError('cluster', `Slurm refused the job: ${reasons}`, { hint: remedy(reasons) });
}

/** What Slurm knows of a job; undefined where it knows none of that number (any more). */
export async function lookAtJob(job: string): Promise<SlurmJob | undefined> {
  const { code, stdout, stderr } = await run('scontrol', ['--oneliner', 'show', 'job', job]);
  if (code === 0) return parseJob(stdout);
  if (/invalid job id/i.test(stderr)) return undefined;
  const reasons = refusal(stderr);
  throw new JobError('cluster', `Slurm does not tell of job ${job}: ${reasons}`, { hint: remedy(reasons) });
}

/** Reads a line of `scontrol --oneliner show job`. Its free texts (names of files and folders) come last in the line. */
export function parseJob(line: string): SlurmJob {
  const field = (name: string): string => new RegExp(`(?:^| )${name}=(\\S*)`).exec(line)?.[1] ?? '';
  const [code = '', signal = ''] = field('ExitCode').split(':');
  return {
    state: field('JobState'),
    reason: field('Reason'),
    code: Number(code),
    signal: Number(signal),
    nodes: field('NodeList'),
    restarts: Number(field('Restarts')),
  };
}

/** The reasons in what a command of Slurm wrote to standard error, without its own prefixes. */
export function refusal(stderr: string): string {
  const reasons = stderr
    .split('\n')
    .map((line) => line.replace(/^\w+: (?:error|fatal): /, '').trim())
    .filter((line) => line !== '');
  return reasons.length === 0 ? 'without a reason' : reasons.join('; ');
}

function remedy(reasons: string): string {
  return (
    REMEDIES.find(([pattern]) => pattern.test(reasons))?.[1] ??
    '--dry-run shows the script, for sbatch by hand'
  );
}

function run(program: string, words: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.on('error', (cause) =>
      reject(
        new JobError('cluster', `${program} cannot be run: ${cause.message}`, {
          hint: 'run this where jobs are submitted to Slurm (perhaps after: module load slurm); --dry-run writes the script to submit there',
          cause,
        }),
      ),
    );
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
    child.stdin.on('error', () => {}); // one that ended without reading: its exit code tells
    child.stdin.end(input);
  });
}
