/**
 * Runs in a mount namespace of its own (`unshare -rm`): puts a small file system at FOLDER, runs the job given after it,
 * lets the file system grow, runs the same job again, and prints how both ended and what they left, as JSON.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runJob } from '../fixtures/job.js';

const [folder = '', ...args] = process.argv.slice(2);

function mount(options: string): void {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', folder], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
}

mount('size=1m');
const full = await runJob(0, args);
const left = readdirSync(folder);
mount('remount,size=64m');
const roomy = await runJob(0, args);
process.stdout.write(JSON.stringify({ full, left, roomy, made: readdirSync(join(folder)) }));
