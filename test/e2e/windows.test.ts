/** Models that look at neighbouring frames: right, and the same bits however the work is dealt, stopped and resumed. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ffmpegClip } from '../fixtures/clips.js';
import { decodedFrames, decodedSamples, runJob } from '../fixtures/job.js';
import { modelIn } from '../fixtures/model-in.js';
import { KILLED_AT, runUntil } from '../fixtures/port-jobs.js';
import { byChannels, byInputs, byTime, WEIGHTS } from '../fixtures/window-models.js';

t.setTimeout(1_800_000);

const [WIDTH, HEIGHT, FRAMES] = [96, 64, 150];
const WORDS = ['--codec', 'ffv1', '--provider', 'cpu', '--segment-seconds', '0.7'];

/** Grey, so that no colour leaves the RGB that the networks see. */
function clip(): Promise<string> {
  return ffmpegClip(
    'windows.mkv',
    [{ from: { lavfi: `testsrc2=s=${WIDTH}x${HEIGHT}:r=25:d=${FRAMES / 25},hue=s=0` } }],
    [...['-c:v', 'libx264', '-g', '10', '-bf', '2', '-crf', '12', '-pix_fmt', 'yuv420p']],
  );
}

/** The digest of all decoded frames: the same whatever segments they lie in. */
function digestOf(path: string): string {
  return createHash('sha256')
    .update(
      decodedFrames(path)
        .map(({ ticks, md5 }) => `${ticks} ${md5}`)
        .join(),
    )
    .digest('hex');
}

async function made(t: Test, ranks: number, words: readonly string[]): Promise<string> {
  const { code, stderr } = await runJob(ranks, words);
  t.equal(code, 0, stderr);
  return digestOf(words[1] ?? '');
}

t.test('each frame is made of its neighbours', async (t) => {
  const input = await clip();
  const source = decodedSamples(input, 'luma');
  const size = WIDTH * HEIGHT;
  const mirrored = (index: number) => {
    const at = Math.abs(index);
    return at < FRAMES ? at : 2 * (FRAMES - 1) - at;
  };
  const places = {
    replicate: (index: number) => Math.max(0, Math.min(FRAMES - 1, index)),
    reflect: mirrored,
  };
  for (const edge of ['replicate', 'reflect'] as const) {
    const outputs: string[] = [];
    for (const [name, model] of Object.entries({ byChannels, byTime, byInputs })) {
      const folder = join(t.testdir(), `${name}-${edge}`);
      const output = join(folder, 'out.mkv');
      const path = await modelIn(folder, model(edge));
      outputs.push(await made(t, 0, [input, output, '--model', path, ...WORDS]));
      const luma = decodedSamples(output, 'luma');
      t.equal(luma.length, FRAMES * size, 'as many frames');
      let worst = 0;
      for (let frame = 0; frame < FRAMES; frame++) {
        for (let at = 0; at < size; at += 7) {
          const mean = WEIGHTS.reduce(
            (sum, weight, place) => sum + weight * (source[places[edge](frame - 2 + place) * size + at] ?? 0),
            0,
          );
          const off = Math.abs(mean - (luma[frame * size + at] ?? 0));
          worst = Math.max(worst, off);
        }
      }
      // Half a level from rounding, and what float32 adds: the clip is grey, so nothing is clipped.
      t.ok(worst < 0.51, `${name}, ${edge}: ${worst} levels`);
    }
  }
});

t.test('the same bits at any number of ranks, in frames and in segments, stopped or not', async (t) => {
  const input = await clip();
  const folder = t.testdir();
  const model = await modelIn(join(folder, 'model'), byChannels());
  let outputs = 0;
  const words = (...more: readonly string[]): string[] => {
    outputs += 1;
    return [input, join(folder, `out-${outputs}.mkv`), '--model', model, ...WORDS, ...more];
  };
  const golden = await made(t, 0, words());
  for (const [ranks, ...more] of [
    [2, '--schedule', 'dynamic'],
    [3],
    [2, '--batch', '3'],
    [0, '--split', 'segments'],
    [3, '--split', 'segments'],
  ] as const) {
    t.equal(await made(t, ranks, words(...more)), golden, `${ranks} ranks ${more.join(' ')}`);
  }
  for (const [ranks, ...more] of [[0], [2], [2, '--split', 'segments']] as const) {
    const job = words(...more);
    t.not((await runUntil(KILLED_AT, ranks, job)).code, 0, 'it is killed');
    const { code, stderr } = await runJob(more.length > 0 ? 3 : 2 - ranks, job);
    t.equal(code, 0, stderr);
    t.match(stderr, /resuming after \d+ frames/);
    t.equal(digestOf(job[1] ?? ''), golden, `killed on ${ranks} ranks ${more.join(' ')}`);
  }
});

t.test('what does not go with neighbours is refused', async (t) => {
  const input = await clip();
  const folder = t.testdir();
  const model = byChannels();
  const window = { before: 2, after: 1, stack: 'channels' };
  const frames = { role: 'frames', channels: 'rgb', range: '0..1' };
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ x: { ...frames, window } }, /is \[\?, 15, \?, \?\], which is not 4 frames stacked by channels/],
    [{ x: { ...frames, at: 1, window } }, /x\.at" cannot stand beside "window"/],
    [{ x: { ...frames, window: { ...window, before: 99 } } }, /before" must be a whole number from 0 to 32/],
    [{ x: { ...frames, window: { ...window, stack: 'height' } } }, /stack" must be "channels" or "time"/],
  ];
  for (const [at, [inputs, message]] of cases.entries()) {
    const path = await modelIn(join(folder, `${at}`), { ...model, manifest: { ...model.manifest, inputs } });
    const { code, stderr } = await runJob(0, [input, join(folder, 'o.mkv'), '--model', path]);
    t.equal(code, 1, stderr);
    t.match(stderr, message);
  }
});
