import t, { type Test } from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import {
  CODINGS,
  type Coding,
  colourfulFrame,
  enlarged,
  frameOf,
  largestDifference,
  pictureOf,
  planes,
  randomFrame,
} from '../../fixtures/float64-reference.js';
import {
  blockIdentity,
  colouriser,
  type ModelFixture,
  modelFolder,
  nearestUpscaler,
  type Pixels,
  pictureIdentity,
} from '../../fixtures/onnx.js';
import { runComposed } from '../../fixtures/run-onnx.js';

const SIZES: readonly (readonly [number, number])[] = [
  [1, 1],
  [2, 2],
  [17, 9],
  [64, 36],
  [101, 75],
];
const BT709: Coding = { matrix: 'bt709', range: 'limited' };

async function styled(
  test: Test,
  fixture: ModelFixture,
  frames: readonly Uint8Array[],
  [width, height]: readonly [number, number],
  coding: Coding,
): Promise<Uint8Array[]> {
  const folder = test.testdir(modelFolder(fixture));
  const model = await loadModel(`${folder}/model.onnx`, { folder });
  const graph = compose(model, { width, height, sample: I420, ...coding }, frames.length);
  test.ok(graph.verified, 'output size known beforehand');
  return runComposed(graph, frames);
}

t.test('an I420-native identity gives every sample back, at every size', async (t) => {
  for (const size of SIZES) {
    for (const multiple of [1, 3, 4, 16]) {
      const frames = [randomFrame(...size, 1), randomFrame(...size, 2)];
      const results = await styled(t, blockIdentity({ multiple }), frames, size, BT709);
      t.same(results, frames, `${size.join('x')}, multiple ${multiple}`);
    }
  }
});

t.test('853x479 at once', async (t) => {
  const frames = [randomFrame(853, 479, 3)];
  t.same(await styled(t, blockIdentity({ multiple: 4 }), frames, [853, 479], BT709), frames);
});

t.test('an I420-native identity stays one whatever it was trained in', async (t) => {
  for (const coding of CODINGS) {
    const frames = [colourfulFrame(34, 18, coding, 5)];
    const [result] = await styled(
      t,
      blockIdentity({ matrix: 'bt709', range: 'limited' }),
      frames,
      [34, 18],
      coding,
    );
    t.same(result, frames[0], `${coding.matrix} ${coding.range}`);
  }
});

t.test('an RGB identity equals the reference on any bytes', async (t) => {
  for (const coding of CODINGS) {
    for (const size of SIZES) {
      const frame = randomFrame(...size, 7);
      const [result] = await styled(t, pictureIdentity(), [frame], size, coding);
      const expected = frameOf(pictureOf(frame, ...size, coding), coding);
      t.ok(
        largestDifference(result ?? new Uint8Array(), expected) <= 1,
        `${coding.matrix} ${coding.range} ${size.join('x')}`,
      );
    }
  }
});

t.test('an RGB identity gives colours back within one level', async (t) => {
  for (const coding of CODINGS) {
    const frame = colourfulFrame(101, 75, coding, 11);
    const [result] = await styled(t, pictureIdentity(), [frame], [101, 75], coding);
    t.ok(largestDifference(result ?? new Uint8Array(), frame) <= 1, `${coding.matrix} ${coding.range}`);
  }
});

t.test('every layout, type, order and range is the same identity', async (t) => {
  const tensors: readonly Pixels[] = [
    { channels: 'bgr' },
    { range: '0..255' },
    { range: '-1..1' },
    { range: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } },
    { layout: 'nhwc' },
    { layout: 'nhwc', type: 'uint8', range: '0..255', channels: 'bgr' },
    { type: 'uint8', range: '0..255' },
    { layout: 'nhwc', type: 'int32', range: '0..255' },
  ];
  const frame = randomFrame(37, 21, 13);
  const expected = frameOf(pictureOf(frame, 37, 21, BT709), BT709);
  for (const tensor of tensors) {
    const [result] = await styled(t, pictureIdentity(tensor), [frame], [37, 21], BT709);
    // Eight bits of RGB between two codings round twice: by up to half a level in each channel of the first.
    const allowed = tensor.type === undefined ? 1 : 2;
    t.ok(largestDifference(result ?? new Uint8Array(), expected) <= allowed, JSON.stringify(tensor));
  }
  const half = await styled(t, pictureIdentity({ type: 'float16' }), [frame], [37, 21], BT709);
  t.ok(largestDifference(half[0] ?? new Uint8Array(), expected) <= 1, 'float16');
});

t.test('grey in and out: luma stays, chroma becomes neutral', async (t) => {
  for (const range of ['limited', 'full'] as const) {
    const coding: Coding = { matrix: 'bt709', range };
    const frame = colourfulFrame(35, 19, coding, 17);
    const [result] = await styled(t, pictureIdentity({ channels: 'grey' }), [frame], [35, 19], coding);
    const [got, source] = [planes(result ?? new Uint8Array(), 35, 19), planes(frame, 35, 19)];
    t.same(got.y, source.y);
    t.ok([...got.u, ...got.v].every((sample) => sample === 128));
  }
});

t.test('grey in, colour out', async (t) => {
  const frame = colourfulFrame(20, 10, BT709, 19);
  const [result] = await styled(t, colouriser(), [frame], [20, 10], BT709);
  const grey = [...planes(frame, 20, 10).y].map((y) => Math.max(0, Math.min(1, (y - 16) / 219)));
  const rgb = Float64Array.from(grey.flatMap((value) => [value, value / 2, 0]));
  const expected = frameOf({ width: 20, height: 10, rgb }, BT709);
  t.ok(largestDifference(result ?? new Uint8Array(), expected) <= 1);
});

t.test('scales 2, 3 and 4, odd sizes too, with either chroma', async (t) => {
  for (const scale of [2, 3, 4]) {
    for (const chroma of [undefined, 'nearest'] as const) {
      const size = [17, 9] as const;
      const frame = randomFrame(...size, 23);
      const fixture = nearestUpscaler(scale, chroma === undefined ? {} : { chroma });
      const [result] = await styled(t, fixture, [frame], size, BT709);
      const linear = chroma === undefined;
      const expected = frameOf(enlarged(pictureOf(frame, ...size, BT709, { linear }), scale), BT709, {
        linear,
      });
      // The right and bottom edges see padding, where the reference repeats the edge: compare where neither shows.
      t.equal(result?.length, expected.length, `scale ${scale}`);
      const [got, wanted] = [result ?? new Uint8Array(), expected].map((one) =>
        inner(one, 17 * scale, 9 * scale, 3 * scale),
      );
      t.ok(
        largestDifference(got ?? new Uint8Array(), wanted ?? new Uint8Array(1)) <= 1,
        `scale ${scale} ${chroma ?? 'linear'}`,
      );
    }
  }
});

/** The samples of all three planes further than `margin` luma pixels from the right and the bottom edge. */
function inner(frame: Uint8Array, width: number, height: number, margin: number): Uint8Array {
  const { y, u, v, w, h } = planes(frame, width, height);
  const cut = (plane: Uint8Array, across: number, down: number, by: number) =>
    Array.from({ length: down - by }, (_, row) => [
      ...plane.subarray(row * across, (row + 1) * across - by),
    ]).flat();
  return Uint8Array.from([
    ...cut(y, width, height, margin),
    ...cut(u, w, h, margin),
    ...cut(v, w, h, margin),
  ]);
}
