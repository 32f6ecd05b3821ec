/** Whole jobs with --split segments against the same with --split frames, and what happens when they are disturbed. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeClip, makeClipAs } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import {
  copiedStreams,
  decodedFrames,
  endWithin,
  jobPids,
  nothingLeft,
  ourLines,
  runJob,
  startJob,
} from '../fixtures/job.js';
import { kill } from '../fixtures/processes.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';

t.setTimeout(1_800_000);

const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'];
const SHORT = ['--segment-seconds', '0.4', '--provider', 'cpu'];
/** For clips of five frames a second: no more segments than these need. */
const SLOW_SHORT = ['--segment-seconds', '1.6', '--provider', 'cpu'];

function errors(stderr: string): readonly string[] {
  return ourLines(stderr).filter((line) => line.startsWith('framescatter: error: '));
}

const closedGops = () => makeClipAs('closed.mp4', [...X264, '-bf', '3', '-g', '12']);
const crasAndLeadingPictures = () =>
  makeClipAs('hevc-open.mp4', [
    ...['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params'],
    'log-level=error:open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=3',
  ]);

t.test('at any number of ranks the output is the same, and without loss that of frames', async (t) => {
  const cases: readonly (readonly [string, string, readonly string[], (readonly number[])?])[] = [
    [await closedGops(), 'h264.mp4', ['--crf', '0', '--batch', '4'], [1, 2, 3, 8]],
    [await makeClip('open-gop'), 'ffv1.mkv', ['--codec', 'ffv1'], [2, 8]],
    [await makeClip('long-ts'), 'h264.mp4', ['--crf', '0']],
    [await makeClip('long-mkv'), 'ffv1.mkv', ['--codec', 'ffv1', '--batch', '3']],
    [await makeClip('edit-list'), 'h264.mp4', ['--crf', '0']],
    [await makeClip('vfr-phone'), 'h264.mp4', ['--crf', '0']],
    [await makeClip('late-ts'), 'h264.mkv', ['--crf', '0']],
    [await makeClip('b-frames'), 'h264.mp4', ['--crf', '0']],
    [await crasAndLeadingPictures(), 'ffv1.mkv', ['--codec', 'ffv1']],
    [await makeClip('ten-bit'), 'ffv1.mkv', ['--codec', 'ffv1']],
  ];
  for (const [input, name, options, counts = [2]] of cases) {
    await t.test(`${input.replace(/.*\//, '')} to ${name}`, async (t) => {
      const folder = t.testdir();
      const short = /(?:long|open)-\w+\.\w+$/.test(input) ? SLOW_SHORT : SHORT;
      const words = [...options, ...short, '--model', await identityModel(folder)];
      const frames = join(folder, `frames-${name}`);
      t.match(await runJob(2, [input, frames, ...words]), { code: 0 });
      const expected = decodedFrames(frames);
      const outputs: string[] = [];
      for (const ranks of counts) {
        const output = join(folder, `${ranks}-${name}`);
        const { code, stderr } = await runJob(ranks, [input, output, ...words, '--split', 'segments']);
        t.equal(code, 0, stderr);
        t.match(stderr, /split into \d+ segments/);
        outputs.push((await fs.readFile(output)).toString('base64'));
        if (ranks === 2) {
          t.strictSame(decodedFrames(output), expected, 'every frame and its time');
          t.strictSame(copiedStreams(output), copiedStreams(input), 'sound is copied bit for bit');
        }
      }
      t.equal(new Set(outputs).size, 1, 'the same, bit for bit, on any number of ranks');
    });
  }
});

t.test('what cannot be cut is split into frames, and a line says why', async (t) => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    [await makeClip('long-gop'), ['--split', 'segments', ...SLOW_SHORT], /cannot be cut: there is no place/],
    [await makeClip('one-frame'), ['--split', 'segments', ...SHORT], /cannot be cut: there is no place/],
    [await makeClip('interlaced'), ['--split', 'segments', ...SHORT], /cannot be cut: it is interlaced/],
    [await closedGops(), ['--split', 'segments', '--tolerant', ...SHORT], /--tolerant conceals damage/],
    [await closedGops(), ['--split', 'auto', ...SHORT], /an estimated [\d.]+ frames per second in segments/],
  ];
  for (const [input, words, why] of cases) {
    const folder = t.testdir();
    const output = join(folder, 'o.mp4');
    const { code, stderr } = await runJob(2, [
      ...[input, output, ...words, '--model', await identityModel(folder)],
    ]);
    t.equal(code, 0, stderr);
    t.match(stderr, /split into frames: /);
    t.match(stderr, why);
    t.equal(decodedFrames(output).length, decodedFrames(input).length);
  }
});

/** Starts a slow job in segments and waits until the first of them is done. */
async function underWay(folder: string, ranks: number) {
  const output = join(folder, 'o.mp4');
  const args = [
    ...[await makeClip('open-gop'), output, '--model', await slowModel(folder), '--verbose'],
    ...['--segment-seconds', '0.2', '--split', 'segments'],
  ];
  const job = startJob(ranks, args, { env: slowFfmpeg(folder) });
  while (!/segment \d+ is recorded/.test(job.stderr())) {
    if ((await endWithin(job, 50)) !== undefined) throw new Error(`ended early: ${job.stderr()}`);
  }
  return { job, output, args };
}

async function undisturbed(folder: string): Promise<string> {
  const output = join(folder, 'undisturbed.mp4');
  const words = ['--model', await slowModel(folder), '--segment-seconds', '0.2', '--split', 'segments'];
  const { code, stderr } = await runJob(1, [await makeClip('open-gop'), output, ...words]);
  if (code !== 0) throw new Error(stderr);
  return (await fs.readFile(output)).toString('base64');
}

t.test('a killed rank ends the job soon, and the same command finishes it', async (t) => {
  const expected = await undisturbed(t.testdir());
  for (const which of ['root', 'worker'] as const) {
    const folder = t.testdir();
    const { job, output, args } = await underWay(folder, 3);
    const pids = await jobPids(output);
    t.equal(pids.length, 3);
    process.kill(pids[which === 'root' ? 0 : 2] ?? -1, 'SIGKILL');
    const ended = await job.result;
    t.not(ended.code, 0, which);
    t.notMatch(ended.stderr, /no progress/, 'before anybody wonders');
    await nothingLeft(output, folder);
    t.notOk((await fs.readdir(folder)).includes('o.mp4'), 'no partial output');
    const again = await runJob(2, args);
    t.equal(again.code, 0, again.stderr);
    t.match(again.stderr, /resuming after \d+ frames/);
    t.equal((await fs.readFile(output)).toString('base64'), expected, 'as if nothing had happened');
    t.notOk((await fs.readdir(folder)).includes('o.mp4.framescatter'), 'the journal goes');
  }
});

t.test('a signal stops the job in order: 75, and the same command finishes it', async (t) => {
  for (const [signal, ranks] of [
    ['SIGTERM', 0],
    ['SIGUSR2', 3],
  ] as const) {
    const folder = t.testdir();
    const { job, output, args } = await underWay(folder, ranks);
    process.kill(job.pid, signal);
    const ended = await job.result;
    t.equal(ended.code, 75, `${signal}: ${ended.stderr}`);
    t.equal(errors(ended.stderr).length, 1, 'one message');
    await nothingLeft(output, folder);
    const elsewise = await runJob(
      1,
      args.map((word) => (word === 'segments' ? 'frames' : word)),
    );
    t.match(elsewise, { code: 1, stderr: /split was segments, now frames/ });
    const again = await runJob(
      2,
      args.map((word) => (word === 'segments' ? 'auto' : word)),
    );
    t.equal(again.code, 0, again.stderr);
    t.match(again.stderr, /segments of the compressed video: the earlier run of this job did/);
    t.match(again.stderr, /resuming after/);
    t.equal(decodedFrames(output).length, 100);
  }
});

t.test('an ffmpeg killed on any rank ends the job with one message', async (t) => {
  const folder = t.testdir();
  const { job } = await underWay(folder, 3);
  const [, worker = -1] = (await jobPids(join(folder, 'o.mp4'))).slice(-2);
  // All that it has, until one is hit that had not given its last, which is no fault.
  while ((await endWithin(job, 20)) === undefined) {
    const children = await fs.readFile(`/proc/${worker}/task/${worker}/children`, 'utf8').catch(() => '');
    for (const child of children.match(/\d+/g) ?? []) kill(Number(child));
  }
  const ended = await job.result;
  t.equal(ended.code, 1, ended.stderr);
  t.equal(errors(ended.stderr).length, 1, ended.stderr);
  t.match(errors(ended.stderr).join(), /rank 2 on .*ffmpeg/);
});

t.test('a damaged piece is an error that names the place', async (t) => {
  const folder = t.testdir();
  const input = join(folder, 'damaged.mp4');
  const bytes = Buffer.from(await fs.readFile(await closedGops()));
  const { stdout } = spawnSync(
    'ffprobe',
    [
      '-v',
      'error',
      '-select_streams',
      'v',
      '-show_entries',
      'packet=pos,size',
      '-of',
      'csv=p=0',
      await closedGops(),
    ],
    { encoding: 'utf8' },
  );
  const [size = 0, position = 0] = (stdout.split('\n')[36] ?? '').split(',').map(Number);
  bytes.fill(0x55, position + 40, position + size);
  await fs.writeFile(input, bytes);
  const words = [...SHORT, '--model', await identityModel(folder), '--split', 'segments'];
  const refused = await runJob(3, [input, join(folder, 'o.mp4'), ...words]);
  t.equal(refused.code, 1, refused.stderr);
  t.equal(errors(refused.stderr).length, 1, refused.stderr);
  t.match(errors(refused.stderr)[0], /damaged\.mp4" is damaged near frame (?:3[5-9]|4\d)\b/);
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
});

t.test('ranks with another ffmpeg than the root are refused, and auto does without', async (t) => {
  const folder = t.testdir();
  const other = join(folder, 'ffmpeg');
  const script = `#!/bin/sh
if [ "$OMPI_COMM_WORLD_RANK" = 1 ] && [ "$2" = -version ]; then echo "ffmpeg version 99 x"; exit; fi
exec ffmpeg "$@"
`;
  await fs.writeFile(other, script, { mode: 0o755 });
  const words = [await closedGops(), join(folder, 'o.mp4'), ...SHORT, '--model', await identityModel(folder)];
  const env = { FFMPEG_PATH: other };
  const refused = await runJob(2, [...words, '--split', 'segments'], { env });
  t.equal(refused.code, 1, refused.stderr);
  t.match(errors(refused.stderr)[0], /rank 1 on .* has ffmpeg 99, rank 0 has/);
  const auto = await runJob(2, [...words, '--split', 'auto'], { env });
  t.equal(auto.code, 0, auto.stderr);
  t.match(auto.stderr, /split into frames: rank 1 on .* has ffmpeg 99/);
});
