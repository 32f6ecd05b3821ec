/** Frames are taken for what they say they are: interlaced or not, of what shape, with how many views. */
import { join } from 'node:path';
import t from 'tap';
import { containerFor } from '../../src/video/formats/container.js';
import { wirePlan } from '../../src/video/frames/wire.js';
import { probe } from '../../src/video/source/probe.js';
import { makeClip } from '../fixtures/clips.js';
import { finish } from '../fixtures/finish.js';
import { decodedFrames, filteredFrames, ourLines, probed } from '../fixtures/job.js';
import {
  changingShape,
  fakeInterlaced,
  interlacedDv,
  partlyInterlaced,
  shapedPixels,
  sideBySide,
  unmarkedFields,
} from '../fixtures/odd-videos.js';
import { framesOfJob, identityJob } from '../fixtures/whole-jobs.js';

t.setTimeout(1_800_000);

const sums = (frames: readonly { readonly md5: string }[]): readonly string[] => frames.map(({ md5 }) => md5);

t.test('frames that say they are interlaced are deinterlaced, though the container does not', async (t) => {
  const dv = await interlacedDv();
  const { wire, frames } = await framesOfJob(dv);
  t.match(wire.notes, [/interlaced: .*deinterlaced/]);
  t.same(sums(frames), filteredFrames(dv, 'bwdif=mode=send_frame:parity=bff'));
  t.same(
    frames.map(({ seconds }) => seconds),
    [0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28],
  );

  const partly = await partlyInterlaced();
  const mixed = await framesOfJob(partly);
  const [own, all] = [decodedFrames(partly), filteredFrames(partly, 'bwdif=mode=send_frame:parity=tff')];
  t.equal(mixed.frames.length, 50);
  t.same(sums(mixed.frames.slice(0, 25)), sums(own.slice(0, 25)), 'progressive frames are not touched');
  t.same(sums(mixed.frames.slice(26)), all.slice(26), 'the others are');
  t.notSame(sums(mixed.frames.slice(26)), sums(own.slice(26)));
  t.ok(
    mixed.frames.every(({ seconds }, n) => Math.abs(seconds - n * 0.04) < 0.001),
    'at the same times',
  );

  const unmarked = await framesOfJob(await unmarkedFields());
  t.equal(
    unmarked.wire.filters[0],
    'bwdif=mode=send_frame:parity=bff',
    'where frames say nothing the container does',
  );
});

t.test('progressive video is not touched', async (t) => {
  const fake = await fakeInterlaced();
  for (const path of [fake, await makeClip('cfr'), await makeClip('late-ts')]) {
    const { source, wire, frames } = await framesOfJob(path);
    t.same([source.video.interlaced, wire.filters, wire.notes], [false, [], []]);
    t.same(sums(frames), sums(decodedFrames(path)));
  }
});

t.test('the sample aspect ratio is kept exactly, or the nearest is named', async (t) => {
  const input = await shapedPixels('321x179', '2864/2889');
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['out.mp4', ['--codec', 'hevc'], '2864:2889'],
    ['ffv1.mkv', ['--codec', 'ffv1'], '2864:2889'],
    // WebM counts in whole pixels: 318 for 318.22.
    ['out.webm', ['--codec', 'vp9'], '106:107'],
  ];
  const folder = t.testdir();
  for (const [name, options, aspect] of cases) {
    const output = join(folder, name);
    const { code, stderr } = await identityJob(folder, input, output, ...options);
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
