/** How a watcher works on videos: what becomes of each, whatever its jobs do. */

import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t from 'tap';
import { slurmRequest } from '../../../src/cli/watch/parse-watch.js';
import { openFolder } from '../../../src/storage/folder.js';
import { parseLocation } from '../../../src/storage/location/location.js';
import { JobError } from '../../../src/system/errors.js';
import { dayLimit } from '../../../src/watch/day-limit.js';
import { localRunner } from '../../../src/watch/local-runner.js';
import { probeGate } from '../../../src/watch/probe-gate.js';
import { recordName } from '../../../src/watch/records.js';
import type { Run, Runner, RunOutcome } from '../../../src/watch/runner.js';
import { slurmRunner } from '../../../src/watch/slurm-runner.js';
import type { Source } from '../../../src/watch/source.js';
import { take } from '../../../src/watch/take.js';
import { watch } from '../../../src/watch/watch.js';
import { makeClip } from '../../fixtures/clips.js';
import { until } from '../../fixtures/until.js';
import { type Bench, bench, failed, silent } from '../../fixtures/watch-bench.js';

t.test('how runs end', async (t) => {
  await t.test('done, once', async (t) => {
    const { watcher, video, runs, record, out } = await bench(t.testdir(), []);
    await fs.writeFile(join(out, 'a.mp4.failed.json'), 'of an earlier version');
    t.equal(await take(watcher, video), 'done');
    t.equal(await take(watcher, video), 'settled');
    t.equal(runs.length, 1);
    t.match(await record(), { state: 'done', job: null, failures: 0, reason: null });
    t.same((await fs.readdir(out)).sort(), ['.framescatter-watch', 'a.mp4'], 'its old failure is gone');
    const kept = await fs.readdir(join(out, '.framescatter-watch'));
    t.same(kept.sort(), [recordName(video), 'claims'].sort());
  });

  await t.test('set aside after k failures, the source untouched', async (t) => {
    const folder = t.testdir();
    const { watcher, video, runs, out, record } = await bench(folder, [failed(), failed(), failed()]);
    t.equal(await take(watcher, video), 'again');
    t.match(await record(), { state: 'waiting', failures: 1, reason: 'no frames' });
    t.equal(await take(watcher, video), 'again');
    t.equal(await take(watcher, video), 'failed');
    t.equal(await take(watcher, video), 'settled');
    t.equal(runs.length, 3);
    t.equal(new Set(runs.map(({ id }) => id)).size, 3, 'each run has an id of its own');
    const note = JSON.parse(await fs.readFile(join(out, 'a.mp4.failed.json'), 'utf8'));
    t.match(note, { video: 'a.mp4', reason: 'no frames', failures: 3 });
    t.equal(await fs.readFile(join(folder, 'in', 'a.mp4'), 'utf8'), 'film');
  });

  await t.test('what another try would not cure is set aside at once', async (t) => {
    const one = await bench(t.testdir(), [failed(true)]);
    t.equal(await take(one.watcher, one.video), 'failed');
    const large = await bench(t.testdir(), [], { mostBytes: 3 });
    t.equal(await take(large.watcher, large.video), 'failed');
    t.equal(large.runs.length, 0);
    t.match(await large.record(), { reason: /4 bytes exceed the limit of 3/ });
  });

  await t.test('what is no video starts no job, and what is one does', async (t) => {
    const folder = t.testdir();
    const gate = probeGate(silent, new AbortController().signal);
    const { watcher, video, runs, record } = await bench(folder, [], { gate });
    t.equal(await take(watcher, video), 'failed', 'set aside at once');
    t.equal(runs.length, 0);
    t.match(await record(), { state: 'failed', reason: /in\/a\.mp4/ });
    const good = await bench(join(folder, 'good'), [], { gate });
    await fs.copyFile(await makeClip('one-frame'), join(dirname(good.out), 'in', 'a.mp4'));
    t.equal(await take(good.watcher, good.video), 'done');
    await fs.rm(join(dirname(good.out), 'in', 'a.mp4'));
    t.match(await gate(join(dirname(good.out), 'in', 'a.mp4')), { kind: 'failed' });
    const outage = new JobError('cluster', 'videos cannot be probed here: no ffprobe');
    const broken = await bench(join(folder, 'broken'), [], { gate: () => Promise.reject(outage) });
    await t.rejects(take(broken.watcher, broken.video), outage, 'a machine without FFmpeg costs no video');
    t.match(await broken.record(), { state: 'waiting', failures: 0 });
  });

  await t.test("a day's limit, of all watchers", async (t) => {
    const folder = t.testdir();
    const { watcher, video, runs } = await bench(folder, []);
    let day = '2026-11-30';
    const state = await openFolder(parseLocation(join(folder, 'out', '.framescatter-watch')));
    const limit = () => dayLimit(state, watcher.claims, 2, () => day);
    const limited = { ...watcher, dayLimit: limit() };
    const others = ['b', 'c'].map((key) => ({ ...video, key: key.repeat(32) }));
    t.same(
      await Promise.all(others.map((one) => limit().admit(one))).then((all) => all.includes('admitted')),
      true,
    );
    for (const one of others) t.equal(await limit().admit(one), 'admitted', 'counted once');
    const said: string[] = [];
    const log = { ...limited.log, warn: (line: string) => void said.push(line) };
    for (const _ of [1, 2]) t.equal(await take({ ...limited, log }, video), 'unfinished');
    t.equal(said.length, 1, 'told once');
    t.equal(await take({ ...limited, mostBytes: 3 }, { ...video, key: 'd'.repeat(32) }), 'failed');
    t.equal(runs.length, 0);
    t.equal(await watch(limited, { pollMs: 1, jobs: 1, once: true }, new AbortController().signal), 75);
    day = '2026-12-01';
    t.equal(await take(limited, video), 'done');
    await state.writeText('day-limit.json', 'not JSON');
    t.equal(await limit().admit(video), 'admitted');
  });

  await t.test('jobs that cannot be started are not its fault', async (t) => {
    const outage = new JobError('cluster', 'sbatch cannot be run');
    const { watcher, video, record } = await bench(t.testdir(), []);
    const { runner } = watcher;
    const start = async (): Promise<string> => {
      throw outage;
    };
    await t.rejects(take({ ...watcher, runner: { ...runner, start } }, video), outage);
    t.match(await record(), { state: 'waiting', job: null, failures: 0, reason: 'sbatch cannot be run' });
    t.equal(await take(watcher, video), 'done');
  });

  await t.test(
    'a job that is out of sight goes on: it is followed again, and no other started',
    async (t) => {
      const outage = new JobError('cluster', 'Slurm cannot show job 1');
      const { watcher, video, runs, followed, record } = await bench(t.testdir(), [outage, outage]);
      await t.rejects(take(watcher, video), outage);
      t.match(await record(), { state: 'running', job: 'job 1', failures: 0, reason: outage.message });
      await t.rejects(take(watcher, video), outage);
      t.equal(await take(watcher, video), 'done');
      t.same(followed, ['job 1', 'job 1', 'job 1']);
      t.equal(runs.length, 1);
      t.match(await record(), { state: 'done', failures: 0, interruptions: 0 });
    },
  );

  await t.test('a job that ends well and leaves nothing has failed', async (t) => {
    const { watcher, video, record } = await bench(t.testdir(), []);
    const runner: Runner = { start: async () => 'job', follow: async () => ({ kind: 'done' }) };
    t.equal(await take({ ...watcher, runner }, video), 'again');
    t.match(await record(), { state: 'waiting', failures: 1, reason: /there is no output at .*out\/a\.mp4/ });
  });

  await t.test('the id of a run: one for each try, record and output, whoever starts it', async (t) => {
    const folder = t.testdir();
    const away = new JobError('cloud', 'the answer was lost');
    const idOf = async (work: Bench): Promise<string> => {
      const before = work.runs.length;
      const start = async (run: Run): Promise<string> => {
        work.runs.push(run);
        throw away;
      };
      await t.rejects(take({ ...work.watcher, runner: { ...work.watcher.runner, start } }, work.video), away);
      t.equal(work.runs.length, before + 1);
      return work.runs.at(-1)?.id ?? '';
    };
    const work = await bench(folder, [{ kind: 'busy', reason: 'another job is working in it' }]);
    const first = await idOf(work);
    t.equal(await idOf(work), first, 'a start whose answer was lost is the same run');
    t.equal(await take(work.watcher, work.video), 'again');
    const afterBusy = await idOf(work);
    t.not(afterBusy, first, 'a job that found another at work has ended');
    await fs.rm(join(work.out, '.framescatter-watch', recordName(work.video)));
    const anew = await idOf(work);
    const outputs = await openFolder(parseLocation(join(folder, 'elsewhere')));
    await fs.rm(join(work.out, '.framescatter-watch', recordName(work.video)));
    const other = await idOf({ ...work, watcher: { ...work.watcher, outputs } });
    t.equal(new Set([first, afterBusy, anew, other]).size, 4);
    for (const id of [first, afterBusy, anew, other]) t.match(id, /^[\w-]{1,200}$/);
  });

  await t.test('cut off, busy, stopped, left', async (t) => {
    const interrupted: RunOutcome = { kind: 'interrupted', reason: 'preempted' };
    const { watcher, video, record } = await bench(t.testdir(), [
      interrupted,
      { kind: 'busy', reason: 'another job' },
      { kind: 'stopped' },
      { kind: 'left' },
    ]);
    t.equal(await take(watcher, video), 'again');
    t.match(await record(), { state: 'waiting', failures: 0, interruptions: 1 });
    t.equal(await take(watcher, video), 'again');
    t.match(await record(), { state: 'running', job: null, interruptions: 1, collisions: 1 });
    t.equal(await take(watcher, video), 'unfinished');
    t.match(await record(), { state: 'waiting', interruptions: 1 });
    t.equal(await take(watcher, video), 'unfinished');
    t.match(await record(), { state: 'running', job: 'job 4' });
    const always = await bench(t.testdir(), Array<RunOutcome>(20).fill(interrupted));
    for (let i = 1; i < 10; i += 1) t.equal(await take(always.watcher, always.video), 'again');
    t.equal(await take(always.watcher, always.video), 'failed');
    t.match(await always.record(), { reason: /interrupted 10 times, last: preempted/ });
    const busy = await bench(
      t.testdir(),
      Array<RunOutcome>(20).fill({ kind: 'busy', reason: 'another job' }),
    );
    for (let i = 1; i < 20; i += 1) t.equal(await take(busy.watcher, busy.video), 'again');
    t.equal(await take(busy.watcher, busy.video), 'failed');
    t.match(await busy.record(), {
      collisions: 20,
      reason: /20 runs found another job working on it.* another job/,
    });
  });
});

t.test('the name of the output', async (t) => {
  await t.test('one in a record stays, whatever the rule says', async (t) => {
    const { watcher, video, runs, out, leave, record } = await bench(t.testdir(), []);
    const output = join(out, 'a.mp4.mkv');
    await leave({ state: 'waiting', output });
    t.equal(await take(watcher, video), 'done');
    t.match(runs, [{ output }]);
    t.match(await record(), { state: 'done', output });
  });
  await t.test('an output that was finished unseen under such a name is not made again', async (t) => {
    const { watcher, video, runs, out, leave } = await bench(t.testdir(), []);
    await leave({ output: join(out, 'a.mp4.mkv') });
    await fs.writeFile(join(out, 'a.mp4.mkv'), 'styled');
    t.equal(await take(watcher, video), 'done');
    t.same(runs, []);
  });
  await t.test('one that no longer suits the options of the jobs, or lies elsewhere, goes', async (t) => {
    const naming = { codec: 'h264', format: 'mov' } as const;
    for (const name of ['a.mp4.mkv', '../elsewhere/a.mp4.mov', '']) {
      const { watcher, video, runs, out, leave } = await bench(t.testdir(), [], { naming });
      await leave({ output: name === '' ? '' : join(out, name), outputBefore: 'of that output' });
      t.equal(await take(watcher, video), 'done');
      t.match(runs, [{ output: join(out, 'a.mp4.mov') }], name);
    }
  });
});

t.test('what a dead watcher has left', async (t) => {
  await t.test('a job that goes on is waited for', async (t) => {
    const { watcher, video, runs, followed, leave } = await bench(t.testdir(), []);
    await leave({ job: 'job of another' });
    t.equal(await take(watcher, video), 'done');
    t.same(followed, ['job of another']);
    t.same(runs, []);
  });
  await t.test('a job that finished unseen is not run again', async (t) => {
    const { watcher, video, runs, out, leave } = await bench(t.testdir(), [{ kind: 'gone' }]);
    await leave({ job: 'job of another' });
    await fs.writeFile(join(out, 'a.mp4'), 'styled');
    t.equal(await take(watcher, video), 'done');
    t.same(runs, []);
  });
  await t.test('a job that died is run again', async (t) => {
    const { watcher, video, runs, followed, leave, record } = await bench(t.testdir(), [{ kind: 'gone' }]);
    await leave({ job: 'job of another' });
    t.equal(await take(watcher, video), 'done');
    t.same(followed, ['job of another', 'job 1']);
    t.equal(runs.length, 1);
    t.match(await record(), { state: 'done', interruptions: 1 });
  });
});

t.test(
  'a source is asked for the next video only when there is room, and told what became of each',
  async (t) => {
    const { watcher, video } = await bench(t.testdir(), [{ kind: 'done' }, failed(true)]);
    const told: string[] = [];
    let asked = 0;
    const second = { ...video, key: 'second' };
    const source: Source = {
      ...watcher.source,
      async *look() {
        if (asked > 0) return;
        for (const [name, one] of Object.entries({ first: video, again: video, second })) {
          asked += 1;
          const given = asked;
          yield {
            kind: 'video',
            video: one,
            answer: async (taken) => {
              told.push(`${name}: ${taken}, ${given === asked ? 'before' : 'after'} the next`);
            },
          };
        }
        yield { kind: 'set aside' };
      },
    };
    const times = { pollMs: 1, jobs: 1, once: true };
    t.equal(await watch({ ...watcher, source }, times, new AbortController().signal), 1);
    t.same(told, [
      'first: done, before the next',
      'again: settled, before the next',
      'second: failed, before the next',
    ]);
    const refused: Source = {
      ...watcher.source,
      async *look() {
        yield { kind: 'set aside' };
      },
    };
    t.equal(await watch({ ...watcher, source: refused }, times, new AbortController().signal), 1);
  },
);

t.test('a round', async (t) => {
  const signal = new AbortController().signal;
  const times = { pollMs: 1, jobs: 2, once: true };
  const good = await bench(t.testdir(), []);
  t.equal(await watch(good.watcher, times, signal), 0);
  t.equal(good.runs.length, 1);
  const poison = await bench(t.testdir(), [failed(), failed(), failed()]);
  t.equal(await watch(poison.watcher, times, signal), 1, 'tries on, and says that one was set aside');
  t.equal(poison.runs.length, 3);
  const outage = new JobError('cloud', 'Azure is away');
  await t.rejects(watch((await bench(t.testdir(), [outage])).watcher, times, signal), outage);

  const stop = new AbortController();
  const stopped = await bench(t.testdir(), []);
  const runner: Runner = {
    start: async () => 'job',
    async follow() {
      stop.abort();
      return { kind: 'stopped' };
    },
  };
  t.equal(await watch({ ...stopped.watcher, runner }, { ...times, once: false }, stop.signal), 75);
});

t.test('a video whose record is removed is tried anew, by a watcher that knows it as settled', async (t) => {
  const { watcher, video, runs, record, out } = await bench(t.testdir(), []);
  const stop = new AbortController();
  const watching = watch(watcher, { pollMs: 1, jobs: 1, once: false }, stop.signal);
  const isDone = async () => (await watcher.records.read(video))?.state === 'done';
  await until('it is done', isDone);
  await fs.rm(join(out, '.framescatter-watch', recordName(video)));
  await until('it is done once more', isDone);
  stop.abort();
  t.equal(await watching, 0);
  t.equal(runs.length, 2);
  t.match(await record(), { state: 'done', failures: 0 });
});

t.test('without mpirun nothing is started', async (t) => {
  const folder = t.testdir();
  const path = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = path;
  });
  process.env.PATH = folder;
  const signal = new AbortController().signal;
  const runner = localRunner({ args: [], ranks: 2, logs: join(folder, 'logs'), signal });
  const { watcher, video, record } = await bench(folder, []);
  await t.rejects(take({ ...watcher, runner }, video), { code: 'mpi', message: /mpirun cannot be run/ });
  t.match(await record(), { state: 'waiting', job: null, failures: 0, interruptions: 0 });
});

t.test('Slurm: a controller that is away, a job that finds another at work', async (t) => {
  const folder = t.testdir();
  const [bin, cwd, path] = [join(folder, 'bin'), process.cwd(), process.env.PATH];
  const program = async (name: string, ...lines: string[]): Promise<void> => {
    await fs.mkdir(bin, { recursive: true });
    await fs.writeFile(join(bin, name), ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  };
  t.teardown(() => {
    process.chdir(cwd);
    process.env.PATH = path;
  });
  process.chdir(folder); // where jobs' logs are
  process.env.PATH = `${bin}:${path}`;
  const { watcher, video, record, out } = await bench(folder, []);
  const pauses: number[] = [];
  const request = (input: string, output: string) => slurmRequest([input, output]);
  const runner = slurmRunner({
    ...{ request, log: watcher.log, signal: new AbortController().signal },
    pause: async (ms) => void pauses.push(ms),
  });
  const slurm = { ...watcher, runner };
  await program('sbatch', 'cat >/dev/null; echo x >>submitted; echo $((6 + $(wc -l <submitted)))');
  const submitted = async () => (await fs.readFile(join(folder, 'submitted'), 'utf8')).split('x').length - 1;

  await program('scontrol', 'echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1');
  await t.rejects(take(slurm, video), {
    code: 'cluster',
    message: /cannot show job 7: .*Unable to contact/,
  });
  t.match(await record(), { state: 'running', job: '7', failures: 0 });
  await program(
    'scontrol',
    'echo "JobId=7 JobState=FAILED Reason=None ExitCode=79:0 Restarts=0 NodeList=n1"',
  );
  const busy = 'another job is working in a.mp4.framescatter (process 1 on n1)';
  await fs.writeFile('framescatter-7.out', `framescatter: error: ${busy}\nframescatter: wait for it\n`);
  t.equal(await take(slurm, video), 'again');
  t.match(await record(), { state: 'running', job: null, failures: 0, collisions: 1, reason: busy });
  t.ok((pauses.at(-1) ?? 0) >= 60_000, 'the next job is not submitted at once');
  t.equal(await submitted(), 1);
  await program(
    'scontrol',
    'echo "JobId=8 JobState=COMPLETED Reason=None ExitCode=0:0 Restarts=0 NodeList=n1"',
  );
  await fs.rm(join(out, 'a.mp4'), { force: true });
  await program('sbatch', 'cat >/dev/null; echo x >>submitted; touch out/a.mp4; echo 8');
  t.equal(await take(slurm, video), 'done');
  t.equal(await submitted(), 2);
  t.same(await runner.follow('8').then(({ kind }) => kind), 'done');
  await program('scontrol', 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1');
  t.same(await runner.follow('8'), { kind: 'gone' });
});
