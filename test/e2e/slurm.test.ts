/** Whole jobs on a real Slurm of two pretend nodes. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/package.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, runJob } from '../fixtures/job.js';
import { ENDED, eventually, processesWith, slurmMissing, startSlurm } from '../fixtures/slurm.js';

const missing = slurmMissing();
if (missing !== undefined) {
  t.plan(0, missing);
  process.exit();
}

const SCRIPT = join(packageRoot(), 'slurm', 'stylize.sbatch');
/** What the pretend nodes can give, and a short time. */
const SMALL = ['--cpus-per-task=1', '--time=10'];

const cluster = startSlurm();
t.teardown(() => cluster.stop());

interface RanksReport {
  readonly frames: number;
  readonly ranks: readonly unknown[];
}

for (const [launcher, nodes, gpus] of [
  ['mpirun', 2, 1],
  ['srun', 1, 2],
  ['srun', 2, 1],
] as const) {
  t.test(`${launcher}: ${nodes} nodes with ${gpus} GPUs each, one rank a GPU`, async (t) => {
    const cwd = t.testdir({ tmp: {} });
    const env = { FRAMESCATTER_LAUNCHER: launcher, TMPDIR: join(cwd, 'tmp') };
    const input = 'it\'s $(touch pwned) "so";\nnew %d.mp4';
    fs.copyFileSync(await makeClip('cfr'), join(cwd, input));
    const id = cluster.submit(
      [
        ...[...SMALL, `--nodes=${nodes}`, `--gpus-per-node=${gpus}`, SCRIPT, input, `out ${input}`],
        ...['--model', await identityModel(cwd), '--crf', '0', '--report', 'report.json'],
      ],
      { cwd, env },
    );
    t.match(await cluster.until(id, ...ENDED), { state: 'COMPLETED', restarts: 0, code: 0 });
    const report = JSON.parse(fs.readFileSync(join(cwd, 'report.json'), 'utf8')) as RanksReport;
    t.equal(report.ranks.length, 2);
    t.equal(decodedFrames(join(cwd, `out ${input}`)).length, decodedFrames(join(cwd, input)).length);
    t.match(fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8'), /run 1: 2 ranks on n/);
    t.same(fs.readdirSync(join(cwd, 'tmp')), [], 'the scratch folder is gone');
    t.notOk(fs.existsSync(join(cwd, 'pwned')));
  });
}

t.test('a job that runs out of time goes back to the queue and ends as if nothing had been', async (t) => {
  const cwd = t.testdir();
  const input = await makeClip('long-gop');
  const words = [
    '--model',
    await slowModel(cwd),
    '--segment-seconds',
    '0.4',
    '--crf',
    '0',
    '--provider',
    'cpu',
  ];
  const id = cluster.submit(
    [...SMALL, '--nodes=2', '--gpus-per-node=1', SCRIPT, input, 'out.mp4', ...words],
    {
      cwd,
    },
  );
  await eventually('a segment', () =>
    fs.existsSync(join(cwd, 'out.mp4.framescatter', 'segment-000001.json')),
  );
  t.not(processesWith(join(cwd, 'slow.onnx')).length, 0, 'it runs');
  // What Slurm does itself when the time is nearly over.
  cluster.run('scancel', ['--signal=USR1', '--batch', id]);
  const waiting = await cluster.until(id, 'PENDING', ...ENDED);
  t.match(waiting, { state: 'PENDING', restarts: 1 });
  t.notOk(fs.existsSync(join(cwd, 'out.mp4')));
  t.same(processesWith(join(cwd, 'slow.onnx')), [], 'nothing runs on');
  await cluster.restart(id);
  t.match(await cluster.until(id, ...ENDED), { state: 'COMPLETED', restarts: 1 });
  const log = fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8');
  t.match(log, /back into the queue.*run 2: 2 ranks.*resuming after \d+ frames/s);

  // Without loss: how many threads the encoder has must not matter.
  const whole = join(cwd, 'whole.mp4');
  t.match(await runJob(0, [input, whole, ...words]), { code: 0 });
  t.same(decodedFrames(join(cwd, 'out.mp4')), decodedFrames(whole), 'every frame and its time');
});

for (const launcher of ['srun', 'mpirun'] as const) {
  t.test(`${launcher}: a cancelled job leaves no process and no partial output`, async (t) => {
    const cwd = t.testdir({ tmp: {} });
    const input = await makeClip('long-gop');
    const words = ['--model', await slowModel(cwd), '--segment-seconds', '0.4', '--provider', 'cpu'];
    const id = cluster.submit(
      [...SMALL, '--nodes=2', '--gpus-per-node=1', SCRIPT, input, 'out.mp4', ...words],
      {
        cwd,
        env: { FRAMESCATTER_LAUNCHER: launcher },
      },
    );
    await eventually('a segment', () =>
      fs.existsSync(join(cwd, 'out.mp4.framescatter', 'segment-000000.json')),
    );
    t.not(processesWith(join(cwd, 'slow.onnx')).length, 0, 'it runs');
    cluster.run('scancel', [id]);
    await cluster.until(id, 'CANCELLED');
    t.same(processesWith(join(cwd, 'slow.onnx')), []);
    t.notOk(fs.existsSync(join(cwd, 'out.mp4')));
    t.same(
      fs.readdirSync(cwd).filter((name) => name.startsWith('out')),
      ['out.mp4.framescatter'],
      'only what the same command goes on from',
    );
    t.equal(cluster.run('squeue', ['--noheader', `--jobs=${id}`]).stdout, '', 'it does not come back');
  });
}

t.test('a pre-empted job makes room, and ends when it may run again', async (t) => {
  const cwd = t.testdir();
  const input = await makeClip('long-gop');
  const words = ['--model', await slowModel(cwd), '--segment-seconds', '0.4', '--provider', 'cpu'];
  const id = cluster.submit(
    [...SMALL, '--nodes=2', '--gpus-per-node=2', SCRIPT, input, 'out.mp4', ...words],
    {
      cwd,
    },
  );
  await eventually('a segment', () =>
    fs.existsSync(join(cwd, 'out.mp4.framescatter', 'segment-000000.json')),
  );
  const urgent = cluster.submit(
    [
      '--partition=urgent',
      '--nodes=2',
      '--gpus-per-node=2',
      '--time=2',
      '--output=urgent.out',
      '--wrap',
      'true',
    ],
    { cwd },
  );
  t.match(await cluster.until(urgent, ...ENDED), { state: 'COMPLETED' });
  t.match(cluster.job(id), { state: 'PENDING', restarts: 1 });
  await cluster.restart(id);
  t.match(await cluster.until(id, ...ENDED), { state: 'COMPLETED', restarts: 1 });
  t.match(fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8'), /resuming after \d+ frames/);
  t.equal(decodedFrames(join(cwd, 'out.mp4')).length, 100);
});

t.test('a rank that fails fails the job with its exit code, and nothing is requeued', async (t) => {
  const cwd = t.testdir({ 'not-a-video.mp4': 'text' });
  const id = cluster.submit([...SMALL, '--gpus-per-node=2', SCRIPT, 'not-a-video.mp4', 'out.mp4'], { cwd });
  t.match(await cluster.until(id, ...ENDED), { state: 'FAILED', code: 1, restarts: 0 });
  t.match(fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8'), /error: .*not-a-video/);
});
