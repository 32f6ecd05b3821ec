/** Graphs of pictures: every sample in and out, whatever a model's tensors are. */
import t, { type Test } from 'tap';
import { composePicture } from '../../../src/model/compose/picture-graph.js';
import { loadModel } from '../../../src/model/load/registry.js';
import {
  blockIdentity,
  colouriser,
  fixedIdentity,
  floats,
  type ModelFixture,
  modelBytes,
  modelFolder,
  nearestUpscaler,
  node,
  pictureIdentity,
  stridedBy4,
} from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';
import { type Photo, photo } from '../../fixtures/photos.js';

type Size = readonly [width: number, height: number];

/** Runs pictures of one size through a model, with ONNX Runtime's own binding. */
async function through(
  test: Test,
  fixture: ModelFixture,
  pictures: readonly Photo[],
  options: { readonly strength?: number } = {},
) {
  const folder = test.testdir(modelFolder(fixture));
  const model = await loadModel(`${folder}/model.onnx`, { folder, ...options });
  const [{ width, height } = { width: 0, height: 0 }] = pictures;
  const graph = composePicture(model, { width, height }, pictures.length);
  const session = await ort.InferenceSession.create(graph.bytes, { logSeverityLevel: 3 });
  const data = new Uint8Array(Buffer.concat(pictures.map(({ samples }) => samples)));
  const tensor = new ort.Tensor('uint8', data, [pictures.length, graph.inputBytes]);
  const { styled } = await session.run({ pictures: tensor });
  await session.release();
  if (styled === undefined) throw new Error('the graph gives nothing');
  const bytes = styled.data as Uint8Array;
  const rows = pictures.map((_, at) => bytes.slice(at * graph.rowBytes, (at + 1) * graph.rowBytes));
  return { graph, rows, samples: rows.map((row) => row.subarray(0, -1)) };
}

function worst(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? 0))), 0);
}

const SIZES: readonly Size[] = [
  [64, 48],
  [33, 47],
  [5, 1],
];
const STATISTICS = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

t.test('a model that gives what it gets keeps every sample, at any size', async (t) => {
  const tensors = [
    ...(['0..1', '0..255', '-1..1', STATISTICS] as const).map((range) => ({ range })),
    { channels: 'bgr', range: STATISTICS },
    { layout: 'nhwc', channels: 'bgr' },
    { type: 'uint8', range: '0..255' },
    { type: 'uint8', range: '0..255', layout: 'nhwc' },
  ] as const;
  for (const tensor of tensors) {
    for (const [width, height] of SIZES) {
      const picture = photo(width, height);
      const { samples, rows } = await through(t, pictureIdentity(tensor), [picture]);
      t.equal(
        worst(samples[0] ?? new Uint8Array(0), picture.samples),
        0,
        `${JSON.stringify(tensor)} ${width}`,
      );
      t.equal(rows[0]?.at(-1), 1, 'the numbers are finite');
    }
  }
});

t.test('a grey model gets luma, and what it gives is in every channel', async (t) => {
  const picture = photo(20, 10);
  const luma = Array.from({ length: 200 }, (_, at) => {
    const [r = 0, g = 0, b = 0] = picture.samples.subarray(3 * at, 3 * at + 3);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
  const grey = await through(t, pictureIdentity({ channels: 'grey' }), [picture]);
  const threefold = Uint8Array.from(luma.flatMap((one) => [one, one, one].map(Math.round)));
  t.ok(worst(grey.samples[0] ?? threefold, threefold) <= 1);
  const coloured = await through(t, colouriser(), [picture]);
  const wanted = Uint8Array.from(luma.flatMap((one) => [one, one / 2, 0].map(Math.round)));
  t.ok(worst(coloured.samples[0] ?? wanted, wanted) <= 1);
});

t.test('every picture of a batch gets its own result', async (t) => {
  const pictures = [1, 2, 3].map((seed) => photo(33, 17, seed));
  const { samples } = await through(t, pictureIdentity(), pictures);
  for (const [at, own] of samples.entries()) t.equal(worst(own, pictures[at]?.samples ?? own), 0);
});

t.test('a model of I420 blocks keeps the size, and the colours but for their fine detail', async (t) => {
  for (const range of ['full', 'limited', undefined] as const) {
    for (const [width, height] of [
      [64, 48],
      [33, 47],
    ] as const) {
      const coding = range === undefined ? {} : { range, matrix: 'bt709' };
      const flat = {
        width,
        height,
        samples: Uint8Array.from({ length: 3 * width * height }, (_, at) => [200, 90, 40][at % 3] ?? 0),
      };
      const { samples, graph } = await through(t, blockIdentity(coding), [flat]);
      t.strictSame(graph.output, { width, height });
      t.ok(worst(samples[0] ?? new Uint8Array(0), flat.samples) <= 1, `a plain colour, ${range}, ${width}`);
      const smooth = photo(width, height);
      const found = (await through(t, blockIdentity(coding), [smooth])).samples[0] ?? new Uint8Array(0);
      const sum = found.reduce((all, value, at) => all + Math.abs(value - (smooth.samples[at] ?? 0)), 0);
      t.ok(sum / found.length < 6, `a noisy picture: ${sum / found.length}`);
    }
  }
});

t.test('strength mixes whole pixels', async (t) => {
  const picture = photo(30, 22);
  const half = await through(t, blockIdentity(), [picture], { strength: 0 });
  t.equal(
    worst(half.samples[0] ?? picture.samples, picture.samples),
    0,
    'the source, with all of its colour',
  );
  const negative: ModelFixture = {
    ...pictureIdentity(),
    bytes: modelBytes({
      nodes: [node('Sub', ['one', 'input'], 'output')],
      initializers: [floats('one', [1], [1])],
      input: { dims: ['N', 3, 'H', 'W'] },
      output: { dims: ['N', 3, 'H', 'W'] },
    }),
  };
  const mixed = await through(t, negative, [picture], { strength: 0.25 });
  const wanted = picture.samples.map((value) => Math.round(0.25 * (255 - value) + 0.75 * value));
  t.ok(worst(mixed.samples[0] ?? wanted, wanted) <= 1);
});

t.test('upscaling, a multiple and a fixed size keep or scale the size of the picture', async (t) => {
  const picture = photo(33, 18);
  const twice = await through(t, nearestUpscaler(2), [picture]);
  t.strictSame(twice.graph.output, { width: 66, height: 36 });
  t.equal(twice.samples[0]?.length, 3 * 66 * 36);
  for (let at = 0; at < 66 * 36; at++) {
    const from = 3 * (Math.floor(at / 66 / 2) * 33 + Math.floor((at % 66) / 2));
    const same = [0, 1, 2].every(
      (channel) => twice.samples[0]?.[3 * at + channel] === picture.samples[from + channel],
    );
    if (!same) t.fail(`pixel ${at}`);
  }
  await t.rejects(
    through(t, nearestUpscaler(2), [picture], { strength: 0.5 }),
    /--strength cannot be combined/,
  );
  t.strictSame((await through(t, stridedBy4(), [picture])).graph.output, { width: 33, height: 18 });
  const fixed = await through(t, fixedIdentity([1, 3, 64, 96]), [photo(48, 32)]);
  t.strictSame(fixed.graph.output, { width: 48, height: 32 }, 'resized and back');
  t.ok(worst(fixed.samples[0] ?? new Uint8Array(0), photo(48, 32).samples) < 40);
});

t.test('NaN is told of each picture', async (t) => {
  const root: ModelFixture = {
    ...pictureIdentity(),
    bytes: modelBytes({
      nodes: [node('Sub', ['input', 'half'], 'low'), node('Sqrt', ['low'], 'output')],
      initializers: [floats('half', [1], [0.5])],
      input: { dims: ['N', 3, 'H', 'W'] },
      output: { dims: ['N', 3, 'H', 'W'] },
    }),
  };
  const plain = (value: number): Photo => ({ width: 4, height: 4, samples: new Uint8Array(48).fill(value) });
  const { rows } = await through(t, root, [plain(200), plain(20)]);
  t.strictSame(
    rows.map((row) => row.at(-1)),
    [1, 0],
  );
});
