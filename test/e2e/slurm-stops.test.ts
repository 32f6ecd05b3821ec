/** Jobs that are stopped on a real Slurm: by their time limit, by their user, for a more urgent job. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';
import { makeClip } from '../fixtures/clips.js';
import { slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, runJob } from '../fixtures/job.js';
import { processesWith } from '../fixtures/processes.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';
import { ENDED, eventually, slurmMissing, startSlurm } from '../fixtures/slurm.js';

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

/** Waits until no process names this file: mpirun's daemons outlive the job's state by a moment. */
async function ended(file: string): Promise<void> {
  await eventually(`the end of what works on ${file}`, () => processesWith(file).length === 0);
}

t.test('a job that runs out of time goes back to the queue and ends as if nothing had been', async (t) => {
  const cwd = t.testdir();
  const input = await makeClip('long-gop');
  const words = [
    '--model',
    await slowModel(cwd),
    '--segment-seconds',
    '1.6',
    '--crf',
    '0',
    '--provider',
    'cpu',
  ];
  const id = cluster.submit(
    [...SMALL, '--nodes=2', '--gpus-per-node=1', SCRIPT, input, 'out.mp4', ...words],
    {
      cwd,
      env: slowFfmpeg(cwd),
    },
  );
  await eventually('a segment', () =>
    fs.existsSync(join(cwd, 'out.mp4.framescatter', 'segment-000001.json')),
  );
  t.not(processesWith(join(cwd, 'slow.onnx')).length, 0, 'it runs');
  // What Slurm does itself when the time is nearly over.
  cluster.run('scancel', ['--signal=USR1', '--batch', id]);
  await eventually('another run', () => cluster.job(id).restarts === 1);
  t.notOk(fs.existsSync(join(cwd, 'out.mp4')));
  await ended(join(cwd, 'slow.onnx'));
  t.match(await cluster.until(id, ...ENDED), { state: 'COMPLETED', restarts: 1 });
  const log = fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8');
  t.match(log, /is requeued.*run 2: 2 ranks.*resuming after \d+ frames/s);

  // Without loss: how many threads the encoder has must not matter.
  const whole = join(cwd, 'whole.mp4');
  t.match(await runJob(0, [input, whole, ...words]), { code: 0 });
  t.same(decodedFrames(join(cwd, 'out.mp4')), decodedFrames(whole), 'every frame and its time');
});

for (const launcher of ['srun', 'mpirun'] as const) {
  t.test(`${launcher}: a cancelled job leaves no process and no partial output`, async (t) => {
    const cwd = t.testdir({ tmp: {} });
    const input = await makeClip('long-gop');
    const words = ['--model', await slowModel(cwd), '--segment-seconds', '1.6', '--provider', 'cpu'];
    const id = cluster.submit(
      [...SMALL, '--nodes=2', '--gpus-per-node=1', SCRIPT, input, 'out.mp4', ...words],
      {
        cwd,
        env: { FRAMESCATTER_LAUNCHER: launcher, ...slowFfmpeg(cwd) },
      },
    );
    await eventually('a segment', () =>
      fs.existsSync(join(cwd, 'out.mp4.framescatter', 'segment-000000.json')),
    );
    t.not(processesWith(join(cwd, 'slow.onnx')).length, 0, 'it runs');
    cluster.run('scancel', [id]);
    await cluster.until(id, 'CANCELLED');
    await ended(join(cwd, 'slow.onnx'));
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
  const words = ['--model', await slowModel(cwd), '--segment-seconds', '1.6', '--provider', 'cpu'];
  const id = cluster.submit(
    [...SMALL, '--nodes=2', '--gpus-per-node=2', SCRIPT, input, 'out.mp4', ...words],
    {
      cwd,
      env: slowFfmpeg(cwd),
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
  t.match(cluster.job(id), { restarts: 1 }, 'the urgent one had all GPUs');
  const { state, restarts } = await cluster.until(id, ...ENDED);
  const log = fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8');
  t.match(log, /resuming after \d+ frames.*wrote out\.mp4/s);
  // Slurm 24.11 runs a job that was pre-empted once more after its end ("requeue per user/system request").
  if (restarts === 2) t.match([state, log], ['FAILED', /wrote out\.mp4.*run 3.*the output exists/s]);
  else t.same([state, restarts], ['COMPLETED', 1]);
  t.equal(decodedFrames(join(cwd, 'out.mp4')).length, 100);
});
