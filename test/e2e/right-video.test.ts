/** The right video is found in a file, and is taken for what it is. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { containerFor } from '../../src/video/formats/container.js';
import { listPackets } from '../../src/video/source/compressed-packets.js';
import { probe, sourceLimits } from '../../src/video/source/probe.js';
import { planStreams } from '../../src/video/streams/streams.js';
import { clipFolder, makeClip } from '../fixtures/clips.js';
import { copiedStreams, decodedFrames, probed, runJob } from '../fixtures/job.js';
import { lateSound, lateVideo, stillFirst } from '../fixtures/odd-videos.js';
import { framesOfJob, identityJob } from '../fixtures/whole-jobs.js';

t.setTimeout(1_800_000);

t.test('a video that begins long after the sound is found, by every run of ffmpeg', async (t) => {
  for (const extension of ['ts', 'flv', 'mkv'] as const) {
    const { source, frames } = await framesOfJob(await lateVideo(extension));
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
  const { code, stderr } = await identityJob(folder, input, output);
  t.equal(code, 0, stderr);
  t.equal(decodedFrames(output).length, 25);
  t.same(copiedStreams(output), copiedStreams(input));
});

t.test('sound that begins long after the video is carried over', async (t) => {
  const source = await probe(await lateSound());
  const { actions } = await planStreams(source, containerFor('x.mp4'), 'h264', async () => clipFolder());
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
    message: /does not declare the size/,
    hint: /too far from its start/,
  });
});

t.test('a still picture, larger and marked as default, is not the video', async (t) => {
  const folder = t.testdir();
  const input = await stillFirst('mkv');
  const output = join(folder, 'out.mkv');
  const { code, stderr } = await identityJob(folder, input, output);
  t.equal(code, 0, stderr);
  t.match(stderr, /2 video streams: 1 \(h264, 160x120.*\) is processed.*--video .*: 0 \(mjpeg, 128x96/);
  const [still, video] = probed(output).streams;
  t.match([still, video], [{ codec_name: 'mjpeg' }, { codec_name: 'h264', width: 160 }]);
  t.same(copiedStreams(output), copiedStreams(input));
  for (const path of [output, await stillFirst('mp4')]) {
    t.match(await probe(path), { video: { index: 1 }, notes: [/2 video streams/] });
  }
});

t.test('--video chooses, is checked before the job, and is part of what the journal is of', async (t) => {
  const folder = t.testdir();
  const input = await stillFirst('mkv');
  const output = join(folder, 'out.mkv');
  const wrong = await identityJob(folder, input, output, '--video', '2');
  t.equal(wrong.code, 2);
  t.match(
    wrong.stderr,
    /no video in stream 2: it is audio \(aac\)[\s\S]*0 \(mjpeg, 128x96\), 1 \(h264, 160x120/,
  );
  const none = { code: 'usage', message: /has no stream 9/ };
  await t.rejects(probe(input, sourceLimits(), 9), none);
  const chosen = await identityJob(folder, input, output, '--video', '0');
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
    identityJob(folder, input, join(folder, 'other.mkv'), '--work-dir', work, ...options);
  t.match((await resume('--video', '1')).stderr, /video stream was unset, now 1/);
  t.notMatch((await resume()).stderr, /video stream was/, 'a journal of before it was there stays valid');

  t.match(
    (await runJob(0, ['probe', input, '--video', '0'])).stdout,
    /video: mjpeg, 128x96[\s\S]*streams: 0 video mjpeg 128x96, 1 video h264 160x120, 2 audio aac/,
  );
});
