import { spawn } from 'node:child_process';
import { JobError } from '../system/errors.js';

/** Slurm's record of a job. */
export interface SlurmJob {
  /** PENDING, RUNNING, COMPLETED, ...: squeue(1), "job state codes". */
  readonly state: string;
  /** The reason for waiting or for its end. */
  readonly reason: string;
  /** The exit code of the batch script, and the signal that ended it; 0 for none. */
  readonly code: number;
  readonly signal: number;
  readonly nodes: string;
  /** The number of requeues. */
  readonly restarts: number;
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Hints, by the text of the refusal. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/partition/i, 'list the partitions: sinfo'],
  [/account|association/i, 'list the accounts: sacctmgr show associations user=$USER'],
  [
    /node configuration|more processors|gres|cpu count/i,
    'request fewer nodes, GPUs or cores; list what the nodes have: sinfo -N -o "%N %c %m %G"',
  ],
  [/time limit/i, 'list the time limits: sinfo -o "%P %l"'],
  [/contact|connection|communication/i, 'check the controller: scontrol ping'],
];

/**
 * Submits a batch script through sbatch's standard input. Returns the job's number.
 *
 * @throws {JobError} cluster: when Slurm refuses it or cannot be run.
 */
export async function submitScript(script: string, options: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('sbatch', options, script);
  const job = /^(\d+)(?:;|$)/m.exec(stdout)?.[1];
  if (code === 0 && job !== undefined) return job;
  const reasons = refusal(stderr);
  throw new JobError('cluster', `Slurm refused the job: ${reasons}`, { hint: remedy(reasons) });
}

/** Returns Slurm's record of a job; undefined if Slurm does not know it, or no longer. */
export async function queryJob(job: string): Promise<SlurmJob | undefined> {
  const { code, stdout, stderr } = await run('scontrol', ['--oneliner', 'show', 'job', job]);
  if (code === 0) return parseJob(stdout);
  if (/invalid job id/i.test(stderr)) return undefined;
  const reasons = refusal(stderr);
  throw new JobError('cluster', `Slurm cannot show job ${job}: ${reasons}`, { hint: remedy(reasons) });
}

/** Parses a line of `scontrol --oneliner show job`. Its free texts (names of files and folders) come last. */
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

/** Returns the reasons in the standard error of a Slurm command, without the command's prefixes. */
export function refusal(stderr: string): string {
  const reasons = stderr
    .split('\n')
    .map((line) => line.replace(/^\w+: (?:error|fatal): /, '').trim())
    .filter((line) => line !== '');
  return reasons.length === 0 ? 'no reason given' : reasons.join('; ');
}

function remedy(reasons: string): string {
  return (
    REMEDIES.find(([pattern]) => pattern.test(reasons))?.[1] ??
    'print the script with --dry-run, and try sbatch'
  );
}

function run(program: string, args: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
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
          hint: 'run this on a host with Slurm, perhaps after: module load slurm; --dry-run prints the script, to submit there',
          cause,
        }),
      ),
    );
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
    child.stdin.on('error', () => {}); // if it ended without reading, its exit code tells
    child.stdin.end(input);
  });
}
