/** Whole jobs with a model that gives NaN in some frames: what is said of it, and what --strict makes of it. */

import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { openJournal } from '../../src/job/journal/journal.js';
import { nonFiniteFrames, nonFiniteWarning, refuseNonFinite } from '../../src/job/journal/non-finite.js';
import { segmentSink } from '../../src/job/journal/segments.js';
import { openLocalStore } from '../../src/storage/local/work-store.js';
import type { EncodeSpec } from '../../src/video/codecs/codec.js';
import { I420 } from '../../src/video/formats/frame-format.js';
import { makeClipAs } from '../fixtures/clips.js';
import { encoderWork } from '../fixtures/encoder-work.js';
import { nanModel } from '../fixtures/identity-model.js';
import { decodedSamples, ourLines, runJob } from '../fixtures/job.js';

t.setTimeout(1_800_000);

const [WIDTH, HEIGHT, FRAMES] = [64, 48, 40];
const FRAME_BYTES = 1.5 * WIDTH * HEIGHT;
/** Frames 12 to 14 and 30 are bright, and the model gives NaN there. */
const BRIGHT = [12, 13, 14, 30];
const FOUND = {
  count: 4,
  ranges: [
    [12, 14],
    [30, 30],
  ],
};
const WARNING =
  /warning: the model gave NaN or infinity in 4 of 40 frames: 12 to 14, 30 \(from 0\)\. NaN was stored as 0/;
const WORDS = ['--segment-seconds', '0.32', '--codec', 'ffv1', '--provider', 'cpu'];

const clip = () =>
  makeClipAs('bright.mp4', [
    ...[
      '-vf',
      `scale=${WIDTH}:${HEIGHT},geq=lum='if(between(N\\,12\\,14)+eq(N\\,30)\\,200\\,80)':cb=128:cr=128`,
    ],
    ...['-frames:v', String(FRAMES), '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '5', '-g', '8'],
    ...['-pix_fmt', 'yuv420p', '-bf', '0', '-sc_threshold', '0'],
  ]);

function reported(text: string): unknown {
  return (JSON.parse(text) as { readonly nonFiniteFrames?: unknown }).nonFiniteFrames;
}

for (const split of ['frames', 'segments']) {
  t.test(`NaN is a warning with frame numbers, in log and report: --split ${split}`, async (t) => {
    const folder = t.testdir();
    const [output, report] = [join(folder, 'out.mkv'), join(folder, 'report.json')];
    const job = [await clip(), output, '--model', await nanModel(folder), ...WORDS, '--split', split];
    const { code, stderr } = await runJob(2, [...job, '--batch', '3', '--report', report]);
    t.equal(code, 0, stderr);
    t.match(stderr, WARNING);
    t.match(stderr, /warning: the model gave NaN or infinity in frame \d+ \(from 0\); the job continues/);
    const text = await fs.readFile(report, 'utf8');
    t.same(reported(text), FOUND);
    t.match((JSON.parse(text) as { warnings: unknown }).warnings, [/NaN or infinity in 4 of 40 frames/]);
    const samples = decodedSamples(output);
    for (let frame = 0; frame < FRAMES; frame += 1) {
      const black = samples
        .subarray(frame * FRAME_BYTES, frame * FRAME_BYTES + WIDTH * HEIGHT)
        .every((y) => y === 0);
      t.equal(black, BRIGHT.includes(frame), `luma of frame ${frame}`);
    }
  });

  t.test(`with --strict it fails, and can be resumed without: --split ${split}`, async (t) => {
    const folder = t.testdir();
    const [output, report] = [join(folder, 'out.mkv'), join(folder, 'report.json')];
    const job = [await clip(), output, '--model', await nanModel(folder), ...WORDS, '--split', split];
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const { code, stderr } = await runJob(2, [...job, '--strict']);
      t.equal(code, 1, stderr);
      t.match(stderr, /error: the model gave NaN or infinity in frame \d+ \(from 0\)/);
      t.match(stderr, /without it the same command resumes the job and only warns/);
      t.equal(ourLines(stderr).filter((line) => line.includes('error:')).length, 1);
      await t.rejects(fs.stat(output), 'nothing is published');
    }
    const { code, stderr } = await runJob(2, [...job, '--report', report]);
    t.equal(code, 0, stderr);
    // Pieces end in any order: the one that fails may be the first.
    if (split === 'frames') t.match(stderr, /resuming after \d+ frames/);
    t.match(stderr, WARNING);
    t.same(reported(await fs.readFile(report, 'utf8')), FOUND);
  });
}

t.test('a resumed job knows such frames of finished segments and of the spool', async (t) => {
  const folder = join(t.testdir(), 'work');
  const spec: EncodeSpec = {
    codec: 'ffv1',
    crf: 0,
    preset: '',
    pixelFormat: 'yuv420p',
    width: WIDTH,
    height: HEIGHT,
    sample: I420,
    rate: { num: 25, den: 1 },
    keyframeInterval: 8,
    matrix: 'bt709',
    ...{ threads: 1, picturesAtOnce: 1 },
    sampleAspectRatio: undefined,
    tags: {
      range: 'limited',
      matrix: 'bt709',
      primaries: undefined,
      transfer: undefined,
      chromaLocation: undefined,
    },
  };
  const told: number[] = [];
  const open = async () => {
    const store = await openLocalStore(folder);
    const journal = await openJournal(store, { split: 'frames' }, encoderWork(1), {});
    const sink = segmentSink({
      ...{
        journal,
        specs: [spec],
        segmentFrames: 4,
        run: 1,
        layout: { frameBytes: [FRAME_BYTES], tableBytes: 0 },
      },
      onNonFinite: (frame) => void told.push(frame),
    });
    return { store, journal, sink };
  };
  const row = (sound: boolean): Uint8Array => {
    const bytes = new Uint8Array(FRAME_BYTES + 1).fill(100);
    bytes[FRAME_BYTES] = sound ? 1 : 0;
    return bytes;
  };
  const first = await open();
  await first.sink.restore();
  for (let frame = 0; frame < 6; frame += 1) await first.sink.write(row(frame !== 2 && frame !== 5), frame);
  await first.sink[Symbol.asyncDispose]();
  await first.store[Symbol.asyncDispose]();

  const second = await open();
  t.same(await second.sink.restore(), { pts: [0, 1, 2, 3, 4, 5] });
  t.throws(() => refuseNonFinite(true, second.journal.segments), {
    code: 'model',
    message: /in frame 2 \(from 0\)/,
  });
  refuseNonFinite(false, second.journal.segments);
  const segments = await second.sink.finish();
  await second.store[Symbol.asyncDispose]();
  t.same(told, [2, 5, 5], 'the one in the spool is told of again');
  t.same(nonFiniteFrames(segments), {
    count: 2,
    ranges: [
      [2, 2],
      [5, 5],
    ],
  });
});

t.test('a message names so many ranges, and no more', async (t) => {
  const every = { frames: 60, nonFinite: Array.from({ length: 20 }, (_, at) => 3 * at) };
  const warning = nonFiniteWarning(nonFiniteFrames([every, every]), 120, true);
  t.match(warning, /in 40 of 120 frames: 0, 3, 6, .*27, and more \(from 0\)/);
  t.equal(nonFiniteWarning(nonFiniteFrames([{ frames: 60 }]), 60, true), undefined);
});
