/** Composed graphs on frames of 4:2:2 and 4:4:4, at 8, 10 and 12 bits, against float64. */
import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import { type LoadOptions, loadModel } from '../../../src/model/load/registry.js';
import {
  type Depth,
  I422,
  I444,
  type SampleFormat,
  sampleOfDepth,
  samplesOf,
} from '../../../src/video/formats/frame-format.js';
import {
  CODINGS,
  type Codes,
  type Coding,
  colourfulPicture,
  enlarged,
  largestDifference,
  pictureOf,
  planes,
  randomWords,
  wordsOf,
} from '../../fixtures/float64-reference.js';
import { type ModelFixture, modelFolder, nearestUpscaler, pictureIdentity } from '../../fixtures/onnx.js';
import { randomNumbers } from '../../fixtures/random.js';
import { runComposed } from '../../fixtures/run-onnx.js';
import { amplifier, heldGraph, shownFrames } from '../../fixtures/steady-runs.js';

type Size = readonly [width: number, height: number];

const SIZES: readonly Size[] = [
  [1, 1],
  [17, 9],
  [101, 75],
];
const BT709: Coding = { matrix: 'bt709', range: 'limited' };
const DEPTHS: readonly Depth[] = [8, 10, 12];
const FORMATS = (['422', '444'] as const).flatMap((chroma) =>
  DEPTHS.map((bits) => sampleOfDepth(bits, chroma)),
);

/** Returns codes as a frame on the wire, and a coding with the format of its samples. */
const frameBytesOf = (codes: Codes, { bits }: SampleFormat): Uint8Array =>
  bits === 8 ? Uint8Array.from(codes) : new Uint8Array(Uint16Array.from(codes).buffer);
const coded = (coding: Coding, { bits, chroma }: SampleFormat): Coding => ({ ...coding, bits, chroma });

async function graphOf(
  test: Test,
  fixture: ModelFixture,
  [width, height]: Size,
  sample: SampleFormat,
  { matrix, range }: Coding,
  options: Partial<LoadOptions> = {},
): Promise<ComposedGraph> {
  const folder = test.testdir(modelFolder(fixture));
  const model = await loadModel(`${folder}/model.onnx`, { folder, ...options });
  const graph = compose(model, { width, height, sample, matrix, range }, 1);
  test.ok(graph.verified, 'output size known beforehand');
  return graph;
}

async function styled(graph: ComposedGraph, codes: Codes): Promise<Codes> {
  const { sample } = graph.input;
  const [row = new Uint8Array(0)] = await runComposed(graph, [frameBytesOf(codes, sample)]);
  return samplesOf(row, sample);
}

t.test('an RGB identity equals the float64 reference, in every matrix and range', async (t) => {
  for (const sample of FORMATS) {
    for (const plain of CODINGS) {
      const coding = coded(plain, sample);
      const name = `${sample.name} ${coding.matrix} ${coding.range}`;
      const any = randomWords(37, 21, sample.bits, 7, sample.chroma);
      const graph = await graphOf(t, pictureIdentity(), [37, 21], sample, coding);
      const expected = wordsOf(pictureOf(any, 37, 21, coding), coding);
      t.ok(largestDifference(await styled(graph, any), expected) <= 1, `${name}: any codes`);
      const colours = wordsOf(colourfulPicture(37, 21, 11), coding);
      t.ok(largestDifference(await styled(graph, colours), colours) <= 1, `${name}: colours come back`);
    }
  }
});

t.test('at every size, with part of the source, and in grey', async (t) => {
  for (const sample of [I422, I444]) {
    const coding = coded(BT709, sample);
    for (const size of SIZES) {
      const frame = wordsOf(colourfulPicture(...size, 3), coding);
      const name = `${sample.name} ${size.join('x')}`;
      const half = await graphOf(t, pictureIdentity(), size, sample, coding, { strength: 0.5 });
      t.ok(largestDifference(await styled(half, frame), frame) <= 1, name);
      const grey = await graphOf(t, pictureIdentity({ channels: 'grey' }), size, sample, coding);
      const [got, source] = [await styled(grey, frame), frame].map((codes) =>
        planes(Uint16Array.from(codes), ...size, sample.chroma),
      );
      t.same(got?.y, source?.y, `${name}: luma stays`);
      t.ok(
        [...(got?.u ?? []), ...(got?.v ?? [])].every((code) => code === 128),
        `${name}: no colour`,
      );
    }
  }
});

t.test('in 4:4:4 each pixel has a colour of its own', async (t) => {
  const next = randomNumbers(5);
  const rgb = Float64Array.from({ length: 3 * 33 * 17 }, () => 0.02 + 0.96 * next());
  for (const bits of DEPTHS) {
    const sample = sampleOfDepth(bits, '444');
    const coding = coded(BT709, sample);
    const frame = wordsOf({ width: 33, height: 17, rgb }, coding);
    const graph = await graphOf(t, pictureIdentity(), [33, 17], sample, coding);
    t.ok(largestDifference(await styled(graph, frame), frame) <= 1, sample.name);
  }
});

t.test('in 4:2:2 chroma lies on the left column: both ways, where the size changes', async (t) => {
  const size: Size = [34, 18];
  const scale = 2;
  for (const sample of [I422, sampleOfDepth(10, '422'), I444]) {
    for (const chroma of [undefined, 'nearest'] as const) {
      const coding = coded(BT709, sample);
      const linear = chroma === undefined;
      const frame = randomWords(...size, sample.bits, 23, sample.chroma);
      const fixture = nearestUpscaler(scale, linear ? {} : { chroma });
      const graph = await graphOf(t, fixture, size, sample, coding);
      const large = enlarged(pictureOf(frame, ...size, coding, { linear }), scale);
      const expected = wordsOf(large, coding, { linear });
      const got = await styled(graph, frame);
      t.equal(got.length, expected.length, sample.name);
      // The right and bottom edges see padding, where the reference repeats the edge.
      const inside = (codes: Codes) => inner(Uint16Array.from(codes), scale * 34, scale * 18, sample);
      t.ok(largestDifference(inside(got), inside(expected)) <= 1, `${sample.name} ${chroma ?? 'linear'}`);
    }
  }
});

/** The samples of all planes further than three source pixels from the right and the bottom edge. */
function inner(frame: Uint16Array, width: number, height: number, sample: SampleFormat): Uint16Array {
  const { y, u, v, w, h } = planes(frame, width, height, sample.chroma);
  const cut = (plane: Uint16Array, across: number, down: number) =>
    Array.from({ length: down - 6 }, (_, row) => [...plane.subarray(row * across, (row + 1) * across - 6)]);
  return Uint16Array.from([cut(y, width, height), cut(u, w, h), cut(v, w, h)].flat(2));
}

t.test('frames are held against flicker, in all planes', async (t) => {
  const size = { width: 96, height: 64 };
  for (const sample of [I422, I444]) {
    const wide = sample.chroma === '444' ? 96 : 48;
    const frames = Array.from({ length: 6 }, (_, frame) => {
      const levels = new Uint8Array(96 * 64 + 2 * wide * 64).fill(120 + (frame % 2), 0, 96 * 64);
      return levels.fill(124 + (frame % 2), 96 * 64);
    });
    const shown = async (steady: number) =>
      shownFrames(await heldGraph(t, amplifier(10), size, { steady, sample }), frames);
    const [free, held] = [await shown(0), await shown(0.9)];
    const apart = (all: readonly Uint8Array[], at: number) =>
      Math.abs((all[5]?.[at] ?? 0) - (all[4]?.[at] ?? 0));
    for (const at of [96 * 32 + 48, 96 * 64 + wide * 32 + 20, 96 * 64 + wide * 64 + wide * 63 + 7]) {
      t.ok(
        apart(held, at) * 2 <= apart(free, at),
        `${sample.name} ${at}: ${apart(held, at)} of ${apart(free, at)}`,
      );
    }
  }
});
