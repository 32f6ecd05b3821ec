/** `submit slurm` on a real Slurm. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames } from '../fixtures/job.js';
import { ENDED, slurmMissing, startSlurm } from '../fixtures/slurm.js';

const missing = slurmMissing();
if (missing !== undefined) {
  t.plan(0, missing);
  process.exit();
}

const MAIN = join(packageRoot(), 'dist', 'main.js');
const SMALL = ['--cpus-per-rank', '1', '--time', '10'];

const cluster = startSlurm();
t.teardown(() => cluster.stop());

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function submit(cwd: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Said> {
  const child = spawn(process.execPath, [MAIN, 'submit', 'slurm', ...words], {
    cwd,
    env: { ...cluster.environment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

t.test('a job that is waited for, from a folder with an unusual name', async (t) => {
  const cwd = join(t.testdir(), '100%j of "it"');
  fs.mkdirSync(cwd);
  const input = "two\nlines\n#SBATCH --nodes=9 '$(touch pwned)'.mp4";
  fs.copyFileSync(await makeClip('cfr'), join(cwd, input));
  const job = ['--', '--model', await identityModel(cwd), '--provider', 'cpu'];
  const { code, stderr } = await submit(
    cwd,
    [input, 'out.mp4', '--nodes', '2', '--gpus-per-node', '1', ...SMALL, '--wait', ...job],
    { SBATCH_TIMELIMIT: '99999', SBATCH_PARTITION: 'urgent' },
  );
  t.equal(code, 0, stderr);
  t.equal(decodedFrames(join(cwd, 'out.mp4')).length, 25);
  const id = /job (\d+) is submitted/.exec(stderr)?.[1] ?? '';
  t.match(stderr, new RegExp(`job ${id} is running on n\\[1-2\\]`));
  t.match(stderr, /2 ranks on n\[1-2\].*wrote out\.mp4.*job \d+ is done/s, 'its log came along');
  const details = cluster.run('scontrol', ['--oneliner', 'show', 'job', id]).stdout;
  t.match(details, / TimeLimit=00:10:00 /, 'what was said goes before the environment');
  t.match(details, / Partition=urgent /, 'what was not said comes from it');
  t.notOk(fs.existsSync(join(cwd, 'pwned')));
});

t.test('the exit code is that of the job', async (t) => {
  const cwd = t.testdir({ 'text.mp4': 'no video' });
  const { code, stderr } = await submit(cwd, ['text.mp4', 'out.mp4', ...SMALL, '--wait']);
  t.equal(code, 1);
  t.match(stderr, /error: .*text\.mp4.*job \d+ failed with exit code 1/s);
});

t.test('a printed script can be submitted as it is, for nodes without GPUs too', async (t) => {
  const cwd = t.testdir();
  const input = "it's $(touch pwned).mp4";
  fs.copyFileSync(await makeClip('one-frame'), join(cwd, input));
  const job = ['--', '--model', await identityModel(cwd), '--provider', 'cpu'];
  const words = [
    input,
    'out.mp4',
    '--gpus-per-node',
    '0',
    '--ranks-per-node',
    '2',
    ...SMALL,
    '--launcher',
    'mpirun',
  ];
  const { code, stdout } = await submit(cwd, [...words, '--dry-run', ...job], { PATH: '/nowhere' });
  t.equal(code, 0);
  t.notMatch(stdout, /gpus/);
  fs.writeFileSync(join(cwd, 'job.sbatch'), stdout);
  const id = cluster.submit(['job.sbatch'], { cwd });
  t.match(await cluster.until(id, ...ENDED), { state: 'COMPLETED' });
  t.match(fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8'), /2 ranks on n1.*wrote out\.mp4/s);
  t.notOk(fs.existsSync(join(cwd, 'pwned')));
});

t.test('what Slurm refuses is said, with what to do', async (t) => {
  const cwd = t.testdir({ 'in.mp4': 'x' });
  const partition = await submit(cwd, ['in.mp4', 'out.mp4', '--partition', 'nope']);
  t.equal(partition.code, 1);
  t.match(
    partition.stderr,
    /Slurm refused the job: invalid partition specified: nope; .*\n.*list the partitions: sinfo/,
  );

  const large = await submit(cwd, ['in.mp4', 'out.mp4', '--cpus-per-rank', '1000']);
  t.equal(large.code, 1);
  t.match(large.stderr, /Slurm refused the job: .*More processors requested.*\n.*fewer nodes, GPUs or cores/);

  const none = await submit(cwd, ['in.mp4', 'out.mp4'], { PATH: '/nowhere' });
  t.equal(none.code, 1);
  t.match(none.stderr, /sbatch cannot be run: .*\n.*run this on a host with Slurm/);

  const video = await submit(cwd, ['gone.mp4', 'out.mp4']);
  t.equal(video.code, 1);
  t.match(video.stderr, /there is no video gone\.mp4/);
  t.equal(cluster.run('squeue', ['--noheader']).stdout, '', 'nothing was submitted');
});
