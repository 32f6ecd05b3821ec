/**
 * Runs in a mount namespace of its own (`unshare -rm`): puts a file system without room at FOLDER and runs the job given after
 * it with its log there, then the same job with its report there, and prints how both ended, as JSON.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jobCommand, MPI_ENVIRONMENT, runJob } from '../fixtures/job.js';

const [folder = '', ...args] = process.argv.slice(2);

const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder], { encoding: 'utf8' });
if (mounted.status !== 0) throw new Error(mounted.stderr);
const log = join(folder, 'log');
const file = openSync(log, 'a');
try {
  writeFileSync(join(folder, 'rest'), Buffer.alloc(128 * 1024));
} catch {} // there is no room for all of it
const [program, words] = jobCommand(0, args);
const { status } = spawnSync(program, words, { env: MPI_ENVIRONMENT, stdio: ['ignore', file, file] });
closeSync(file);
const reported = await runJob(0, [...args, '--overwrite', '--report', join(folder, 'report.json')]);
const { code, stderr } = reported;
process.stdout.write(
  JSON.stringify({ status, logged: statSync(log).size, code, stderr, left: readdirSync(folder) }),
);
