/** The right video is found in a file, and is taken for what it is. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { listPackets } from '../../src/video/compressed-packets.js';
import { containerFor } from '../../src/video/container.js';
import { openDecoder } from '../../src/video/decode.js';
import { frameBytes } from '../../src/video/frame-format.js';
import { probe } from '../../src/video/probe.js';
import { planStreams } from '../../src/video/streams.js';
import { wirePlan } from '../../src/video/wire.js';
import { makeClip } from '../fixtures/clips.js';
import { finish } from '../fixtures/finish.js';
import { identityModel } from '../fixtures/identity-model.js';
import { copiedStreams, decodedFrames, filteredFrames, ourLines, probed, runJob } from '../fixtures/job.js';
import {
  changingShape,
  fakeInterlaced,
  interlacedDv,
  lateSound,
  lateVideo,
  partlyInterlaced,
  shapedPixels,
  sideBySide,
  stillFirst,
  unmarkedFields,
} from '../fixtures/odd-videos.js';

t.setTimeout(300_000);

/** Every frame that a job would process: its time in seconds, and a digest of it. */
async function decode(path: string) {
  const source = await probe(path);
  const wire = wirePlan(source.video, containerFor('x.mp4'));
  const decoder = await openDecoder(source, wire, { tolerant: false });
  const frame = new Uint8Array(frameBytes(wire.format.width, wire.format.height));
  const { num, den } = source.video.timeBase;
  const frames: { readonly seconds: number; readonly md5: string }[] = [];
  try {
    for (;;) {
      const pts = await decoder.read(frame);
      if (pts === undefined) return { source, wire, frames };
      frames.push({ seconds: (pts * num) / den, md5: createHash('md5').update(frame).digest('hex') });
    }
  } finally {
    await decoder.close();
  }
}

/** Runs a job that changes nothing in the frames. */
async function job(folder: string, input: string, output: string, ...options: readonly string[]) {
  const model = ['--model', await identityModel(folder), '--provider', 'cpu'];
  return runJob(0, [input, output, ...model, ...options]);
}

const sums = (frames: readonly { readonly md5: string }[]): readonly string[] => frames.map(({ md5 }) => md5);

t.test('a video that begins long after the sound is found, by every run of ffmpeg', async (t) => {
  for (const extension of ['ts', 'flv', 'mkv'] as const) {
    const { source, frames } = await decode(await lateVideo(extension));
    t.match(source.video, { width: 64, height: 48, pixelFormat: 'yuv420p' }, extension);
    t.equal(frames.length, 25);
    const steps = frames.slice(1).map(({ seconds }, n) => seconds - (frames[n]?.seconds ?? 0));
    t.ok(
      steps.every((step) => Math.abs(step - 0.04) < 0.002),
      `${extension}: each at its time`,
    );
    const begin = (frames[0]?.seconds ?? 0) - (source.startTime ?? 0);
    t.ok(Math.abs(begin - 20) < 0.1, `${extension}: begins ${begin} s after the sound`);
    let packets = 0;
    for await (const _ of listPackets(source)) packets += 1;
    t.equal(packets, 25);
  }
  const folder = t.testdir();
  const output = join(folder, 'out.mkv');
  const input = await lateVideo('flv');
  const { code, stderr } = await job(folder, input, output);
  t.equal(code, 0, stderr);
  t.equal(decodedFrames(output).length, 25);
  t.same(copiedStreams(output), copiedStreams(input));
});

t.test('sound that begins long after the video is carried over', async (t) => {
  const source = await probe(await lateSound());
  const { actions } = await planStreams(source, containerFor('x.mp4'), 'h264');
  t.same(actions, [
    { kind: 'video', index: 0 },
    { kind: 'copy', index: 1 },
  ]);
  t.same((await probe(await makeClip('late-ts'))).openOptions, [], 'no run looks further than it has to');
});

t.test('a video that is announced and never comes is refused', async (t) => {
  const whole = await fs.readFile(await lateVideo('ts'));
  const path = join(t.testdir(), 'announced.ts');
  await fs.writeFile(path, whole.subarray(0, 188 * Math.floor(whole.length / 376)));
  await t.rejects(probe(path), {
    code: 'input',
    message: /does not tell the size/,
    hint: /too far from its start/,
  });
});

t.test('frames that say they are interlaced are deinterlaced, though the container does not', async (t) => {
  const dv = await interlacedDv();
  const { wire, frames } = await decode(dv);
  t.match(wire.notes, [/interlaced: .*deinterlaced/]);
  t.same(sums(frames), filteredFrames(dv, 'bwdif=mode=send_frame:parity=bff'));
  t.same(
    frames.map(({ seconds }) => seconds),
    [0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28],
  );

  const partly = await partlyInterlaced();
  const mixed = await decode(partly);
  const [own, all] = [decodedFrames(partly), filteredFrames(partly, 'bwdif=mode=send_frame:parity=tff')];
  t.equal(mixed.frames.length, 50);
  t.same(sums(mixed.frames.slice(0, 25)), sums(own.slice(0, 25)), 'progressive frames are not touched');
  t.same(sums(mixed.frames.slice(26)), all.slice(26), 'the others are');
  t.notSame(sums(mixed.frames.slice(26)), sums(own.slice(26)));
  t.ok(
    mixed.frames.every(({ seconds }, n) => Math.abs(seconds - n * 0.04) < 0.001),
    'at the same times',
  );

  const unmarked = await decode(await unmarkedFields());
  t.equal(
    unmarked.wire.filters[0],
    'bwdif=mode=send_frame:parity=bff',
    'where frames say nothing the container does',
  );
});

t.test('progressive video is not touched', async (t) => {
  const fake = await fakeInterlaced();
  for (const path of [fake, await makeClip('cfr'), await makeClip('late-ts')]) {
    const { source, wire, frames } = await decode(path);
    t.same([source.video.interlaced, wire.filters, wire.notes], [false, [], []]);
    t.same(sums(frames), sums(decodedFrames(path)));
  }
});

t.test('a still picture, larger and marked as default, is not the video', async (t) => {
  for (const extension of ['mkv', 'mp4'] as const) {
    const folder = t.testdir();
    const input = await stillFirst(extension);
    const output = join(folder, `out.${extension}`);
    const { code, stderr } = await job(folder, input, output);
    t.equal(code, 0, stderr);
    t.match(stderr, /2 video streams: 1 \(h264, 160x120.*\) is processed.*--video .*: 0 \(mjpeg, 128x96/);
    const [still, video] = probed(output).streams;
    t.match([still, video], [{ codec_name: 'mjpeg' }, { codec_name: 'h264', width: 160 }]);
    t.equal((await probe(output)).video.index, 1, 'the result is seen alike');
    t.same(copiedStreams(output), copiedStreams(input));
  }
});

t.test('--video chooses, is checked before the job, and is part of what the journal is of', async (t) => {
  const folder = t.testdir();
  const input = await stillFirst('mkv');
  const output = join(folder, 'out.mkv');
  const wrong = await job(folder, input, output, '--video', '2');
  t.equal(wrong.code, 2);
  t.match(
    wrong.stderr,
    /no video in stream 2: it is audio \(aac\)[\s\S]*0 \(mjpeg, 128x96\), 1 \(h264, 160x120/,
  );
  t.match(await job(folder, input, output, '--video', '9'), { code: 2, stderr: /has no stream 9/ });
  const chosen = await job(folder, input, output, '--video', '0');
  t.equal(chosen.code, 0, chosen.stderr);
  t.match(probed(output).streams, [
    { codec_name: 'h264', width: 128 },
    { codec_name: 'h264', width: 160 },
  ]);

  const work = join(folder, 'work');
  await fs.mkdir(work);
  const journal = { journal: 1, identity: {}, encoderThreads: 1, runs: 1 };
  await fs.writeFile(join(work, 'journal.json'), JSON.stringify(journal));
  const resume = (...options: readonly string[]) =>
    job(folder, input, join(folder, 'other.mkv'), '--work-dir', work, ...options);
  t.match((await resume('--video', '1')).stderr, /video stream was unset, now 1/);
  t.notMatch((await resume()).stderr, /video stream was/, 'a journal of before it was there stays valid');

  const listed = await runJob(0, ['probe', input]);
  t.match(listed.stdout, /streams: 0 video mjpeg 128x96, 1 video h264 160x120, 2 audio aac/);
  t.match((await runJob(0, ['probe', input, '--video', '0'])).stdout, /video: mjpeg, 128x96/);
});

t.test('the sample aspect ratio is kept exactly, or the nearest is named', async (t) => {
  const input = await shapedPixels('321x179', '2864/2889');
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['out.mkv', [], '2864:2889'],
    ['out.mp4', ['--codec', 'hevc'], '2864:2889'],
    ['ffv1.mkv', ['--codec', 'ffv1'], '2864:2889'],
    // WebM counts in whole pixels: 318 for 318.22.
    ['out.webm', ['--codec', 'vp9'], '106:107'],
  ];
  const folder = t.testdir();
  for (const [name, options, aspect] of cases) {
    const output = join(folder, name);
    const { code, stderr } = await job(folder, input, output, ...options);
    t.equal(code, 0, stderr);
    t.equal(probed(output).streams[0]?.sample_aspect_ratio, aspect, name);
    const said = ourLines(stderr).filter((line) => line.includes('sample aspect ratio'));
    if (aspect === '2864:2889') t.same(said, [], name);
    else t.match(said, [/is 106:107, the nearest to the source's 2864:2889 that \.webm/]);
  }
});

t.test('what changes on the way is said', async (t) => {
  t.match((await probe(await changingShape())).notes, [
    /sample aspect ratio changes within the video \(12:11, 16:11\): 12:11 is kept/,
  ]);
});

t.test('stereo 3D marks are kept where the container has them, and never end a job', async (t) => {
  const kept = await finish(await sideBySide('left_right'), 'mkv', { size: '64x48' });
  t.match(probed(kept.path).streams, [{ tags: { stereo_mode: 'left_right' } }]);
  const source = await sideBySide('checkerboard_lr');
  const lost = await finish(source, 'webm', { codec: 'vp9', size: '64x48' });
  t.notMatch(JSON.stringify(probed(lost.path).streams), /stereo/i);
  t.match(wirePlan(lost.source.video, containerFor('x.webm')).notes, [/stereo 3D \(checkerboard_lr\)/]);
});
