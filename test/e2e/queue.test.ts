/** Many videos in one job: what comes of each, and of all when one fails or the job is stopped. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import {
  decodedFrames,
  endWithin,
  jobPids,
  nothingLeft,
  ourLines,
  runJob,
  startJob,
} from '../fixtures/job.js';
import { runUntil } from '../fixtures/port-jobs.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';
import { classifier, networkFolder } from '../fixtures/table-networks.js';
import { startWatcher } from '../fixtures/watcher.js';

interface Entry {
  readonly input: string;
  readonly output: string;
  readonly state: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly run?: { readonly frames: number; readonly resumes: number };
}

async function entries(report: string): Promise<readonly Entry[]> {
  return (JSON.parse(await fs.readFile(report, 'utf8')) as { videos: readonly Entry[] }).videos;
}

const states = async (report: string): Promise<readonly string[]> =>
  (await entries(report)).map(({ state }) => state);

const errors = (stderr: string): readonly string[] =>
  ourLines(stderr).filter((line) => line.startsWith('framescatter: error: '));

/** A name that is a name and nothing else. */
const HOSTILE = "c $(touch pwned)\n;'%d.mkv";

/** A video that is damaged in its middle. */
async function damagedClip(path: string): Promise<void> {
  const whole = await fs.readFile(await makeClip('long-ts'));
  whole.fill(0x55, whole.length / 2, whole.length / 2 + 9000);
  await fs.writeFile(path, whole);
}

t.test('one video is damaged: the others are made, as by jobs of their own', async (t) => {
  for (const ranks of [1, 3]) {
    await t.test(`on ${ranks} ranks`, async (t) => {
      const folder = t.testdir({ in: { 'no video.mp4': 'text' } });
      const at = (name: string): string => join(folder, name);
      const model = ['--model', await identityModel(folder)];
      // Two of one size, one damaged, one of another size.
      await fs.copyFile(await makeClip('cfr'), at('in/a.mp4'));
      await damagedClip(at('in/b.ts'));
      await fs.copyFile(await makeClip('vfr-mkv'), at(`in/${HOSTILE}`));
      await fs.copyFile(await makeClip('odd'), at('in/d.mkv'));
      const args = [at('in'), ...model, '--out-dir', at('out'), '--report', at('report.json')];
      const { code, stderr } = await runJob(ranks, args);
      t.equal(code, 1, stderr);
      t.same(await states(at('report.json')), ['done', 'failed', 'done', 'done', 'failed']);
      t.match(await entries(at('report.json')), [
        { input: at('in/a.mp4'), output: at('out/a.mp4'), run: { frames: 25 } },
        { error: { code: 'input', message: /b\.ts/ } },
        { run: { frames: 25 } },
        { output: at('out/d.mkv'), run: { frames: 5 } },
        { error: { message: /no video\.mp4/ } },
      ]);
      t.match(errors(stderr), [/b\.ts/, /no video\.mp4/, /2 of 5 videos failed: .*b\.ts, .*no video\.mp4/]);
      t.equal(
        ourLines(stderr).filter((line) => line.includes(`${ranks} x cpu`)).length,
        2,
        'a session is opened for each size, not for each video',
      );
      for (const [input, output] of [
        ['a.mp4', 'a.mp4'],
        [HOSTILE, HOSTILE],
        ['d.mkv', 'd.mkv'],
      ]) {
        const alone = at(`alone ${output}`);
        t.match(await runJob(ranks, [at(`in/${input}`), alone, ...model]), { code: 0 });
        t.ok(
          (await fs.readFile(alone)).equals(await fs.readFile(at(`out/${output}`))),
          `${output}: same bytes`,
        );
      }

      await fs.rm(at('in/no video.mp4'));
      await fs.copyFile(await makeClip('late-ts'), at('in/b.ts'));
      // What was done of the damaged one; nothing, where the damage was found before a frame came back.
      await fs.rm(at('out/b.ts.mkv.framescatter'), { recursive: true, force: true });
      const again = await runJob(ranks, args);
      t.equal(again.code, 0, again.stderr);
      t.same(await states(at('report.json')), ['skipped', 'done', 'skipped', 'skipped']);
      t.match(again.stderr, /video 1 of 4: .*a\.mp4: skipped, .*a\.mp4 exists already/);
      t.same(
        (await fs.readdir(at('out'))).sort(),
        ['a.mp4', 'b.ts.mkv', HOSTILE, 'd.mkv'],
        'nothing else is left',
      );
    });
  }
});

/** Starts a queue of a short and two long videos, and waits until the second one is under way. */
async function underWay(folder: string, ranks: number, ...more: readonly string[]) {
  const at = (name: string): string => join(folder, name);
  await fs.mkdir(at('in'));
  await fs.copyFile(await makeClip('one-frame'), at('in/1.mp4'));
  await fs.copyFile(await makeClip('long-gop'), at('in/2.mp4'));
  await fs.copyFile(await makeClip('cfr'), at('in/3.mp4'));
  const model = await slowModel(folder);
  const options = ['--segment-seconds', '1.6', '--report', at('report.json'), '--verbose', ...more];
  const args = [at('in'), '--out-dir', at('out'), '--model', model, ...options];
  const job = startJob(ranks, args, { env: slowFfmpeg(folder) });
  while (!/video 2 of 3[\s\S]*segment 0 is recorded/.test(job.stderr())) {
    if ((await endWithin(job, 50)) !== undefined) throw new Error(`ended early: ${job.stderr()}`);
  }
  return { job, args, at };
}

t.test('a signal stops the queue: 75, and the same command goes on where it was', async (t) => {
  for (const [signal, ranks] of [
    ['SIGTERM', 0],
    ['SIGUSR2', 2],
  ] as const) {
    const { job, args, at } = await underWay(t.testdir(), ranks);
    process.kill(job.pid, signal);
    const ended = await job.result;
    t.equal(ended.code, 75, ended.stderr);
    t.same(await states(at('report.json')), ['done', 'stopped', 'waiting']);
    t.equal(errors(ended.stderr).length, 1, 'one message');
    const again = await runJob(1, args);
    t.equal(again.code, 0, again.stderr);
    t.match(again.stderr, /resuming after \d+ frames/);
    t.same(await states(at('report.json')), ['skipped', 'done', 'done']);
    t.equal(decodedFrames(at('out/2.mp4')).length, 100);
  }
});

t.test('a killed rank ends the queue, and the same command goes on where it was', async (t) => {
  const { job, args, at } = await underWay(t.testdir(), 3);
  const pids = await jobPids(at('out'));
  t.equal(pids.length, 3);
  process.kill(pids[2] ?? -1, 'SIGKILL');
  t.not((await job.result).code, 0);
  await nothingLeft(at('out'));
  t.same((await fs.readdir(at('out'))).sort(), ['1.mp4', '2.mp4.framescatter']);
  const again = await runJob(2, args);
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /1\.mp4: skipped[\s\S]*resuming after \d+ frames/);
});

t.test('--overwrite makes all outputs again, and a stopped queue still goes on where it was', async (t) => {
  const folder = t.testdir({ out: { '1.mp4': 'old', '2.mp4': 'old', '3.mp4': 'old' } });
  const { job, args, at } = await underWay(folder, 0, '--overwrite');
  process.kill(job.pid, 'SIGTERM');
  t.match(await job.result, { code: 75 });
  const { ino } = await fs.stat(at('out/1.mp4'));
  t.equal(
    await fs.readFile(at('out/2.mp4'), 'utf8'),
    'old',
    'an output is replaced when the new one is whole',
  );
  t.match(await runJob(1, args), { code: 0 });
  t.same(await states(at('report.json')), ['skipped', 'done', 'done']);
  t.equal((await fs.stat(at('out/1.mp4'))).ino, ino, 'what this queue has made is not made twice');
  t.same((await fs.readdir(at('out'))).sort(), ['1.mp4', '2.mp4', '3.mp4'], 'nothing else is left');
  const all = await runJob(1, [at('in/1.mp4'), '--out-dir', at('out'), '--overwrite', ...args.slice(3)]);
  t.equal(all.code, 0, all.stderr);
  t.same(await states(at('report.json')), ['done'], 'a queue that is done begins anew');
});

/** An ffprobe that keeps a list of what it is called with, and fails at the first call for `failing`. */
async function watchedFfprobe(folder: string, failing: string) {
  const [program, calls, failed] = [join(folder, 'ffprobe'), join(folder, 'calls'), join(folder, 'failed')];
  const script = `#!/bin/sh
echo "$*" >>'${calls}'
case "$*" in *'${failing}'*) if [ ! -e '${failed}' ]; then : >'${failed}'; exit 1; fi ;; esac
exec ffprobe "$@"
`;
  await fs.writeFile(program, script, { mode: 0o755 });
  return { calls, env: { FFPROBE_PATH: program } };
}

t.test('the next video is prepared while one runs, and a failure of that is none of either', async (t) => {
  for (const stopped of [true, false]) {
    await t.test(stopped ? 'stopped' : 'to its end', async (t) => {
      const folder = t.testdir({ in: {}, tmp: {} });
      const at = (name: string): string => join(folder, name);
      const ffprobe = await watchedFfprobe(folder, stopped ? '/no such.mp4' : '/2.mp4');
      await fs.copyFile(await makeClip('long-gop'), at('in/1.mp4'));
      await fs.copyFile(await makeClip('cfr'), at('in/2.mp4'));
      const model = await slowModel(folder);
      const args = [at('in'), '--out-dir', at('out'), '--model', model, '--report', at('report.json')];
      const job = startJob(stopped ? 0 : 2, args, { env: { ...ffprobe.env, TMPDIR: at('tmp') } });
      const calls = () => fs.readFile(ffprobe.calls, 'utf8').catch(() => '');
      while (!(await calls()).includes('2.mp4')) {
        if ((await endWithin(job, 20)) !== undefined) break;
      }
      t.notMatch(job.stderr(), /video 2 of 2/, 'its turn has not come');
      if (stopped) process.kill(job.pid, 'SIGTERM');
      const ended = await job.result;
      t.equal(ended.code, stopped ? 75 : 0, ended.stderr);
      t.same(await states(at('report.json')), stopped ? ['stopped', 'waiting'] : ['done', 'done']);
      t.equal(errors(ended.stderr).length, stopped ? 1 : 0, ended.stderr);
      const left = (await fs.readdir(at('tmp'))).filter((name) => name.startsWith('framescatter-'));
      t.same(left, [], 'nothing is left in scratch');
    });
  }
});

t.test('the bar tells of the whole queue, under mpirun too, whatever the names', async (t) => {
  const folder = t.testdir({ in: {} });
  const at = (name: string): string => join(folder, name);
  await fs.copyFile(await makeClip('one-frame'), at('in/1.mp4'));
  await fs.copyFile(await makeClip('long-gop'), at(`in/${HOSTILE}`));
  await fs.copyFile(await makeClip('cfr'), at('in/z.mp4'));
  const args = [at('in'), '--out-dir', at('out'), '--model', await slowModel(folder)];
  const { code, stderr } = await runJob(2, [...args, '--progress', 'always']);
  t.equal(code, 0, stderr);
  const bars = stderr.split('\r\u001b[K').flatMap((part) => /^\[#*\.*\] (.*)/.exec(part)?.[0] ?? []);
  const shares = bars.flatMap((bar) => /\] 2\/3: .*; queue (\d+) %, \d+:\d\d left$/.exec(bar)?.[1] ?? []);
  t.ok(shares.length > 3, bars.join('\n'));
  const percents = shares.map(Number);
  t.same(
    percents,
    percents.toSorted((a, b) => a - b),
    'it goes on',
  );
  // 1, 100 and 25 frames: the second video ends at 101 of 126, once the lengths are known.
  t.ok((percents.at(-1) ?? 0) > 60 && (percents.at(-1) ?? 0) <= 80, percents.join());
  t.ok(
    bars.every((bar) => bar.length < 80),
    'no line wraps',
  );
});

t.test('what is wrong for all videos is said once', async (t) => {
  const folder = t.testdir();
  const clip = await makeClip('cfr');
  const other = await makeClip('one-frame');
  const at = (name: string): string => join(folder, name);
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[clip, other, '--out-dir', at('out'), '--model', 'nonesuch'], 1, /nonesuch/],
    [[clip, other, '--out-dir', at('out'), '--provider', 'cuda'], 1, /CUDA/],
    [[clip, clip, '--out-dir', at('out')], 2, /two videos would have the output cfr\.mp4/],
    [[clip, '--out-dir', at('out'), '--report', at('no/r.json')], 1, /report/],
  ];
  for (const [args, code, message] of cases) {
    const result = await runJob(2, args);
    t.equal(result.code, code, result.stderr);
    t.equal(errors(result.stderr).length, 1, result.stderr);
    t.match(errors(result.stderr)[0], message);
  }
  t.match(await runJob(1, [clip, '--out-dir', join(clip, '..')]), {
    code: 1,
    stderr: /the output is the input/,
  });
});

t.test('a table of each video: the same as by jobs of their own, killed and resumed too', async (t) => {
  const folder = t.testdir({ in: {}, ...networkFolder(classifier()) });
  const at = (name: string): string => join(folder, name);
  await fs.copyFile(await makeClip('one-frame'), at('in/1.mp4'));
  await fs.copyFile(await makeClip('open-gop'), at('in/2.mp4'));
  await fs.copyFile(await makeClip('vfr-mkv'), at(`in/${HOSTILE}`));
  const model = ['--model', at('model.onnx'), '--provider', 'cpu', '--every', '3'];
  const short = [...model, '--segment-seconds', '1', '--report', at('report.json')];
  const args = [at('in'), '--out-dir', at('out'), '--format', 'csv', ...short];
  t.not((await runUntil(60, 2, args)).code, 0, 'it is killed');
  t.ok(
    (await fs.readdir(at('out'))).some((name) => name.endsWith('.framescatter')),
    'in the middle of one',
  );
  const again = await runJob(3, args);
  t.equal(again.code, 0, again.stderr);
  const names = ['1.mp4', '2.mp4', HOSTILE];
  t.same((await fs.readdir(at('out'))).sort(), names.map((name) => `${name}.csv`).sort(), 'nothing else');
  for (const name of names) {
    const alone = at(`alone ${name}.csv`);
    t.match(await runJob(0, [at(`in/${name}`), alone, ...model]), { code: 0 });
    t.equal(await fs.readFile(at(`out/${name}.csv`), 'utf8'), await fs.readFile(alone, 'utf8'), name);
  }
  t.match(await runJob(0, args), { code: 0, stderr: /2\.mp4\.csv exists already/ });
  t.same(await states(at('report.json')), ['skipped', 'skipped', 'skipped']);

  const watched = ['--out', at('seen'), '--once', '--', ...model, '--format', 'csv'];
  await fs.mkdir(at('seen'));
  t.match(await startWatcher([at('in'), ...watched]).result, { code: 0 }, 'a watcher makes the same');
  for (const name of names)
    t.ok((await fs.readFile(at(`seen/${name}.csv`))).equals(await fs.readFile(at(`out/${name}.csv`))), name);

  const refused = await runJob(0, [at('in'), '--out-dir', at('none'), ...model.slice(0, 4)]);
  t.equal(refused.code, 1);
  t.match(errors(refused.stderr), [/gives a table and no picture/], 'once for all videos');
  t.match(refused.stderr, /or --format parquet with --out-dir/);
});

t.test('a video and a table beside it, of each', async (t) => {
  const folder = t.testdir({ in: {}, ...networkFolder(classifier({ beside: true })) });
  const at = (name: string): string => join(folder, name);
  await fs.copyFile(await makeClip('one-frame'), at('in/1.mp4'));
  await fs.copyFile(await makeClip('cfr'), at('in/2.mp4'));
  const model = ['--model', at('model.onnx'), '--provider', 'cpu'];
  const { code, stderr } = await runJob(2, [at('in'), '--out-dir', at('out'), '--table', '.jsonl', ...model]);
  t.equal(code, 0, stderr);
  const names = ['1.mp4', '2.mp4'];
  t.same(
    (await fs.readdir(at('out'))).sort(),
    names.flatMap((name) => [name, `${name}.jsonl`]),
  );
  t.match(await runJob(0, [at('in/2.mp4'), at('alone.mp4'), '--table', at('alone.jsonl'), ...model]), {
    code: 0,
  });
  for (const [own, alone] of [
    ['out/2.mp4', 'alone.mp4'],
    ['out/2.mp4.jsonl', 'alone.jsonl'],
  ] as const)
    t.ok((await fs.readFile(at(own))).equals(await fs.readFile(at(alone))), own);
  await fs.rm(at('out/1.mp4.jsonl'));
  const without = await runJob(0, [at('in'), '--out-dir', at('out'), '--table', '.jsonl', ...model]);
  t.equal(without.code, 1, 'the table of one is gone');
  t.match(errors(without.stderr), [/out\/1\.mp4 exists without its table, .*out\/1\.mp4\.jsonl/]);
  const refused = await runJob(0, [at('in'), '--out-dir', at('x'), '--table', '.csv', '--model', 'wave']);
  t.match(errors(refused.stderr), [/gives no table/], 'once for all videos');
});

t.test('a container of videos, and outputs in another', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const folder = t.testdir({ 'list.txt': '' });
  const films = await azurite.container('films');
  await azurite.container('results');
  for (const [name, kind] of [
    ['day/a ü#1.mp4', 'cfr'],
    ['day/b.mkv', 'odd'],
    ['day/deeper/c.mp4', 'one-frame'],
  ] as const)
    await films.getBlockBlobClient(name).uploadFile(await makeClip(kind));
  const report = join(folder, 'report.json');
  const args = [
    `${azurite.endpoint}/films/day?${azurite.sas('films', 'rl')}`,
    ...['--out-dir', `${azurite.endpoint}/results/styled?${azurite.sas('results', 'rwdl')}`],
    ...['--model', await identityModel(folder), '--report', report],
  ];
  const first = await runJob(2, args);
  t.equal(first.code, 0, first.stderr);
  t.same(await states(report), ['done', 'done']);
  const there: string[] = [];
  for await (const { name } of azurite.service.getContainerClient('results').listBlobsFlat())
    there.push(name);
  t.same(there, ['styled/a ü#1.mp4', 'styled/b.mkv']);
  const second = await runJob(2, args);
  t.equal(second.code, 0, second.stderr);
  t.same(await states(report), ['skipped', 'skipped']);
  for (const text of [first.stderr, second.stderr, await fs.readFile(report, 'utf8')])
    t.notMatch(text, /sig=/, 'no credential is shown or kept');
});
