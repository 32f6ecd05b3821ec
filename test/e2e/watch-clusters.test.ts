/** Watchers whose jobs run on Slurm (of two pretend nodes) and on a stand-in for Azure ML. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { amlRunner } from '../../src/watch/aml-runner.js';
import { once, SUBMISSION, sent, world } from '../fixtures/aml-world.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames } from '../fixtures/job.js';
import { slurmMissing, startSlurm } from '../fixtures/slurm.js';
import { startWatcher } from '../fixtures/watcher.js';

const RUN = { input: 'in', output: 'out', id: '0123456789abcdef-0-0' };

t.test('Azure ML', async (t) => {
  await t.test('a run is one job, however often it is asked for', async (t) => {
    const { azure, session, ...here } = await world(t);
    azure.states = ['Running', 'Completed'];
    const signal = new AbortController().signal;
    const options = { submission: () => SUBMISSION, session, signal };
    const job = await amlRunner(options).start(RUN);
    t.same(await amlRunner(options).follow(job), { kind: 'done' }, 'another watcher finds it');
    const jobs = sent({ azure, session, ...here }, 'PUT').filter((path) => path.startsWith('jobs/'));
    t.same([...new Set(jobs)], [`jobs/framescatter-${RUN.id}`]);
    t.equal([...azure.resources.keys()].filter((id) => /\/jobs\//.test(id)).length, 1);
  });

  await t.test('a job that fails, and a watcher that is to end', async (t) => {
    const { azure, session } = await world(t);
    azure.states = ['Running', 'Failed'];
    const stop = new AbortController();
    const runner = amlRunner({ submission: () => SUBMISSION, session, signal: stop.signal });
    t.match(await runner.follow(await runner.start(RUN)), { kind: 'failed', reason: /failed/, final: false });
    azure.states = ['Canceled'];
    const cancelled = await runner.follow(await runner.start({ ...RUN, id: 'cancelled' }));
    t.match(cancelled, { kind: 'failed', final: true }, 'whoever cancels a job wants no other');
    azure.warnings = ['The node was preempted.'];
    const taken = await runner.follow(await runner.start({ ...RUN, id: 'taken' }));
    t.match(taken, { kind: 'interrupted', reason: /preempted/ }, 'is no failure of the video');
    azure.states = ['Running'];
    const pause = async (): Promise<void> => {
      stop.abort();
      throw stop.signal.reason;
    };
    const ending = amlRunner({
      submission: () => SUBMISSION,
      session: { ...session, pause },
      signal: stop.signal,
    });
    t.same(await ending.follow(await runner.start({ ...RUN, id: 'other' })), { kind: 'left' });
  });

  await t.test('an Azure that does not answer tells nothing of the job', async (t) => {
    const { azure, session } = await world(t);
    const signal = new AbortController().signal;
    const runner = amlRunner({ submission: () => SUBMISSION, session, signal });
    const job = await runner.start(RUN);
    const away = { status: 500 };
    azure.rule(once((path, method) => method === 'PUT' && path.includes('/jobs/'), away, 6));
    await t.rejects(runner.follow(job), { code: 'cloud', message: /submitting the job .* failed/ });
    azure.rule(once((path, method) => method === 'GET' && path.includes('/jobs/'), away, 120));
    await t.rejects(runner.follow(job), { code: 'cloud', message: /asking for the state .* failed/ });
    t.same(await runner.follow(job), { kind: 'done' });
  });

  await t.test('a job that finds another at work on its output', async (t) => {
    const { azure, session, pauses } = await world(t);
    azure.states = ['Failed'];
    azure.errors.set(
      'step-run',
      'framescatter: error: another job is working in the journal (process 7 on n1)',
    );
    const runner = amlRunner({ submission: () => SUBMISSION, session, signal: new AbortController().signal });
    t.match(await runner.follow(await runner.start(RUN)), { kind: 'busy', reason: /process 7 on n1/ });
    t.ok((pauses.at(-1) ?? 0) >= 60_000, 'the next job is not submitted at once');
  });
});

const missing = slurmMissing();
t.test('Slurm', { skip: missing ?? false }, async (t) => {
  const cluster = startSlurm();
  t.teardown(() => cluster.stop());
  const folder = t.testdir({ in: {}, out: {} });
  const [input, out] = [join(folder, 'in'), join(folder, 'out')];
  await fs.copyFile(await makeClip('one-frame'), join(input, 'a film.mp4'));
  await fs.writeFile(join(input, 'poison.mp4'), 'no video');
  const asked = [
    '--nodes',
    '1',
    '--cpus-per-rank',
    '1',
    '--time',
    '10',
    '--launcher',
    'mpirun',
    '--gpus-per-node',
    '1',
  ];
  const job = ['--model', await identityModel(folder), '--provider', 'cpu', '--preset', 'ultrafast'];
  const args = [
    input,
    '--out',
    out,
    '--once',
    '--poll',
    '0.2',
    '--tries',
    '1',
    '--jobs',
    '2',
    '--run',
    'slurm',
  ];
  const { code, stderr } = await startWatcher(
    [...args, '--', ...asked, '--', ...job],
    cluster.environment,
    folder,
  ).result;
  t.equal(code, 1, stderr);
  t.equal(decodedFrames(join(out, 'a film.mp4')).length, 1);
  const note = JSON.parse(await fs.readFile(join(out, 'poison.mp4.failed.json'), 'utf8'));
  t.match(note, { video: 'poison.mp4', reason: /Slurm job \d+ ended with exit code 1; see its log: / });
  t.match(stderr, /a film\.mp4: done/);
});
