/** NVDEC and NVENC: what this machine's FFmpeg says of them, and one that stands for an ffmpeg with a GPU. */

import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { visibleGpus } from '../../src/system/devices.js';
import type { EncodeSpec } from '../../src/video/codecs/codec.js';
import { frameBytes, I420 } from '../../src/video/formats/frame-format.js';
import { type DecodeOptions, openDecoder } from '../../src/video/frames/decode.js';
import { tryNvdec, tryNvenc } from '../../src/video/frames/nvidia-trial.js';
import { wirePlan } from '../../src/video/frames/wire.js';
import { probe } from '../../src/video/source/probe.js';
import { ofPiece, sampleOf } from '../../src/video/split/sample.js';
import { type ClipKind, makeClip, makeClipAs } from '../fixtures/clips.js';
import { nothingLeft, runJob } from '../fixtures/job.js';
import { enginesUsed, nvidiaFfmpeg, type Trouble } from '../fixtures/nvidia-ffmpeg.js';

t.setTimeout(1_800_000);

/** What of this file holds only where there is no GPU. */
const NO_GPU = visibleGpus() > 0 ? { skip: 'there is a GPU' } : {};

function specFor(width: number, height: number): EncodeSpec {
  return {
    ...{ codec: 'h264', crf: 20, preset: 'veryfast', pixelFormat: 'yuv420p', width, height, sample: I420 },
    ...{
      rate: { num: 25, den: 1 },
      keyframeInterval: 10,
      matrix: 'bt601',
      sampleAspectRatio: undefined,
      ...{ threads: 1, picturesAtOnce: 1 },
    },
    tags: {
      ...{ matrix: undefined, primaries: undefined, transfer: undefined, range: 'limited' },
      chromaLocation: undefined,
    },
  };
}

/** Puts the stand-in in ffmpeg's place for the length of a test of this process; the folder that it is in. */
function standIn(t: Test, trouble: Trouble = {}): string {
  const folder = t.testdir();
  process.env.FFMPEG_PATH = nvidiaFfmpeg(folder, trouble);
  t.teardown(() => delete process.env.FFMPEG_PATH);
  return folder;
}

async function opened(path: string, carriesDisplayMatrix = true) {
  const source = await probe(path);
  return { source, wire: wirePlan(source.video, { carriesDisplayMatrix }) };
}

async function decoded(
  path: string,
  options: Partial<DecodeOptions>,
  carriesDisplayMatrix = true,
): Promise<readonly string[]> {
  const { source, wire } = await opened(path, carriesDisplayMatrix);
  await using decoder = await openDecoder(source, wire, { tolerant: false, ...options });
  const frame = new Uint8Array(frameBytes(wire.format));
  const frames: string[] = [];
  for (;;) {
    const pts = await decoder.read(frame);
    if (pts === undefined) return frames;
    frames.push(`${pts} ${createHash('md5').update(frame).digest('hex')}`);
  }
}

t.test('this FFmpeg without a GPU: the trials say no, and why', NO_GPU, async (t) => {
  const { source, wire } = await opened(await makeClip('b-frames'));
  const why = /libcuda|CUDA|device|Unknown/i;
  t.match(await tryNvdec(source, wire, 0), { works: false, why });
  t.match(await tryNvenc(specFor(160, 120), 0, t.testdir()), { works: false, why });
  t.same(await fs.readdir(t.testdirName), [], 'nothing is left of it');
});

t.test('what comes down from NVDEC as NV12 is what software decodes, sample for sample', async (t) => {
  const kinds: readonly ClipKind[] = ['cfr', 'b-frames', 'vfr-mp4', 'late-ts', 'edit-list', 'full-range'];
  const vp9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-pix_fmt', 'yuv420p'];
  const clips = [
    ...(await Promise.all(kinds.map(makeClip))),
    await makeClipAs('limited.webm', vp9),
    await makeClipAs('full.webm', [...vp9, '-vf', 'scale=out_range=full', '-color_range', 'pc']),
    await makeClipAs('hevc.mp4', [
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-x265-params',
      'log-level=error',
    ]),
  ];
  const rotated = await makeClip('rotated');
  const folder = standIn(t);
  for (const clip of clips) {
    const expected = await decoded(clip, {});
    t.ok(expected.length > 0);
    t.same(await decoded(clip, { gpu: 1 }), expected, clip.replace(/.*\//, ''));
  }
  t.same(await decoded(rotated, { gpu: 1 }, false), await decoded(rotated, {}, false), 'turned');
  const long = await makeClip('open-gop');
  const all = await decoded(long, {});
  const resume = { frames: 90, lastPts: Number(all[89]?.split(' ')[0]) };
  t.same(await decoded(long, { gpu: 1, resume }), all.slice(90), 'resumed');
  t.same(enginesUsed(folder), Array(clips.length + 2).fill('nvdec 1 0'), 'on the device that was named');
});

t.test('a trial of NVDEC believes what it sees', async (t) => {
  const { source, wire } = await opened(await makeClip('b-frames'));
  const single = await opened(await makeClip('one-frame'));
  const ten = await opened(await makeClip('cfr'));
  const cases: readonly (readonly [string | undefined, object])[] = [
    [undefined, { works: true }],
    ['broken', { works: false, why: 'nvdec: no capable device' }],
    ['wrong', { works: false, why: 'its frame 0 differs from the one that software decodes' }],
    ['software', { works: false, why: /still decodes the video in software/ }],
  ];
  for (const [STAND_IN_NVDEC, expected] of cases) {
    await t.test(STAND_IN_NVDEC ?? 'fine', async (t) => {
      standIn(t, STAND_IN_NVDEC === undefined ? {} : { STAND_IN_NVDEC });
      t.match(await tryNvdec(source, wire, 0), expected);
      await nothingLeft(source.path);
    });
  }
  await t.test('videos shorter than the trial', async (t) => {
    standIn(t);
    t.same(await tryNvdec(single.source, single.wire, 0), { works: true });
    t.same(await tryNvdec(ten.source, ten.wire, 0), { works: true });
  });
  await t.test('a driver that hangs', async (t) => {
    standIn(t, { STAND_IN_NVDEC: 'hangs' });
    t.match(await tryNvdec(source, wire, 0, 300), { works: false, why: /did not answer within 0.3 s/ });
  });
  await t.test('no ffmpeg', async (t) => {
    process.env.FFMPEG_PATH = '/no/such/ffmpeg';
    t.teardown(() => delete process.env.FFMPEG_PATH);
    t.match(await tryNvdec(source, wire, 0), { works: false, why: /cannot be started/ });
  });
});

t.test('a trial of NVENC encodes, and tells headers apart', async (t) => {
  const headers = new Set<string>();
  for (const STAND_IN_NVENC of [undefined, 'other', 'broken', 'hangs']) {
    await t.test(STAND_IN_NVENC ?? 'fine', async (t) => {
      const folder = standIn(t, STAND_IN_NVENC === undefined ? {} : { STAND_IN_NVENC });
      const limit = STAND_IN_NVENC === 'hangs' ? 300 : undefined;
      const trial = await tryNvenc(specFor(160, 120), 2, folder, limit);
      if (trial.works) headers.add(trial.header);
      else t.match(trial.why, /^nvenc: no capable device$|did not answer/);
      t.equal(trial.works, STAND_IN_NVENC === undefined || STAND_IN_NVENC === 'other');
      if (limit !== undefined) return;
      t.same(enginesUsed(folder), ['nvenc 2 0']);
      t.notOk((await fs.readdir(folder)).some((name) => name.endsWith('.nut')));
    });
  }
  t.equal(headers.size, 2);
});

t.test('a sample of a video is its beginning, for ranks that have not got the file', async (t) => {
  for (const kind of ['b-frames', 'late-ts', 'edit-list', 'long-mkv'] as const) {
    const { source, wire } = await opened(await makeClip(kind));
    const path = join(standIn(t), 'sample.nut');
    await fs.writeFile(path, await sampleOf(source));
    t.same(await tryNvdec(ofPiece(source, path), wire, 0), { works: true }, kind);
  }
});

t.test('doctor and probe say what they find', async (t) => {
  const folder = t.testdir();
  const env = { FFMPEG_PATH: nvidiaFfmpeg(folder, { STAND_IN_NVENC: 'broken' }) };
  const doctor = await runJob(0, ['doctor'], { env });
  t.match(doctor.stdout, /^ok {4}NVDEC +works/m);
  t.match(doctor.stdout, /^note {2}NVENC +nvenc: no capable device\n +-> jobs use software codecs/m);
  const probing = async (kind: ClipKind, ...words: readonly string[]) =>
    (await runJob(0, ['probe', await makeClip(kind), ...words], { env })).stdout;
  t.match(await probing('b-frames'), /NVDEC works; NVENC, .*, does not: nvenc: no capable device/);
  t.match(JSON.parse(await probing('interlaced', '--json')).hardware, {
    nvdec: { works: false, why: /^mpeg2video/ },
    nvenc: { works: false, why: 'nvenc: no capable device' },
  });
});
