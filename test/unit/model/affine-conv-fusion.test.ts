import t, { type Test } from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { decodeModel, encodeModel } from '../../../src/model/graph/onnx.js';
import type { LoadedModel } from '../../../src/model/load/loaded-model.js';
import { type LoadOptions, loadModel } from '../../../src/model/load/registry.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import {
  CODINGS,
  type Coding,
  colourfulFrame,
  fromRgb,
  largestDifference,
  level,
  planes,
  toRgb,
} from '../../fixtures/float64-reference.js';
import {
  floats,
  imageManifest,
  integers,
  type ModelFixture,
  modelBytes,
  modelFolder,
  node,
  styleNetwork,
} from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';
import { runComposed } from '../../fixtures/run-onnx.js';

const [WIDTH, HEIGHT] = [48, 36];
const TRAINED: Coding = { matrix: 'bt709', range: 'limited' };

/** With a skip from the input to the output, and without. */
const NETWORKS = [false, true].map((skip) => ({ skip, name: skip ? 'with a skip' : 'without one' }));

async function styleModel(
  test: Test,
  spec: string,
  skip: boolean,
  options: Partial<LoadOptions> = {},
): Promise<LoadedModel> {
  return loadModel(spec, { folder: test.testdir(modelFolder(styleNetwork({ skip }))), ...options });
}

/** Six samples of each 2x2 block through `convert`, which gets and gives Y, U, V of one pixel. */
function recode(
  blocks: Float64Array,
  convert: (y: number, u: number, v: number) => readonly number[],
): Float64Array {
  const each = blocks.length / 6;
  const result = new Float64Array(blocks.length);
  for (let at = 0; at < each; at++) {
    const [u = 0, v = 0] = [blocks[4 * each + at], blocks[5 * each + at]];
    const pixels = [0, 1, 2, 3].map((sample) => convert(blocks[sample * each + at] ?? 0, u, v));
    for (const [sample, pixel] of pixels.entries()) result[sample * each + at] = pixel[0] ?? 0;
    for (const chroma of [1, 2]) {
      result[(3 + chroma) * each + at] = pixels.reduce((sum, pixel) => sum + (pixel[chroma] ?? 0) / 4, 0);
    }
  }
  return result;
}

function blocksOf(frame: Uint8Array): Float64Array {
  const { y, u, v, w, h } = planes(frame, WIDTH, HEIGHT);
  const luma = [0, 1, 2, 3].flatMap((sample) =>
    Array.from({ length: w * h }, (_, at) => {
      const [row, column] = [2 * Math.floor(at / w) + (sample >> 1), 2 * (at % w) + (sample & 1)];
      return y[row * WIDTH + column] ?? 0;
    }),
  );
  return Float64Array.from([...luma, ...u, ...v]);
}

function frameOfBlocks(blocks: Float64Array): Uint8Array {
  const [w, h] = [WIDTH / 2, HEIGHT / 2];
  const luma = Array.from({ length: WIDTH * HEIGHT }, (_, at) => {
    const [row, column] = [Math.floor(at / WIDTH), at % WIDTH];
    return blocks[(2 * (row % 2) + (column % 2)) * w * h + (row >> 1) * w + (column >> 1)] ?? 0;
  });
  return Uint8Array.from([...luma, ...blocks.subarray(4 * w * h)], (value) => level(value));
}

/** The network itself, without anything composed round it: blocks of sample / 255 in and out. */
async function bareNetwork(model: LoadedModel, blocks: Float64Array): Promise<Float64Array> {
  const session = await ort.InferenceSession.create(encodeModel(model.proto), { logSeverityLevel: 3 });
  const input = Float32Array.from(blocks, (sample) => sample / 255);
  const { output } = await session.run({
    input: new ort.Tensor('float32', input, [1, 6, HEIGHT / 2, WIDTH / 2]),
  });
  await session.release();
  return Float64Array.from(output?.data as Float32Array, (value) => value * 255);
}

async function expectedStyle(model: LoadedModel, frame: Uint8Array, coding: Coding): Promise<Uint8Array> {
  const there = (y: number, u: number, v: number) => fromRgb(TRAINED, ...toRgb(coding, y, u, v));
  const back = (y: number, u: number, v: number) => fromRgb(coding, ...toRgb(TRAINED, y, u, v));
  const styled = await bareNetwork(model, recode(blocksOf(frame), there));
  return frameOfBlocks(recode(styled, back));
}

t.test('a style network equals conversion by hand in every matrix and range', async (t) => {
  for (const { skip, name } of NETWORKS) {
    const model = await styleModel(t, 'wild', skip);
    for (const coding of CODINGS) {
      const frame = colourfulFrame(WIDTH, HEIGHT, coding, 31);
      const graph = compose(model, { width: WIDTH, height: HEIGHT, sample: I420, ...coding }, 1);
      const [result = new Uint8Array()] = await runComposed(graph, [frame]);
      const expected = await expectedStyle(model, frame, coding);
      t.ok(new Set(expected).size > 40, 'the network makes a picture, not a plain colour');
      t.ok(largestDifference(result, expected) <= 1, `${coding.matrix} ${coding.range}, ${name}`);
    }
  }
});

t.test('all of it lies in the weights of the first and last convolutions', async (t) => {
  for (const { skip, name } of NETWORKS) {
    for (const strength of [1, 0.5]) {
      const model = await styleModel(t, 'calm', skip, { strength });
      const graph = compose(
        model,
        { width: WIDTH, height: HEIGHT, sample: I420, matrix: 'bt601', range: 'full' },
        1,
      );
      const count = (bytes: Uint8Array, type: string) =>
        decodeModel(bytes).graph?.node?.filter((one) => one.opType === type).length;
      const added = (type: string) =>
        (count(graph.bytes, type) ?? 0) - (count(encodeModel(model.proto), type) ?? 0);
      t.equal(added('Conv'), 0, `no convolution is added ${name}`);
      t.equal(added('Mul'), strength === 1 ? 0 : 1, 'and no product but that of a strength');
      t.equal(added('Add'), strength === 1 ? 0 : 1, 'nor a sum');
    }
  }
});

t.test('strength 0 is the source, 1 the style, between them a mix, beyond an exaggeration', async (t) => {
  for (const { skip, name } of NETWORKS) {
    for (const coding of [TRAINED, { matrix: 'bt601', range: 'full' } as const]) {
      const frame = colourfulFrame(WIDTH, HEIGHT, coding, 37);
      const full = await expectedStyle(await styleModel(t, 'wild', skip), frame, coding);
      for (const strength of [0, 0.3, 1.5]) {
        const model = await styleModel(t, 'wild', skip, { strength });
        const graph = compose(model, { width: WIDTH, height: HEIGHT, sample: I420, ...coding }, 1);
        const [result = new Uint8Array()] = await runComposed(graph, [frame]);
        const styled = [...full].map((style, at) => ({
          style,
          source: frame[at] ?? 0,
          got: result[at] ?? 0,
        }));
        // A style that was clipped has lost what the mix would need.
        const exact = styled.filter(({ style }) => style > 0 && style < 255);
        const worst = Math.max(
          ...exact.map(({ style, source, got }) =>
            Math.abs(got - level(source + strength * (style - source))),
          ),
        );
        const what = `${coding.matrix} at ${strength}, ${name}: ${worst}`;
        t.ok(exact.length > frame.length / 2 && worst <= 1, what);
        if (strength === 0) t.ok(largestDifference(result, frame) <= 1);
      }
    }
  }
});

/** What no weights can take: the map must then stand outside of the network, and the result be the same. */
const UNFOLDABLE: Readonly<Record<string, readonly ReturnType<typeof node>[]>> = {
  'pads its input with zeros': [
    node('Conv', ['input', 'weights'], 'mixed', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
    node('Sigmoid', ['mixed'], 'output'),
  ],
  'adds its input as it is': [
    node('Pad', ['input', 'pads'], 'padded', { mode: 'reflect' }),
    node('Conv', ['padded', 'weights'], 'mixed', { kernel_shape: [3, 3] }),
    node('Add', ['mixed', 'input'], 'output'),
  ],
  'reads its input through a convolution and another operator': [
    node('Pad', ['input', 'pads'], 'padded', { mode: 'reflect' }),
    node('Conv', ['padded', 'weights'], 'mixed', { kernel_shape: [3, 3] }),
    node('Sigmoid', ['input'], 'curved'),
    node('Conv', ['curved', 'skip'], 'skipped', { kernel_shape: [1, 1] }),
    node('Add', ['mixed', 'skipped'], 'output'),
  ],
  'uses a term of its output twice': [
    node('Pad', ['input', 'pads'], 'padded', { mode: 'reflect' }),
    node('Conv', ['padded', 'weights'], 'mixed', { kernel_shape: [3, 3] }),
    node('Conv', ['input', 'skip'], 'skipped', { kernel_shape: [1, 1] }),
    node('Add', ['mixed', 'skipped'], 'sum'),
    node('Conv', ['skipped', 'skip'], 'again', { kernel_shape: [1, 1] }),
    node('Add', ['sum', 'again'], 'output'),
  ],
  'multiplies its output': [
    node('Conv', ['input', 'skip'], 'skipped', { kernel_shape: [1, 1] }),
    node('Mul', ['skipped', 'skipped'], 'output'),
  ],
};

t.test('where weights cannot take the map it stands outside, and the result is as exact', async (t) => {
  const tensor = { type: 'float32', range: '0..1' };
  const dims = ['N', 6, 'H', 'W'];
  for (const [name, nodes] of Object.entries(UNFOLDABLE)) {
    const fixture: ModelFixture = {
      bytes: modelBytes({
        nodes,
        initializers: [
          floats(
            'weights',
            [6, 6, 3, 3],
            Array.from({ length: 6 * 6 * 9 }, (_, at) => Math.sin(at) / 12),
          ),
          floats(
            'skip',
            [6, 6, 1, 1],
            Array.from({ length: 36 }, (_, at) => Math.cos(at) / 3),
          ),
          integers('pads', [0, 0, 1, 1, 0, 0, 1, 1]),
        ],
        input: { dims },
        output: { dims },
      }),
      manifest: imageManifest({ io: 'i420', input: tensor, output: tensor, ...TRAINED }),
    };
    const model = await loadModel(`${t.testdir(modelFolder(fixture))}/model.onnx`, { folder: '' });
    for (const coding of CODINGS) {
      const frame = colourfulFrame(WIDTH, HEIGHT, coding, 41);
      const graph = compose(model, { width: WIDTH, height: HEIGHT, sample: I420, ...coding }, 1);
      const [result = new Uint8Array()] = await runComposed(graph, [frame]);
      const expected = await expectedStyle(model, frame, coding);
      t.ok(new Set(expected).size > 10, 'a picture');
      t.ok(largestDifference(result, expected) <= 1, `${name}: ${coding.matrix} ${coding.range}`);
    }
  }
});
