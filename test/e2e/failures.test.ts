/** What happens when something is wrong: one clear message, no hang, nothing half-made, nothing left behind. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { brittleModel, identityModel, slowModel } from '../fixtures/identity-model.js';
import {
  codecProcesses,
  endWithin,
  jobCommand,
  jobPids,
  nothingLeft,
  ourLines,
  runJob,
  startJob,
} from '../fixtures/job.js';
import { stop } from '../fixtures/processes.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';

/** Our error lines. */
function errors(stderr: string): readonly string[] {
  return ourLines(stderr).filter((line) => line.startsWith('framescatter: error: '));
}

t.test('inputs and outputs that cannot be are refused with a reason, once, and leave nothing', async (t) => {
  const folder = t.testdir({
    'text.mp4': 'this is no video\n',
    'empty.mp4': '',
    'taken.mp4': 'mine',
    sub: {},
  });
  const model = await identityModel(folder);
  const clip = await makeClip('cfr');
  const truncated = join(folder, 'truncated.mp4');
  await fs.writeFile(truncated, (await fs.readFile(clip)).subarray(0, 4000));
  const at = (name: string): string => join(folder, name);
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[at('text.mp4'), at('o.mp4')], 1, /text\.mp4/],
    [[at('empty.mp4'), at('o.mp4')], 1, /empty\.mp4/],
    [[at('missing.mp4'), at('o.mp4')], 1, /missing\.mp4/],
    [[at('sub'), at('o.mp4')], 1, /sub/],
    [[truncated, at('o.mp4')], 1, /truncated\.mp4/],
    [[await makeClip('sound-only'), at('o.mp4')], 1, /video/],
    [[clip, at('taken.mp4')], 1, /exists.*taken\.mp4|taken\.mp4.*exists/],
    [[clip, clip], 1, /output is the input/],
    [[clip, at('no/such/folder/o.mp4')], 1, /folder/],
    [[clip, at('o.xyz')], 2, /xyz/],
    [[clip, at('o.mp4'), '--model', 'nonesuch'], 1, /nonesuch/],
    [[clip, at('o.mp4'), '--model', at('text.mp4')], 1, /text\.mp4/],
    [[clip, at('o.mp4'), '--provider', 'cuda'], 1, /CUDA/i],
    [[clip, at('dangling.mp4')], 1, /exists.*dangling\.mp4/],
    [[clip, at('o.mp4'), '--report', clip], 1, /the report is the input/],
    [[clip, at('o.mp4'), '--report', at('o.mp4')], 1, /the output is the report/],
    [[clip, at('o.mp4'), '--report', at('taken.mp4')], 1, /taken\.mp4 exists and is not a report/],
    [[clip, at('o.mp4'), '--work-dir', at('o.mp4')], 1, /the work folder is the output/],
    [[clip, at('o.mp4'), '--work-dir', at('text.mp4')], 1, /text\.mp4 is not a folder/],
    [[at('l.mp4'), at('linked.mp4')], 1, /linked\.mp4\.framescatter is a link/],
  ];
  await fs.symlink(at('nowhere'), at('dangling.mp4'));
  await fs.symlink(at('sub'), at('linked.mp4.framescatter'));
  await fs.symlink(clip, at('l.mp4'));
  const before = await fs.readdir(folder);
  for (const [args, code, message] of cases) {
    const ranks = args === cases[0]?.[0] ? 3 : 0;
    const own = args.includes('--model') ? [] : ['--model', model];
    const result = await runJob(ranks, [...own, ...args]);
    t.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    t.equal(errors(result.stderr).length, 1, `one message: ${result.stderr}`);
    t.match(errors(result.stderr)[0], message);
    t.notMatch(result.stderr, /^\s+at .*\.js:/m, 'no stack trace');
  }
  t.same(await fs.readdir(folder), before, 'nothing is left');
  t.equal(await fs.readFile(at('taken.mp4'), 'utf8'), 'mine');
});

t.test('--overwrite replaces, and only when the new one is whole', async (t) => {
  const folder = t.testdir({ 'o.mp4': 'old' });
  const model = await identityModel(folder);
  const output = join(folder, 'o.mp4');
  t.match(await runJob(1, [join(folder, 'missing.mp4'), output, '--model', model, '--overwrite']), {
    code: 1,
  });
  t.equal(await fs.readFile(output, 'utf8'), 'old');
  t.match(await runJob(1, [await makeClip('cfr'), output, '--model', model, '--overwrite']), { code: 0 });
  t.ok((await fs.stat(output)).size > 1000);
});

t.test('a file cut short in the middle is an error, and tolerated when asked', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const whole = await fs.readFile(await makeClip('long-ts'));
  const cut = join(folder, 'cut.ts');
  const damaged = Buffer.from(whole);
  damaged.fill(0x55, whole.length / 2, whole.length / 2 + 9000);
  await fs.writeFile(cut, damaged);
  const refused = await runJob(2, [cut, join(folder, 'o.mp4'), '--model', model]);
  t.equal(refused.code, 1);
  t.match(errors(refused.stderr)[0], /cut\.ts/);
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
  const report = join(folder, 'report.json');
  const again = [cut, join(folder, 'o2.mp4'), '--model', model, '--tolerant', '--report', report];
  const tolerated = await runJob(2, again);
  t.equal(tolerated.code, 0, tolerated.stderr);
  t.match(tolerated.stderr, /warning/, 'what was concealed is said');
  const { concealed } = JSON.parse(await fs.readFile(report, 'utf8'));
  t.ok(concealed.messages > 0, 'and counted in the report');
  t.match(tolerated.stderr, `ffmpeg reported ${concealed.messages} errors and concealed or dropped`);
});

/** Starts a slow job and waits until it has recorded sixteen frames. The command that is returned is faster. */
async function underWay(folder: string, ranks: number, prefix: readonly string[] = []) {
  const output = join(folder, 'o.mp4');
  const args = [
    await makeClip('long-gop'),
    output,
    '--model',
    await slowModel(folder),
    '--verbose',
    ...['--segment-seconds', '1.6', '--preset', 'ultrafast'],
  ];
  const env = slowFfmpeg(folder);
  const job =
    prefix.length === 0
      ? startJob(ranks, args, { env })
      : startJob(0, [...prefix, ...jobCommand(ranks, args).flat()], { env });
  while (!/segment 1 is recorded/.test(job.stderr())) {
    if ((await endWithin(job, 50)) !== undefined) throw new Error(`ended early: ${job.stderr()}`);
  }
  return { job, output, args };
}

t.test('a killed rank ends the job soon, and the same command finishes it', async (t) => {
  for (const which of ['root', 'worker'] as const) {
    const folder = t.testdir();
    const { job, output, args } = await underWay(folder, 3);
    const pids = await jobPids(output);
    t.equal(pids.length, 3);
    process.kill(pids[which === 'root' ? 0 : 2] ?? -1, 'SIGKILL');
    const ended = await job.result;
    t.not(ended.code, 0, which);
    t.match(ended.stderr, /rank (?:with PID N\/A|\d)/, 'the rank is named');
    t.notMatch(ended.stderr, /no progress/, 'before anybody wonders');
    await nothingLeft(output, folder);
    t.notOk((await fs.readdir(folder)).includes('o.mp4'), 'no partial output');
    const again = await runJob(2, args);
    t.equal(again.code, 0, again.stderr);
    t.match(again.stderr, /resuming after \d+ frames/);
  }
});

t.test('a signal stops the job in order: 75, and the same command finishes it', async (t) => {
  for (const [signal, ranks] of [
    ['SIGTERM', 0],
    ['SIGINT', 0],
    ['SIGHUP', 0],
    ['SIGQUIT', 0],
    ['SIGUSR2', 2],
  ] as const) {
    const folder = t.testdir();
    const { job, output, args } = await underWay(folder, ranks);
    process.kill(job.pid, signal);
    const ended = await job.result;
    t.equal(ended.code, 75, `${signal}: ${ended.stderr}`);
    t.equal(errors(ended.stderr).length, 1, 'one message');
    await nothingLeft(output, folder);
    const again = await runJob(1, args);
    t.equal(again.code, 0, again.stderr);
    t.match(again.stderr, /resuming after/);
    t.ok((await fs.stat(output)).size > 0);
    t.notOk(
      (await fs.readdir(folder)).includes('o.mp4.framescatter'),
      'the journal goes when the output is there',
    );
  }
});

t.test(
  'retry stops a job under mpirun in order: one message, 75, and the same command finishes it',
  async (t) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const folder = t.testdir();
      const { job, output, args } = await underWay(folder, 2, ['retry', '3', '--']);
      process.kill(job.pid, signal);
      const ended = await job.result;
      await nothingLeft(output);
      t.equal(ended.code, 75, `${signal}: ${ended.stderr}`);
      t.match(errors(ended.stderr), [/stopped by SIGUSR2/]);
      const again = await runJob(1, args);
      t.equal(again.code, 0, again.stderr);
      t.match(again.stderr, /resuming after/);
    }
  },
);

t.test('--max-hours stops a run in order, and the next one goes on', async (t) => {
  const folder = t.testdir();
  const [input, output] = [await makeClip('cfr'), join(folder, 'o.mp4')];
  // 4 ms: they have passed before the first frame, on any machine.
  const stopped = await runJob(2, [input, output, '--model', 'wave', '--max-hours', '0.000001']);
  t.equal(stopped.code, 75, stopped.stderr);
  t.match(errors(stopped.stderr), [/stopped by --max-hours 0\.000001; the work so far is in/]);
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
  const again = await runJob(2, [input, output, '--model', 'wave', '--max-hours', '10']);
  t.equal(again.code, 0, again.stderr);
  const endless = await runJob(1, [input, output, '--model', 'wave', '--max-hours', '-1']);
  t.equal(endless.code, 2, endless.stderr);
});

t.test('a launcher that kills its ranks leaves a journal that holds', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const folder = t.testdir();
    const { job, output, args } = await underWay(folder, 2);
    process.kill(job.pid, signal);
    const ended = await job.result;
    t.not(ended.code, 0, signal);
    await nothingLeft(output);
    const again = await runJob(1, args);
    t.equal(again.code, 0, again.stderr);
    t.match(again.stderr, /resuming after/);
  }
});

t.test('ffmpeg killed in the middle ends the job with its name', async (t) => {
  const folder = t.testdir();
  const { job } = await underWay(folder, 2);
  const [decoder] = codecProcesses(await makeClip('long-gop')); // this file's own clip: others have one of that name
  process.kill(decoder ?? -1, 'SIGKILL');
  // What the decoder had given before is still worked off, at the slow model's speed.
  const ended = await job.result;
  t.equal(ended.code, 1, ended.stderr);
  t.match(errors(ended.stderr)[0], /ffmpeg/);
  t.notMatch(ended.stderr, /no progress/, 'before anybody wonders');
});

t.test('an input that grows under the job is an error, and nothing is published', async (t) => {
  const folder = t.testdir();
  const input = join(folder, 'growing.mkv');
  await fs.copyFile(await makeClip('long-mkv'), input);
  const output = join(folder, 'o.mp4');
  const logging = ['--verbose', '--segment-seconds', '1'];
  const job = startJob(0, [input, output, '--model', await slowModel(folder), ...logging]);
  while (!/segment 0 is recorded/.test(job.stderr())) {
    if ((await endWithin(job, 20)) !== undefined) throw new Error(job.stderr());
  }
  await fs.appendFile(input, Buffer.alloc(100));
  const { code, stderr } = await job.result;
  t.equal(code, 1);
  t.match(errors(stderr)[0], /growing\.mkv changed/);
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
});

t.test('a model that fails on a frame ends the job: which rank, which frames, what to do', async (t) => {
  for (const ranks of [1, 2]) {
    const folder = t.testdir();
    const job = [await makeClip('cfr'), join(folder, 'o.mp4'), '--model', await brittleModel(folder)];
    const { code, stderr } = await runJob(ranks, job);
    t.equal(code, 1, stderr);
    const where = ranks === 1 ? '' : 'rank [01] on \\S+: ';
    const said = new RegExp(`error: ${where}at frame \\d+ of this rank's frames: inference failed`);
    t.ok(errors(stderr).length > 0 && errors(stderr).every((line) => said.test(line)), stderr);
    t.match(stderr, /^framescatter: the dry run on a grey batch succeeded.*if the same command fails again/m);
    t.notMatch(stderr, /^\s+at .*\.js:/m, 'no stack trace');
    const json = await runJob(ranks, [...job, '--log-format', 'json']);
    const line = json.stderr.split('\n').find((one) => one.includes('"level":"error"'));
    // Open MPI 5 may put a zero byte before a line of another rank.
    t.match(JSON.parse(line?.replaceAll('\0', '') ?? '{}'), {
      code: 'model',
      hint: /the dry run on a grey batch succeeded/,
    });
  }
});

t.test('batches that no buffer can hold are refused before any is made', async (t) => {
  const folder = t.testdir();
  const large = join(folder, 'large.mkv');
  const grey = ['-f', 'lavfi', '-i', 'color=gray:size=4000x3000', '-frames:v', '1', '-c:v', 'mjpeg', large];
  t.equal(spawnSync('ffmpeg', ['-v', 'error', ...grey]).status, 0);
  const job = [large, join(folder, 'o.mp4'), '--model', await identityModel(folder), '--batch'];
  const alone = await runJob(0, [...job, '256']);
  t.equal(alone.code, 1, alone.stderr);
  t.match(errors(alone.stderr), [/a batch of 256 frames of 17\.2 MiB is 4\.29 GiB/]);
  t.match(ourLines(alone.stderr).at(-1), /what fits: --batch 238$/);
  const together = await runJob(2, [...job, '200']);
  t.equal(together.code, 1, together.stderr);
  t.match(errors(together.stderr), [/a round of 2 ranks x 200 frames of 17\.2 MiB is 6\.71 GiB/]);
});

t.test('two jobs do not work on one output', async (t) => {
  const folder = t.testdir();
  const { job, output, args } = await underWay(folder, 1);
  // Held still, so that it cannot end while the second one looks at it.
  const ranks = await jobPids(output);
  t.equal(ranks.length, 1);
  for (const pid of ranks) t.ok(await stop(pid), 'it stands still');
  const second = await runJob(1, args);
  t.equal(second.code, 1);
  t.match(errors(second.stderr)[0], /another job/);
  for (const pid of ranks) process.kill(pid, 'SIGCONT');
  await job.result;
  t.ok((await fs.readdir(folder)).includes('o.mp4'), 'the first one is not disturbed');
});
