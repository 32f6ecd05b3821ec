/** Whole jobs with models from elsewhere, made by code: what comes out against what went in. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { decodedFrames, decodedSamples, ourLines, probed, runJob } from '../fixtures/job.js';
import {
  fixedIdentity,
  hiddenUpscaler,
  type ModelFixture,
  modelFolder,
  nearestUpscaler,
  pictureIdentity,
} from '../fixtures/onnx.js';
import { sharedData } from '../fixtures/shared-data.js';

/** The clips that are used: 25 frames of 160x120. */
const [FRAMES, WIDTH, HEIGHT] = [25, 160, 120];
const LUMA = WIDTH * HEIGHT;

interface Finished {
  readonly input: string;
  readonly output: string;
  readonly stderr: string;
}

/** Runs a job to its end, without loss on either side of the model, and checks that every frame is there at its time. */
async function finished(
  t: Test,
  folder: string,
  model: string,
  options: readonly string[] = [],
): Promise<Finished> {
  const input = await makeClip('vfr-mkv');
  const output = join(folder, 'out.mkv');
  const { code, stderr } = await runJob(2, [input, output, '--model', model, '--codec', 'ffv1', ...options]);
  t.equal(code, 0, stderr);
  const times = (path: string) => decodedFrames(path).map(({ ticks }) => ticks);
  t.same(times(output), times(input), 'every frame at its time');
  return { input, output, stderr };
}

async function inFolder(t: Test, fixture: ModelFixture): Promise<string> {
  return t.testdir(modelFolder(fixture));
}

/** The mean and the largest difference of samples, in levels. */
function difference(a: Uint8Array, b: Uint8Array): { readonly mean: number; readonly most: number } {
  const each = a.map((sample, at) => Math.abs(sample - (b[at] ?? 0)));
  return {
    mean: each.reduce((sum, one) => sum + one, 0) / each.length,
    most: each.reduce((m, x) => Math.max(m, x), 0),
  };
}

t.test('super-resolution: twice the size', async (t) => {
  const folder = await inFolder(t, nearestUpscaler(2));
  const { input, output } = await finished(t, folder, join(folder, 'model.onnx'));
  t.match(probed(output).streams[0], { width: 2 * WIDTH, height: 2 * HEIGHT });
  const [large, small] = [decodedSamples(output, 'luma'), decodedSamples(input, 'luma')];
  t.equal(large.length, 4 * FRAMES * LUMA);
  const everyOther = small.map((_, at) => {
    const [frame, row, column] = [Math.floor(at / LUMA), Math.floor((at % LUMA) / WIDTH), at % WIDTH];
    return large[4 * LUMA * frame + 4 * WIDTH * row + 2 * column] ?? 0;
  });
  // Colours between two samples of chroma may lie outside of RGB, and are clipped.
  t.ok(difference(everyOther, small).mean < 2, `${difference(everyOther, small).mean}`);
});

t.test('grey in, grey out: luma stays, colour goes', async (t) => {
  const folder = await inFolder(t, pictureIdentity({ channels: 'grey' }));
  const { input, output } = await finished(t, folder, join(folder, 'model.onnx'));
  const luma = difference(decodedSamples(output, 'luma'), decodedSamples(input, 'luma'));
  t.ok(luma.mean < 0.5, `luma differs by ${luma.mean}`);
  const all = decodedSamples(output);
  const bytes = all.length / FRAMES;
  const chroma = all.filter((_, at) => at % bytes >= LUMA);
  t.ok(chroma.length === all.length / 3 && chroma.every((sample) => sample === 128));
});

t.test('NHWC of uint8, described by options alone', async (t) => {
  const { bytes } = pictureIdentity({ layout: 'nhwc', type: 'uint8', range: '0..255' });
  const folder = t.testdir({ 'bare.onnx': Buffer.from(bytes) });
  const model = join(folder, 'bare.onnx');
  const { input, output, stderr } = await finished(t, folder, model, [
    '--model-range=0..255',
    '--model-channels=rgb',
  ]);
  t.match(stderr, /treated as uint8 nhwc rgb 0\.\.255 -> rgb, scale 1/, 'what it was taken for is said');
  const all = difference(decodedSamples(output), decodedSamples(input));
  t.ok(all.mean < 1, `differs by ${all.mean}`);
});

t.test('one fixed size: frames are resized to it and back, and a line says so', async (t) => {
  const folder = await inFolder(t, fixedIdentity([1, 3, 90, 120]));
  const { input, output, stderr } = await finished(t, folder, join(folder, 'model.onnx'));
  t.match(stderr, /resized to 120x90, the model.s fixed size, and back/);
  const all = difference(decodedSamples(output), decodedSamples(input));
  t.ok(all.mean > 0.1 && all.mean < 8, `a somewhat softer picture: ${all.mean}`);
});

t.test('one fixed size that the video has: nothing is resized', async (t) => {
  const folder = await inFolder(t, fixedIdentity([2, 3, HEIGHT, WIDTH]));
  const { input, output, stderr } = await finished(t, folder, join(folder, 'model.onnx'));
  t.notMatch(stderr, /frames are resized/);
  t.ok(difference(decodedSamples(output), decodedSamples(input)).mean < 1, 'and its batch of 2 is kept to');
});

t.test('a wrong size is one error before any frame is decoded, and nothing is left', async (t) => {
  const wrong: readonly [string, ModelFixture, RegExp][] = [
    ['told by the graph', pictureIdentity({}, { scale: 2 }), /gives \[1, 3, 120, 160\].*\[1, 3, 240, 320\]/],
    ['found by running it', hiddenUpscaler(), /the model cannot run.*\{1,3,120,320\}.*\{1,3,120,160\}/],
  ];
  for (const [name, fixture, message] of wrong) {
    await t.test(name, async (t) => {
      const folder = await inFolder(t, fixture);
      const calls = join(folder, 'calls');
      const ffmpeg = join(folder, 'ffmpeg');
      await fs.writeFile(calls, '');
      await fs.writeFile(ffmpeg, `#!/bin/sh\necho "$@" >> '${calls}'\nexec ffmpeg "$@"\n`, { mode: 0o755 });
      const clip = await makeClip('cfr');
      const run = (model: string, output: string) =>
        runJob(3, [clip, output, '--model', model], { env: { FFMPEG_PATH: ffmpeg } });
      const decodes = async () =>
        (await fs.readFile(calls, 'utf8'))
          .split('\n')
          .some((call) => call.includes(clip) && / rawvideo /.test(call));

      const { code, stderr } = await run(join(folder, 'model.onnx'), join(folder, 'out.mp4'));
      t.equal(code, 1, stderr);
      const errors = ourLines(stderr).filter((line) => line.startsWith('framescatter: error: '));
      t.equal(errors.length, 1, stderr);
      t.match(errors[0], message);
      t.match(stderr, /--model-scale/, 'and what to look at');
      t.notOk(await decodes(), 'ffmpeg was not asked to decode');
      t.same(
        (await fs.readdir(folder)).filter((one) => one.startsWith('out')),
        [],
      );

      t.equal((await run('wave', join(folder, 'wave.mp4'))).code, 0);
      t.ok(await decodes(), 'as it is for a job that runs');
    });
  }
});

t.test('our own styles: strength 0 is the source, a blend is neither of its parts', async (t) => {
  const folder = t.testdir();
  const source = await finished(t, folder, 'wave', ['--strength', '0', '--size', 'fast']);
  t.ok(difference(decodedSamples(source.output), decodedSamples(source.input)).most <= 1);
  const pictures = [];
  for (const model of ['wave', 'udnie', 'wave:0.5,udnie:0.5']) {
    pictures.push(decodedSamples((await finished(t, folder, model, ['--overwrite'])).output));
  }
  const [wave = Buffer.of(), udnie = Buffer.of(), blend = Buffer.of()] = pictures;
  for (const one of [wave, udnie]) t.ok(difference(blend, one).mean > 3);
});

t.test("a third party's style network", async (t) => {
  const model = sharedData('models/reference-wave.onnx');
  if (model === undefined) return t.comment('skipped: no reference model here');
  const folder = t.testdir();
  const options = ['--model-range=0..255', '--model-channels=rgb'];
  const { input, output } = await finished(t, folder, model, options);
  t.ok(difference(decodedSamples(output), decodedSamples(input)).mean > 10, 'restyled');
});
