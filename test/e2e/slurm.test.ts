/** Whole jobs on a real Slurm of two pretend nodes. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames } from '../fixtures/job.js';
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
    // mpirun's daemons outlive the job's state by a moment.
    await eventually('scratch folders are gone', () => fs.readdirSync(join(cwd, 'tmp')).length === 0);
    t.notOk(fs.existsSync(join(cwd, 'pwned')));
  });
}

t.test('a rank that fails fails the job with its exit code, and nothing is requeued', async (t) => {
  const cwd = t.testdir({ 'not-a-video.mp4': 'text' });
  const id = cluster.submit([...SMALL, '--gpus-per-node=2', SCRIPT, 'not-a-video.mp4', 'out.mp4'], { cwd });
  t.match(await cluster.until(id, ...ENDED), { state: 'FAILED', code: 1, restarts: 0 });
  t.match(fs.readFileSync(join(cwd, `framescatter-${id}.out`), 'utf8'), /error: .*not-a-video/);
});

/** A program that is there but for the video: it says its arguments, waits to be asked to stop, and ends with 75. */
const STAND_IN = `
process.on('SIGUSR2', () => process.exit(75));
console.log('arguments', JSON.stringify(process.argv.slice(2)));
setTimeout(() => {}, 600_000);
`;
/** Takes the place of Apptainer, which has not been installed: says its arguments and runs nothing. */
const APPTAINER = '#!/bin/bash\nprintf "apptainer %s\\n" "$*"\n';

t.test('the variables of the batch script', async (t) => {
  const cwd = t.testdir({
    dist: { 'main.js': STAND_IN },
    slurm: t.fixture('symlink', join(packageRoot(), 'slurm')),
    bin: { apptainer: APPTAINER },
  });
  fs.chmodSync(join(cwd, 'bin', 'apptainer'), 0o755);
  const run = async (
    env: NodeJS.ProcessEnv,
    more: readonly string[] = [],
    options: readonly string[] = ['--threads', '7'],
  ) => {
    const words = [...SMALL, '--gpus-per-node=1', ...more, SCRIPT, 'in.mp4', 'out.mp4', ...options];
    const id = cluster.submit(words, { cwd, env: { FRAMESCATTER_HOME: cwd, ...env } });
    const log = (): string => {
      const file = join(cwd, `framescatter-${id}.out`);
      return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
    };
    const stop = async (): Promise<void> => {
      await eventually('the program', () => log().includes('arguments'));
      cluster.run('scancel', ['--signal=USR1', '--batch', id]);
    };
    return { id, log, stop };
  };

  const few = await run({ FRAMESCATTER_RESTARTS: '0' });
  await few.stop();
  t.match(await cluster.until(few.id, ...ENDED), { state: 'FAILED', code: 75, restarts: 0 });
  t.match(few.log(), /--time may be too short/);
  t.match(few.log(), /arguments \["in\.mp4","out\.mp4","--threads","7"\]/, 'the user decides');

  const never = await run({}, ['--no-requeue']);
  await never.stop();
  t.match(await cluster.until(never.id, ...ENDED), { state: 'FAILED', code: 75, restarts: 0 });
  t.match(never.log(), /cannot be requeued here: submit it again/);

  const inImage = { FRAMESCATTER_IMAGE: '/im age.sif', PATH: `${join(cwd, 'bin')}:${process.env.PATH}` };
  const contained = await run(inImage, [], []);
  t.match(await cluster.until(contained.id, ...ENDED), { state: 'COMPLETED' });
  t.match(
    contained.log(),
    /apptainer exec --bind \S+ --nv \/im age\.sif bash -c .* rank node \/opt\/framescatter\/dist\/main\.js --threads 1 in\.mp4/s,
  );

  const launcher = await run({ FRAMESCATTER_LAUNCHER: 'rsh' });
  t.match(await cluster.until(launcher.id, ...ENDED), { state: 'FAILED', code: 2 });
  t.match(launcher.log(), /FRAMESCATTER_LAUNCHER must be srun or mpirun, not rsh/);

  const plugin = await run({ FRAMESCATTER_MPI: 'pmi9' });
  t.match(await cluster.until(plugin.id, ...ENDED), { state: 'FAILED', code: 1 });
  t.match(plugin.log(), /lacks the MPI plug-in pmi9 .*FRAMESCATTER_LAUNCHER=mpirun/);

  const home = await run({ FRAMESCATTER_HOME: join(cwd, 'bin', '..', 'nothing') });
  t.match(await cluster.until(home.id, ...ENDED), { state: 'FAILED', code: 1 });
  t.match(home.log(), /nothing\/slurm\/job\.bash/);
});
