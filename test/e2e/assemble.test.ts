import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { JobError } from '../../src/system/errors.js';
import { CODEC_FACTS } from '../../src/video/codecs/codecs.js';
import { runFfmpeg, runFfprobe } from '../../src/video/ffmpeg/ffmpeg.js';
import type { ColourTags } from '../../src/video/formats/colour-names.js';
import { containerFor } from '../../src/video/formats/container.js';
import { assemble } from '../../src/video/mux/assemble.js';
import { inspectSegment } from '../../src/video/mux/segment-packets.js';
import { probe } from '../../src/video/source/probe.js';
import { planStreams } from '../../src/video/streams/streams.js';
import { verifyOutput } from '../../src/video/verify/verify.js';
import { type ClipKind, clipFolder, makeClip } from '../fixtures/clips.js';
import {
  finish,
  firstPacketTime,
  makeSegments,
  packetDigests,
  shownTimes,
  UNTAGGED,
} from '../fixtures/finish.js';

// Dozens of short runs of ffmpeg, on whatever machine.
t.setTimeout(1_800_000);

/** A tick: Matroska's millisecond, or the video's own in an ISO file; ffprobe prints microseconds. */
const TICK = { mkv: 0.001, mp4: 0.000_101, mov: 0.000_101 } as const;

const JOURNEYS: readonly (readonly [ClipKind, keyof typeof TICK])[] = [
  ['cfr', 'mp4'],
  ['cfr', 'mov'],
  ['cfr', 'mkv'],
  ['b-frames', 'mp4'],
  ['vfr-mkv', 'mp4'],
  ['vfr-mkv', 'mkv'],
  ['vfr-mp4', 'mp4'],
  ['vfr-mp4', 'mkv'],
  ['late-ts', 'mp4'],
  ['late-ts', 'mkv'],
  ['late-mkv', 'mkv'],
  ['late-mkv', 'mp4'],
  ['edit-list', 'mp4'],
  ['edit-list', 'mkv'],
  ['one-frame', 'mp4'],
];

for (const [kind, extension] of JOURNEYS) {
  t.test(`${kind} to ${extension}: every frame at its time, the sound as it was`, async (t) => {
    const clip = await makeClip(kind);
    const { path, source, notes } = await finish(clip, extension);
    // A transport stream's clock begins anywhere, another one may begin late, and the output's begins at zero.
    const start = kind.startsWith('late') ? (source.startTime ?? 0) : 0;
    t.match(notes, start > 0 ? [/begins at [15]\.\d+ s: everything is shifted earlier/] : []);
    t.equal(notes.length, start > 0 ? 1 : 0);
    const before = await shownTimes(clip);
    const after = await shownTimes(path);
    t.equal(after.length, before.length, 'as many frames');
    const worst = Math.max(
      ...before.map(({ seconds }, frame) => Math.abs(seconds - start - (after[frame]?.seconds ?? 0))),
    );
    t.ok(worst <= TICK[extension], `no frame is further off than a tick (${worst} s)`);
    if (!source.streams.some((stream) => stream.type === 'audio')) return;
    t.same(await packetDigests(path, 'a:0'), await packetDigests(clip, 'a:0'), 'sound bit for bit');
    const offset = (await firstPacketTime(path, 'a:0')) - (await firstPacketTime(clip, 'a:0')) + start;
    t.ok(Math.abs(offset) <= 0.001, `sound starts when it did (${offset} s off)`);
  });
}

/** Levels 0 to 255, sides of a pixel 4:3: what neither NUT nor every bitstream says. */
const FULL_RANGE: ColourTags = {
  matrix: 'bt709',
  primaries: 'bt709',
  transfer: 'bt709',
  range: 'full',
  chromaLocation: undefined,
};
const FULL_RANGE_ENCODING = [
  ...['-vf', 'setsar=4/3,setparams=range=full:color_primaries=bt709:color_trc=bt709:colorspace=bt709'],
  ...['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-color_range', 'pc'],
];

for (const [codec, extension] of [
  ['h264', 'mkv'],
  ['hevc', 'mp4'],
  ['vp9', 'mkv'],
  ['vp9', 'mp4'],
  ['av1', 'mp4'],
  ['prores', 'mov'],
  ['dnxhr', 'mov'],
  ['dnxhr', 'mkv'],
  ['ffv1', 'mkv'],
] as const) {
  t.test(`${codec} in ${extension}: times, colour tags and sample aspect ratio`, async (t) => {
    const { path, source } = await finish(await makeClip('vfr-mp4'), extension, {
      codec,
      encoding: FULL_RANGE_ENCODING,
      tags: FULL_RANGE,
    });
    const { video } = await probe(path);
    t.equal(video.codec, codec === 'dnxhr' ? 'dnxhd' : codec, 'as ffmpeg calls it');
    t.equal((await shownTimes(path)).length, 25);
    t.same(video.sampleAspectRatio, { num: 4, den: 3 });
    t.same([video.matrixTag, video.primariesTag, video.transferTag], ['bt709', 'bt709', 'bt709']);
    if (!CODEC_FACTS[codec].colour.fullRange) t.not(video.rangeTag, 'pc', `${codec} has no full range`);
    else t.equal(video.rangeTag, 'pc');
    if (extension === 'mkv') return;
    // FFmpeg 7 says of the source's last frame that it is shown for no time: it is shown as long as the others then.
    const { duration = 0, averageRate = { num: 1, den: 1 } } = source.video;
    const last = (await shownTimes(path)).at(-1)?.seconds ?? 0;
    const shown = duration > last ? duration - last : averageRate.den / averageRate.num;
    t.ok(Math.abs((video.duration ?? 0) - last - shown) < 0.001, `${video.duration} s`);
  });
}

t.test('times before zero are shifted to zero, the sound with them', async (t) => {
  const clip = await makeClip('cfr');
  const { timeBase } = (await probe(clip)).video;
  const early = Array.from({ length: 25 }, (_, frame) => ((frame - 5) * timeBase.den) / 25 / timeBase.num);
  for (const extension of ['mp4', 'mkv'] as const) {
    const { path, notes } = await finish(clip, extension, { pts: early });
    t.match(notes, [/begins 0\.200 s before time zero/]);
    const times = await shownTimes(path);
    t.equal(times[0]?.seconds, 0);
    t.equal(times.at(-1)?.seconds, 0.96);
    const offset = (await firstPacketTime(path, 'a:0')) - (await firstPacketTime(clip, 'a:0'));
    t.ok(Math.abs(offset - 0.2) <= 0.001, `sound is shifted along (${offset} s)`);
  }
});

t.test('a long wait before the last frames, with B-frames', async (t) => {
  const clip = await makeClip('vfr-mp4');
  const pts = Array.from({ length: 25 }, (_, frame) => frame * 3600 + (frame > 22 ? 900_000 : 0));
  for (const extension of ['mp4', 'mkv'] as const) {
    const { path } = await finish(clip, extension, { pts });
    const times = await shownTimes(path);
    t.same(
      times.slice(-3).map(({ seconds }) => seconds),
      [0.88, 10.92, 10.96],
    );
  }
});

t.test('the last frame is shown as long as in the source', async (t) => {
  const clip = join(clipFolder(), 'long last frame.mp4');
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { file: await makeClip('cfr') } }],
    outputs: [
      {
        to: { file: clip },
        options: ['-c', 'copy', '-an', '-bsf:v', 'setts=duration=if(eq(N\\,24)\\,5120\\,512)'],
      },
    ],
  });
  const { source, path } = await finish(clip, 'mp4');
  t.equal(source.video.duration, 1.36, 'the source says so');
  t.equal((await probe(path)).video.duration, 1.36);
});

t.test('a file name with everything in it', async (t) => {
  const clip = join(clipFolder(), '-a \'b\' "c" $d %d;\n[e].mp4');
  copyFileSync(await makeClip('cfr'), clip);
  const { path } = await finish(clip, 'mp4');
  t.equal((await shownTimes(path)).length, 25);
});

t.test('rotation is carried to the last digit, and colour stays untagged where it was', async (t) => {
  const rotated = await finish(await makeClip('rotated'), 'mp4');
  t.same((await probe(rotated.path)).video.displayMatrix, rotated.source.video.displayMatrix);
  t.ok(rotated.source.video.displayMatrix);
  const larger = await finish(await makeClip('rotated'), 'mov', { size: '320x240' });
  t.equal((await probe(larger.path)).video.rotation, rotated.source.video.rotation);

  const untagged = await finish(await makeClip('cfr'), 'mp4');
  const { video } = await probe(untagged.path);
  t.same([video.matrixTag, video.primariesTag, video.transferTag], [undefined, undefined, undefined]);
});

t.test('the same input gives the same file', async (t) => {
  for (const extension of ['mp4', 'mkv']) {
    const [one, two] = [
      await finish(await makeClip('rich'), extension),
      await finish(await makeClip('rich'), extension),
    ];
    t.equal(statSync(one.path).size, statSync(two.path).size);
    t.same(await digestOf(one.path), await digestOf(two.path), extension);
  }
});

t.test('what cannot be put together is refused, and nothing is left', async (t) => {
  const source = await probe(await makeClip('cfr'));
  const container = containerFor('x.mp4');
  const streams = await planStreams(source, container, 'h264', async () => clipFolder());
  const pts = Array.from({ length: 25 }, (_, frame) => frame * 512);
  const segments = await makeSegments(25);
  const output = join(clipFolder(), 'refused.mp4');
  const job = { source, container, streams, pts, segments, tags: UNTAGGED, output };
  const refused = async (changed: object, message: RegExp, code: string) => {
    await t.rejects(assemble({ ...job, ...changed }), { name: 'JobError', message, code });
    t.notOk(existsSync(output), 'nothing is left');
  };

  await refused({ segments: segments.slice(0, 2) }, /hold 20 frames, but 25/, 'internal');
  await refused({ pts: pts.slice(0, 12) }, /more than the 12 frames/, 'internal');
  await refused({ segments: [] }, /no segment/, 'internal');
  const [other] = await makeSegments(5, 'h264', ['-profile:v', 'baseline', '-bf', '0']);
  await refused({ segments: [...segments.slice(0, 2), other] }, /does not match.*codec header/, 'internal');
  const damaged = join(clipFolder(), 'damaged.nut');
  copyFileSync(segments[0]?.path ?? '', damaged);
  truncateSync(damaged, statSync(damaged).size - 50);
  const [whole, ...others] = segments;
  await refused({ segments: [{ ...whole, path: damaged }, ...others] }, /damaged\.nut/, 'ffmpeg');
  await t.rejects(inspectSegment(damaged), { code: 'ffmpeg', message: /damaged\.nut/ });
  const nowhere = join(clipFolder(), 'no such folder', 'out.mp4');
  await t.rejects(assemble({ ...job, output: nowhere }), { code: 'ffmpeg', message: /no such folder/ });
});

t.test('an abort ends ffmpeg and leaves nothing', async (t) => {
  const source = await probe(await makeClip('cfr'));
  const container = containerFor('x.mp4');
  const streams = await planStreams(source, container, 'h264', async () => clipFolder());
  const pts = Array.from({ length: 25 }, (_, frame) => frame * 512);
  const output = join(clipFolder(), 'aborted.mp4');
  const abort = new AbortController();
  const onProgress = (packets: number) => packets === 5 && abort.abort();
  const job = { source, container, streams, pts, segments: await makeSegments(25), tags: UNTAGGED, output };
  await t.rejects(assemble({ ...job, onProgress, signal: abort.signal }), JobError);
  t.notOk(existsSync(output));
});

t.test('verification finds what is wrong', async (t) => {
  const clip = await makeClip('b-frames');
  const { path, source, streams, pts, times, segments } = await finish(clip, 'mp4');
  const container = containerFor('x.mp4');
  const video = { codec: 'h264', pixelFormat: 'yuv420p', tags: UNTAGGED } as const;
  const expected = { source, streams, container, pts, times, video, segments };
  const wrong = (changed: object, message: RegExp) =>
    t.rejects(verifyOutput(path, { ...expected, ...changed }), { code: 'output', message });
  await wrong({ pts: pts.slice(0, 24) }, /25 frames instead of 24/);
  await wrong({ times: { ...times, end: times.end + 512 } }, /should last 1\.040000 s and lasts 1\.000000 s/);
  await wrong(
    { pts: pts.map((time, frame) => time + (frame === 7 ? 100 : 0)) },
    /frame 7 .* 0\.287813 s and is at 0\.280000 s/,
  );
  const missing = { ...source.streams[1], index: 2 };
  const plan = { ...streams, actions: [...streams.actions, { kind: 'copy', index: 2 }] };
  await wrong(
    { source: { ...source, streams: [...source.streams, missing] }, streams: plan },
    /Audio stream 2 .* is missing/,
  );
  const [first, ...others] = segments;
  const digests = first?.digests.map((digest, packet) => digest + (packet === 3 ? 1 : 0));
  await wrong(
    { segments: [{ ...first, digests }, ...others] },
    /packet 3 \(from 0\) .* not what was encoded/,
  );
  await wrong({ segments: others }, /packet 10 .* not what was encoded/);
  await wrong({ segments: [...segments, ...segments] }, /holds 25 packets of video instead of 50/);
  const cut = join(clipFolder(), 'cut.mp4');
  writeFileSync(cut, '');
  await t.rejects(verifyOutput(cut, expected), { name: 'JobError' });
});

t.test('bytes that changed in a finished file are found, in every codec and container', async (t) => {
  const clip = await makeClip('cfr');
  for (const [extension, codec] of [
    ['mp4', 'h264'],
    ['mkv', 'h264'],
    ['mov', 'hevc'],
    ['webm', 'vp9'],
    ['mp4', 'av1'],
    ['mkv', 'av1'],
    ['mov', 'prores'],
    ['mkv', 'prores'],
    ['mkv', 'ffv1'],
    ['mov', 'dnxhr'],
    ['mkv', 'dnxhr'],
  ] as const) {
    const { path, ...finished } = await finish(clip, extension, { codec });
    const whole = { ...finished, streams: finished.carried, container: containerFor(path) };
    // A demuxer adds to ProRes in Matroska: ffmpeg is asked there.
    const asked = codec === 'prores' && extension === 'mkv';
    const sound = await withoutFfmpeg(t, () =>
      verifyOutput(path, whole).then(
        () => true,
        () => false,
      ),
    );
    t.equal(sound, !asked, `${codec} in ${extension} is read where it lies`);
    const place = await videoBytes(path);
    const damaged = join(clipFolder(), `damaged.${extension}`);
    const bytes = await readFile(path);
    bytes[place] = (bytes[place] ?? 0) ^ 0x55;
    writeFileSync(damaged, bytes);
    const expected = { ...finished, streams: finished.carried, container: containerFor(damaged) };
    await t.rejects(verifyOutput(damaged, expected), { name: 'JobError' }, `${codec} in ${extension}`);
  }
});

/** Does `work` where ffmpeg cannot be started; ffprobe can. */
async function withoutFfmpeg<T>(t: Test, work: () => Promise<T>): Promise<T> {
  const before = process.env.FFMPEG_PATH;
  process.env.FFMPEG_PATH = join(t.testdir(), 'none');
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env.FFMPEG_PATH;
    else process.env.FFMPEG_PATH = before;
  }
}

/** A place in the middle of the video's first packet in the file at `path`. */
async function videoBytes(path: string): Promise<number> {
  const args = ['-select_streams', 'v:0', '-show_entries', 'packet=pos,size', '-of', 'json'];
  const { packets } = (await runFfprobe(path, args)) as { packets: { pos: string; size: string }[] };
  const { pos, size } = packets[0] ?? { pos: '0', size: '0' };
  return Number(pos) + Math.floor(Number(size) / 2);
}

t.test('a file that two wrote to, with times and sizes as they should be, is refused', async (t) => {
  const clip = await makeClip('cfr');
  const one = await finish(clip, 'mkv', { encoding: ['-crf', '30'] });
  const two = await finish(clip, 'mkv', { encoding: ['-crf', '20'] });
  const expected = { ...one, streams: one.carried, container: containerFor('x.mkv') };
  await verifyOutput(one.path, expected);
  await t.rejects(verifyOutput(two.path, expected), { code: 'output', message: /not what was encoded/ });
});

async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
