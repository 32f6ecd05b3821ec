/** Watchers at work on a folder, as processes. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { lockFolder } from '../../src/storage/local/folder-lock.js';
import { AnotherJobWorks, exitCode } from '../../src/system/errors.js';
import { localRunner } from '../../src/watch/local-runner.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, jobPids, killRanks, MPI_ENVIRONMENT, nothingLeft } from '../fixtures/job.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';
import { until } from '../fixtures/until.js';
import { FAST, STATE, startedVideos, startWatcher } from '../fixtures/watcher.js';

/** Each watched place has its own; the canary is in every name. */
const NAMES = Array.from({ length: 10 }, (_, i) => (i === 0 ? 'sub/a film; $(x) %d.mp4' : `film ${i}.mp4`));

async function exists(path: string): Promise<boolean> {
  return fs.stat(path).then(
    () => true,
    () => false,
  );
}

/** Every video's record. */
async function records(folder: string): Promise<readonly Record<string, unknown>[]> {
  const names = (await fs.readdir(folder)).filter((name) => name.endsWith('.json'));
  return Promise.all(names.map(async (name) => JSON.parse(await fs.readFile(join(folder, name), 'utf8'))));
}

/** Outputs below `folder`, and nothing of watchers. */
async function outputs(folder: string): Promise<readonly string[]> {
  const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const names = files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  return names.filter((name) => !name.startsWith(STATE)).sort();
}

t.test('two watchers share a folder: each video once', async (t) => {
  const folder = t.testdir({ in: { sub: {}, 'notes.txt': 'no video' }, out: {} });
  const [input, out] = [join(folder, 'in'), join(folder, 'out')];
  const model = await identityModel(folder);
  const clip = await makeClip('one-frame');
  for (const name of NAMES) await fs.copyFile(clip, join(input, name));
  await fs.writeFile(join(input, 'poison.mp4'), 'this is no video');
  const args = [
    input,
    '--out',
    out,
    '--once',
    '--poll',
    '0.2',
    '--tries',
    '2',
    '--',
    '--model',
    model,
    ...FAST,
  ];
  const results = await Promise.all([startWatcher(args).result, startWatcher(args).result]);
  const said = results.map(({ stderr }) => stderr).join('\n');
  t.same(results.map(({ code }) => code).sort(), [0, 1], said);
  t.same([...startedVideos(said)].sort(), [...NAMES, 'poison.mp4'].sort(), 'each is started once');
  t.same(await outputs(out), [...NAMES, 'poison.mp4.failed.json'].sort());
  t.equal(decodedFrames(join(out, NAMES[0] ?? '')).length, 1);
  const kept = await records(join(out, STATE));
  t.equal(kept.filter(({ state }) => state === 'done').length, NAMES.length);
  t.match(
    kept.filter(({ state }) => state !== 'done'),
    [{ video: 'poison.mp4', state: 'failed', failures: 2, reason: /poison\.mp4/ }],
  );
  const note = JSON.parse(await fs.readFile(join(out, 'poison.mp4.failed.json'), 'utf8'));
  t.match(note, { video: 'poison.mp4', failures: 2, reason: /poison\.mp4/ });
  t.equal(
    await fs.readFile(join(input, 'poison.mp4'), 'utf8'),
    'this is no video',
    'the source is untouched',
  );
  t.same(await fs.readdir(join(out, STATE, 'claims')), []);

  const again = await startWatcher(args).result;
  t.equal(again.code, 0, again.stderr);
  t.same(startedVideos(again.stderr), [], 'what is settled stays settled');
  const loop = await startWatcher([input, '--out', join(input, 'sub'), '--once']).result;
  t.equal(loop.code, 2);
  t.match(loop.stderr, /overlaps with the watched/);
});

t.test('a watcher is killed, with its job and without: another finishes', async (t) => {
  const folder = t.testdir({ in: {}, out: {} });
  const [input, out] = [join(folder, 'in'), join(folder, 'out')];
  const model = await slowModel(folder);
  await fs.copyFile(await makeClip('long-ts'), join(input, 'long.ts'));
  const output = join(out, 'long.ts.mkv');
  const words = ['--', '--model', model, '--segment-seconds', '2', ...FAST];
  const args = [input, '--out', out, '--once', '--poll', '0.2', ...words];
  const segment = (number: number) => exists(join(`${output}.framescatter`, `segment-00000${number}.json`));

  const slow = slowFfmpeg(folder);
  const first = startWatcher(args, slow);
  await until('a segment is done', () => segment(0));
  process.kill(first.pid, 'SIGKILL');
  await killRanks(output);
  t.equal((await first.result).code, 137);

  const second = startWatcher(args, slow);
  await until('another segment is done', () => segment(2));
  process.kill(second.pid, 'SIGKILL');
  await second.result;
  const orphan = await jobPids(output);
  t.equal(orphan.length, 1, 'its job goes on');

  const third = await startWatcher(args).result;
  t.equal(third.code, 0, third.stderr);
  t.match(third.stderr, /long\.ts: resumed/);
  t.match(third.stderr, /long\.ts: done/);
  t.equal(decodedFrames(output).length, 100);
  t.same(await outputs(out), ['long.ts.mkv'], 'and nothing else');
  t.match(await records(join(out, STATE)), [{ state: 'done', failures: 0, interruptions: 1 }]);
});

t.test('a watcher that is to end stops its job in order; mpirun', async (t) => {
  const folder = t.testdir({ in: {}, out: {} });
  const [input, out] = [join(folder, 'in'), join(folder, 'out')];
  const model = await slowModel(folder);
  await fs.copyFile(await makeClip('long-ts'), join(input, 'long.ts'));
  const words = ['--', '--model', model, '--segment-seconds', '2', ...FAST];
  const args = [input, '--out', out, '--poll', '0.2', '--ranks', '2', ...words];
  const watcher = startWatcher(args, { ...MPI_ENVIRONMENT, ...slowFfmpeg(folder) });
  await until('a segment is done', () =>
    exists(join(out, 'long.ts.mkv.framescatter', 'segment-000000.json')),
  );
  process.kill(watcher.pid, 'SIGTERM');
  const { code, stderr } = await watcher.result;
  t.equal(code, 75, stderr);
  await nothingLeft(join(out, 'long.ts.mkv'));
  t.match(await records(join(out, STATE)), [{ state: 'waiting', failures: 0, interruptions: 0 }]);

  const next = startWatcher(args, MPI_ENVIRONMENT);
  await until('the video is done', async () => /long\.ts: done/.test(next.stderr()));
  process.kill(next.pid, 'SIGTERM');
  t.equal((await next.result).code, 0, 'nothing is left');
  t.equal(decodedFrames(join(out, 'long.ts.mkv')).length, 100);
});

t.test('a job that finds another at work is known by its exit code, not by what a name says', async (t) => {
  const folder = t.testdir({ 'another job is working in x.mp4': 'no video', logs: {} });
  const words = ['--model', await identityModel(folder), '--provider', 'cpu'];
  Object.assign(process.env, MPI_ENVIRONMENT); // the runner is in this process
  for (const ranks of [0, 2]) {
    const signal = new AbortController().signal;
    const runner = localRunner({ args: words, ranks, logs: join(folder, 'logs'), signal });
    const ending = async (input: string, name: string) =>
      runner.follow(await runner.start({ input, output: join(folder, name), id: `${name}-${ranks}` }));
    t.match(await ending(join(folder, 'another job is working in x.mp4'), 'x.mp4'), {
      kind: 'failed',
      final: false,
    });
    await fs.mkdir(join(folder, 'o.mp4.framescatter'), { recursive: true });
    const lock = await lockFolder(join(folder, 'o.mp4.framescatter'));
    t.match(await ending(await makeClip('one-frame'), 'o.mp4'), {
      kind: 'busy',
      reason: /another job is working/,
    });
    await lock[Symbol.asyncDispose]();
    await fs.rmdir(join(folder, 'o.mp4.framescatter', 'scratch')).catch(() => {});
  }
  t.equal(exitCode(new AnotherJobWorks('x', '')), 1, "a user's exit code stays");
});
