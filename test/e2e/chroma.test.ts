/** Jobs of 4:2:2 and 4:4:4: every sample, in every codec; work begun at another chroma. */
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ffmpegClip } from '../fixtures/clips.js';
import { largestDifference } from '../fixtures/float64-reference.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedSamples, killRanks, ourLines, probed, runJob, startJob } from '../fixtures/job.js';
import { floats, imageManifest, modelBytes, modelFolder, node, pictureIdentity } from '../fixtures/onnx.js';
import { randomNumbers } from '../fixtures/random.js';
import { until } from '../fixtures/until.js';

t.setTimeout(600_000);

/** Codes inside of the gamut, so that clipping RGB changes none. */
const COLOURS = 'format=yuv444p,lutyuv=y=70+val/3:u=112+val/8:v=112+val/8';
const PICTURE = [{ from: { lavfi: `testsrc2=size=96x64:rate=25,${COLOURS}` } }];

/** 20 frames of H.264 without loss, which is cut every 10. */
function fineClip(pixelFormat: string): Promise<string> {
  return ffmpegClip(`fine-${pixelFormat}.mp4`, PICTURE, [
    ...['-frames:v', '20', '-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '0', '-g', '10', '-bf', '0'],
    ...['-pix_fmt', pixelFormat],
  ]);
}

function shortClip(pixelFormat: string): Promise<string> {
  const picture = [{ from: { lavfi: `testsrc2=size=256x144:rate=25,${COLOURS}` } }];
  const options = ['-frames:v', '2', '-c:v', 'ffv1', '-pix_fmt', pixelFormat];
  return ffmpegClip(`short-${pixelFormat}.mkv`, picture, options);
}

const pixelFormatOf = (path: string): unknown => probed(path).streams[0]?.pix_fmt;

function samplesIn(path: string, bits: 8 | 10): ArrayLike<number> {
  const bytes = Uint8Array.from(decodedSamples(path));
  return bits === 8 ? bytes : new Uint16Array(bytes.buffer);
}

/** Writes a model that takes RGB, and tens of milliseconds for a small frame. Returns its path. */
async function slowRgbModel(folder: string): Promise<string> {
  const random = randomNumbers(7);
  const channels = [3, 64, 64, 64, 64, 3];
  const layers = channels.slice(1).map((to, layer) => {
    const from = channels[layer] ?? 0;
    const weights = Array.from({ length: to * from * 9 }, () => (random() - 0.5) * Math.sqrt(6 / (from * 9)));
    const [x, y] = [layer === 0 ? 'input' : `x${layer}`, layer === 4 ? 'output' : `x${layer + 1}`];
    return {
      weights: floats(`w${layer}`, [to, from, 3, 3], weights),
      node: node('Conv', [x, `w${layer}`], y, { pads: [1, 1, 1, 1] }),
    };
  });
  const end = { dims: ['N', 3, 'H', 'W'] };
  const bytes = modelBytes({
    nodes: layers.map((layer) => layer.node),
    initializers: layers.map((layer) => layer.weights),
    ...{ input: end, output: end },
  });
  await fs.writeFile(join(folder, 'model.onnx'), bytes);
  await fs.writeFile(join(folder, 'model.json'), JSON.stringify(imageManifest({ multiple: 2 })));
  return join(folder, 'model.onnx');
}

function rgbFolder(t: Test): { readonly folder: string; readonly model: string } {
  const folder = t.testdir(modelFolder(pictureIdentity()));
  return { folder, model: join(folder, 'model.onnx') };
}

t.test('an RGB identity gives every sample back: at any number of ranks, and in segments', async (t) => {
  const { folder, model } = rgbFolder(t);
  for (const [pixelFormat, bits, all] of [
    [
      'yuv422p10le',
      10,
      [
        [0, 'frames'],
        [3, 'frames'],
        [2, 'segments'],
      ],
    ],
    [
      'yuv444p',
      8,
      [
        [1, 'frames'],
        [3, 'segments'],
      ],
    ],
  ] as const) {
    const clip = await fineClip(pixelFormat);
    const source = samplesIn(clip, bits);
    const files: Buffer[] = [];
    for (const [ranks, split] of all) {
      const output = join(folder, `${pixelFormat}-${ranks}.mkv`);
      const words = ['--codec', 'ffv1', '--model', model, '--split', split, '--segment-seconds', '0.4'];
      const { code, stderr } = await runJob(ranks, [clip, output, ...words]);
      t.equal(code, 0, stderr);
      const chroma = pixelFormat.includes('422') ? '4:2:2' : '4:4:4';
      t.match(stderr, `has ${chroma} chroma (${pixelFormat}): it is processed and written as ${chroma}.`);
      if (split === 'segments') t.match(stderr, /split into 2 segments/);
      t.equal(pixelFormatOf(output), pixelFormat);
      const made = samplesIn(output, bits);
      t.ok(largestDifference(made, source) <= 1, `${pixelFormat} on ${ranks} ranks in ${split}`);
      files.push(decodedSamples(output));
    }
    for (const file of files.slice(1)) t.ok(file.equals(files[0] ?? Buffer.of()), `${pixelFormat}: the same`);
  }
});

t.test('each codec has the chroma that its players show, or as asked', async (t) => {
  const { folder, model } = rgbFolder(t);
  const more = '; --chroma 444 keeps more, which fewer players show.';
  const cases: readonly (readonly [words: string, extension: string, pixelFormat: RegExp, note: string])[] = [
    ['--codec h264', 'mp4', /^yuv420p$/, `written as 4:2:0${more}`],
    ['--codec h264 --chroma 422', 'mp4', /^yuv422p$/, 'written as 4:2:2.'],
    ['--codec hevc --chroma 444 --depth 10', 'mp4', /^yuv444p10le$/, 'written as 4:4:4.'],
    ['--codec vp9 --chroma 444', 'webm', /^yuv444p$/, 'written as 4:4:4.'],
    ['--codec av1 --chroma 444', 'mkv', /^yuv444p$/, 'written as 4:4:4.'],
    ['--codec prores', 'mov', /^yuv422p10le$/, 'written as 4:2:2, the most that prores is written with.'],
    ['--codec prores --preset 4444', 'mov', /^yuv444p1[02]le$/, 'written as 4:4:4.'],
    ['--codec dnxhr --preset 444', 'mov', /^yuv444p10le$/, 'written as 4:4:4.'],
  ];
  const clip = await shortClip('yuv444p');
  for (const [words, extension, pixelFormat, note] of cases) {
    const output = join(folder, `o.${extension}`);
    const all = [clip, output, '--model', model, '--overwrite', ...words.split(' ')];
    const { code, stderr } = await runJob(0, all);
    t.equal(code, 0, `${words}: ${stderr}`);
    t.match(String(pixelFormatOf(output)), pixelFormat, words);
    t.ok(stderr.includes(note), `${words}: ${stderr}`);
  }
});

t.test('what a codec or a model cannot have is refused before any work', async (t) => {
  for (const [words, message] of [
    ['o.mov --codec prores --chroma 444', /--chroma of --codec prores is 420 or 422, and cannot be 444/],
    ['o.mov --codec dnxhr --preset sq --chroma 444', /--codec dnxhr --preset sq is 420 or 422/],
    ['o.mp4 --chroma 411', /chroma/],
    ['o.csv --chroma 422', /--chroma does not apply where OUTPUT is a table/],
  ] as const) {
    const { code, stderr } = await runJob(0, ['in.mp4', ...words.split(' ')]);
    t.equal(code, 2, words);
    t.match(stderr, message);
  }
  const folder = t.testdir();
  const model = await identityModel(folder);
  const output = join(folder, 'o.mkv');
  const clip = await shortClip('yuv444p');
  const words = [clip, output, '--model', model, '--codec', 'ffv1'];
  const refused = await runJob(0, [...words, '--chroma', '444']);
  t.equal(refused.code, 2, refused.stderr);
  t.match(refused.stderr, /takes blocks of 4:2:0, so --chroma 444 does not apply/);
  const { code, stderr } = await runJob(0, words);
  t.equal(code, 0, stderr);
  t.match(stderr, /finer chroma .* written as 4:2:0, which is what the model takes\./);
  t.equal(pixelFormatOf(output), 'yuv420p');
});

/** Kills a job of `words` when its first segments are recorded. */
async function killedJob(words: readonly [input: string, output: string, ...string[]]): Promise<void> {
  const [, output] = words;
  const job = startJob(0, words);
  await until('a segment', async () => existsSync(join(`${output}.framescatter`, 'segment-000001.json')));
  await killRanks(output);
  await job.result;
}

t.test('a killed job resumes: to the same bits, and with the chroma with which it was begun', async (t) => {
  const folder = t.testdir();
  const model = await slowRgbModel(folder);
  const picture = [{ from: { lavfi: 'testsrc2=size=160x120:rate=25' } }];
  const options = ['-frames:v', '40', '-c:v', 'ffv1', '-pix_fmt', 'yuv422p'];
  const clip = await ffmpegClip('long-422.mkv', picture, options);
  const [whole, killed, plain] = ['whole', 'killed', 'plain'].map((name) => join(folder, `${name}.mkv`));
  const words = ['--codec', 'ffv1', '--model', model, '--provider', 'cpu', '--segment-seconds', '0.2'];
  t.equal((await runJob(2, [clip, whole ?? '', ...words])).code, 0);
  await killedJob([clip, killed ?? '', ...words]);
  const { code, stderr } = await runJob(3, [clip, killed ?? '', ...words]);
  t.equal(code, 0, stderr);
  t.match(stderr, /resuming after \d+ frames/);
  t.ok((await fs.readFile(killed ?? '')).equals(await fs.readFile(whole ?? '')));

  // Its journal is that of a version that knew 4:2:0 alone.
  await killedJob([clip, plain ?? '', ...words, '--chroma', '420']);
  const other = await runJob(0, [clip, plain ?? '', ...words, '--chroma', '422']);
  t.equal(other.code, 1, other.stderr);
  t.match(ourLines(other.stderr).join('\n'), /does not match this job: .*chroma was unset, now 422/);
  const again = await runJob(0, [clip, plain ?? '', ...words]);
  t.equal(again.code, 0, again.stderr);
  t.match(
    again.stderr,
    'written as 4:2:0, as the earlier run of this job did; --restart starts over at 4:2:2.',
  );
  t.match(again.stderr, /resuming after \d+ frames/);
  t.equal(pixelFormatOf(plain ?? ''), 'yuv420p');
});
