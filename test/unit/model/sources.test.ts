/** Inputs with the role "source": the frame as it came, beside one of the network's size. */
import t, { type Test } from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { composePicture } from '../../../src/model/compose/picture-graph.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { colourfulFrame } from '../../fixtures/float64-reference.js';
import { fixedIdentity } from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';
import { photo } from '../../fixtures/photos.js';
import { runComposed } from '../../fixtures/run-onnx.js';
import { GUIDE, guided, type SourceModel, unguided } from '../../fixtures/source-models.js';

const EMPTY = new Uint8Array(0);
const IMAGES = ['N', 3, 'H', 'W'] as const;
const CODING = { matrix: 'bt709', range: 'limited', sample: I420 } as const;

async function loaded(t: Test, { bytes, manifest }: SourceModel, strength = 1) {
  const folder = t.testdir({ 'model.onnx': Buffer.from(bytes), 'model.json': JSON.stringify(manifest) });
  return loadModel(`${folder}/model.onnx`, { folder, strength });
}

function largest(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? 0))), 0);
}

t.test('the source frame keeps its size, samples and channels beside frames of a fixed size', async (t) => {
  const model = guided(0);
  for (const [width, height] of [
    [64, 48],
    [35, 19],
    [8, 6],
  ] as const) {
    const frames = [1, 2].map((seed) => colourfulFrame(width, height, CODING, seed));
    for (const strength of [1, 0.5]) {
      const graph = compose(await loaded(t, model, strength), { width, height, ...CODING }, 2);
      t.same([graph.output?.width, graph.output?.height], [width, height], 'a picture of its size');
      t.match(graph.notes, [/frames are resized to 24x16, .*; its picture has the size of the source/]);
      const made = await runComposed(graph, frames);
      for (const [at, frame] of frames.entries())
        t.ok(largest(made[at] ?? EMPTY, frame) <= 1, `${width}x${height}, strength ${strength}`);
    }
  }
});

t.test('a picture of the size of the frames is one, whatever the source', async (t) => {
  const format = { width: 60, height: 44, ...CODING };
  const [frame] = [colourfulFrame(60, 44, CODING, 3)];
  const through = async (model: SourceModel) => {
    const [made = EMPTY] = await runComposed(compose(await loaded(t, model), format, 1), [frame]);
    return made;
  };
  const fixed = unguided(['N', 3, 16, 24]);
  t.equal((await loaded(t, fixed)).sources?.sizesPicture, false);
  const { bytes } = fixedIdentity([1, 3, 16, 24]);
  const ends = { role: 'frames', channels: 'rgb', range: '0..1' };
  const plain = {
    bytes,
    manifest: {
      ...{ format: 2, name: 'model', file: 'model.onnx', inputs: { input: ends } },
      outputs: { output: { ...ends, role: 'picture' } },
    },
  };
  t.same(await through(fixed), await through(plain), 'resized, and back');
  const small = unguided(IMAGES, [1, 3, 9, 7]);
  t.equal((await loaded(t, small)).fixedBatch, 1, 'the batch of either');
  t.ok(largest(await through(small), frame) <= 1, 'frames of any size, and a source of a fixed one');
});

t.test('a size brings the source to it, wherever its channels are', async (t) => {
  const size = { width: 8, height: 6 };
  for (const guide of [IMAGES, ['N', 'H', 'W', 3]] as const) {
    const { bytes, manifest } = unguided(IMAGES, guide);
    const inputs = { ...(manifest.inputs as object), guide: { ...GUIDE, size } };
    const { sources } = await loaded(t, { bytes, manifest: { ...manifest, scale: 1, multiple: 1, inputs } });
    t.same(sources?.feeds[0]?.size, size);
  }
});

t.test('of a window, the source is the frame that is made', async (t) => {
  const format = { width: 40, height: 30, ...CODING };
  const frames = [1, 2, 3, 4].map((seed) => colourfulFrame(40, 30, CODING, seed));
  const graph = compose(await loaded(t, guided(0, { frames: 3 })), format, 2);
  const made = (await runComposed(graph, frames)).slice(0, 2);
  for (const [at, one] of made.entries()) t.ok(largest(one, frames[at] ?? EMPTY) <= 1, `frame ${at}`);
});

t.test('pictures have their source, too', async (t) => {
  const model = await loaded(t, guided(0));
  const { samples, width, height } = photo(33, 47);
  const graph = composePicture(model, { width, height }, 1);
  const session = await ort.InferenceSession.create(graph.bytes, { logSeverityLevel: 3 });
  const tensor = new ort.Tensor('uint8', new Uint8Array(samples), [1, graph.inputBytes]);
  const { styled } = await session.run({ pictures: tensor });
  await session.release();
  t.same(((styled?.data ?? EMPTY) as Uint8Array).subarray(0, -1), new Uint8Array(samples), 'every sample');
});

t.test('what it needs is asked for', async (t) => {
  const frames = { role: 'frames', channels: 'rgb', range: '0..1' };
  const cases: readonly (readonly [object, RegExp, RegExp?])[] = [
    [{ guide: { role: 'source', channels: 'rgb' } }, /which numbers are black and white/, /add "range"/],
    [{ guide: { role: 'source', range: '0..1' } }, /in which order its colours are/, /"channels": "rgb"/],
    [{ guide: { ...GUIDE, fit: 'crop' } }, /inputs\.guide\.fit" is not a known key/],
    [{ guide: { ...GUIDE, size: { width: 8, height: 0 } } }, /size\.height/],
    [{ guide: GUIDE, more: GUIDE }, /has no input "more"/],
    [{}, /"guide"/, /the frame once more \("role": "source"\)/],
  ];
  for (const [more, message, hint] of cases) {
    const model = guided(0, { inputs: { x: frames, ...more } });
    await t.rejects(loaded(t, model), { message, ...(hint === undefined ? {} : { hint }) }, String(message));
  }
});
