import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { queryJob, submitScript } from '../../cluster/slurm.js';
import { followJob } from '../../cluster/slurm-follow.js';
import { batchScript, logName, sbatchArguments } from '../../cluster/slurm-script.js';
import type { Log } from '../../report/log.js';
import { isAddress } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { packageRoot } from '../../system/package.js';
import type { SlurmCommand } from './parse-slurm.js';

/**
 * Submits the job, or prints its script. Returns the exit code: 0, or with `wait` the job's own.
 *
 * @throws {JobError} input: when there is no such video.
 * @throws {JobError} cluster: when Slurm is missing or refuses.
 */
export async function runSlurm(command: SlurmCommand, log: Log): Promise<number> {
  const { request, wait, dryRun } = command;
  const script = batchScript(request, packageRoot());
  if (dryRun) {
    process.stdout.write(script);
    return 0;
  }
  await refuseMissing(request.job[0] ?? '');
  const folder = process.cwd();
  refuseBackslash(folder);
  const job = await submitScript(script, sbatchArguments(request, folder));
  const file = join(folder, logName(job));
  log.info(`job ${job} is submitted; its log is ${file}; scancel ${job} ends it`, { job });
  if (!wait) return 0;
  return followJob(job, {
    query: queryJob,
    logFile: file,
    log,
    write: (text) => void process.stderr.write(text),
  });
}

/** sbatch(1), "filename pattern": a backslash in a log's path disables patterns, such as the job's number. */
function refuseBackslash(folder: string): void {
  if (!folder.includes('\\')) return;
  throw new JobError('usage', `Slurm cannot name a log in a folder with a backslash in its name: ${folder}`, {
    hint: 'submit it from another folder',
  });
}

async function refuseMissing(input: string): Promise<void> {
  if (isAddress(input)) return;
  await access(input).catch((cause) => {
    throw new JobError('input', `there is no video ${input}`, { cause });
  });
}
