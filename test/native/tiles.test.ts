/** Frames in tiles against whole frames, through the addon's own sessions. */
import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../src/model/compose/compose.js';
import { composeTiled } from '../../src/model/compose/compose-tiled.js';
import { planTiles, tileRule } from '../../src/model/compose/tile-plan.js';
import { loadModel } from '../../src/model/load/registry.js';
import { inferenceOf } from '../../src/model/session/inference.js';
import { native } from '../../src/system/native.js';
import { type FrameFormat, I010, I420 } from '../../src/video/formats/frame-format.js';
import { largestDifference, randomFrame, randomWords } from '../fixtures/float64-reference.js';
import {
  floats,
  imageManifest,
  type ModelFixture,
  modelBytes,
  modelFolder,
  nearestUpscaler,
  node,
  pictureIdentity,
} from '../fixtures/onnx.js';
import { randomNumbers } from '../fixtures/random.js';

const PICTURES = ['N', 3, 'H', 'W'] as const;

/** A network of convolutions, each with the shape of its weights, and its attributes. */
function network(
  layers: readonly {
    readonly weights: readonly number[];
    readonly how?: Record<string, number | readonly number[]>;
  }[],
  more: Record<string, unknown> = {},
): ModelFixture {
  const random = randomNumbers(5);
  const nodes = layers.flatMap(({ how = {} }, at) => {
    const last = at + 1 === layers.length;
    const transposed = how.output_padding !== undefined;
    const from = at === 0 ? 'input' : `x${at}`;
    const made = last ? 'output' : `y${at}`;
    const conv = node(transposed ? 'ConvTranspose' : 'Conv', [from, `w${at}`], made, how);
    return last ? [conv] : [conv, node('Relu', [made], `x${at + 1}`)];
  });
  const initializers = layers.map(({ weights }, at) => {
    const count = weights.reduce((product, side) => product * side, 1);
    const size = Math.sqrt(6 / (count / (weights[0] ?? 1)));
    return floats(
      `w${at}`,
      weights,
      Array.from({ length: count }, () => (random() - 0.4) * size),
    );
  });
  const bytes = modelBytes({
    nodes,
    initializers,
    input: { dims: PICTURES },
    output: { dims: ['N', 3, 'H2', 'W2'] },
  });
  return { bytes, manifest: imageManifest(more) };
}

const same = { pads: [1, 1, 1, 1] } as const;
const wide = { pads: [4, 4, 4, 4], dilations: [2, 2] } as const;

const NETWORKS: Readonly<Record<string, ModelFixture>> = {
  identity: pictureIdentity(),
  'identity, frames last': pictureIdentity({ layout: 'nhwc' }),
  convolutions: network([
    { weights: [8, 3, 3, 3], how: same },
    { weights: [3, 8, 5, 5], how: wide },
  ]),
  'strides and a transposed convolution': network(
    [
      { weights: [8, 3, 3, 3], how: { ...same, strides: [2, 2] } },
      { weights: [8, 8, 3, 3], how: { ...same, strides: [2, 2] } },
      { weights: [8, 8, 3, 3], how: { ...same, strides: [2, 2], output_padding: [1, 1] } },
      { weights: [8, 3, 4, 4], how: { ...same, strides: [2, 2], output_padding: [0, 0] } },
    ],
    { multiple: 4 },
  ),
  'an upscaler': nearestUpscaler(2),
};

const BT709 = { matrix: 'bt709', range: 'limited' } as const;

async function whole(t: Test, fixture: ModelFixture, input: FrameFormat) {
  const folder = t.testdir(modelFolder(fixture));
  const model = await loadModel(`${folder}/model.onnx`, { folder });
  return { model, graph: compose(model, input, 1) };
}

/** Returns the rows that a graph makes of frames, two of a shard. */
async function rowsOf(graph: ComposedGraph, frames: Uint8Array, batch = 1): Promise<Uint8Array> {
  const addon = native();
  const session = await addon.createSession(graph.bytes, { provider: 'cpu', device: 0, threads: 1 });
  const count = frames.length / graph.inputBytes;
  const result = new Uint8Array(addon.allocate(count * graph.rowBytes, session));
  const { inputBytes: frameBytes, rowBytes: styledBytes, tiles } = graph;
  const sample = graph.input.sample;
  const shape = { batch, frameBytes, styledBytes, sample, ...(tiles === undefined ? {} : { tiles }) };
  for await (const _ of inferenceOf(session, shape).run(frames, result, count));
  await session.dispose();
  return result;
}

for (const [name, fixture] of Object.entries(NETWORKS)) {
  for (const [width, height, side] of [
    [320, 180, 96],
    [203, 151, 128],
    [320, 64, 100],
  ] as const) {
    t.test(`${name}: ${width}x${height} in tiles of ${side} is the whole frame`, async (t) => {
      const input = { width, height, sample: I420, ...BT709 };
      const { model, graph } = await whole(t, fixture, input);
      const tiles = planTiles(tileRule(model, graph.looks()), model, input, side);
      if (tiles === undefined) return t.fail('one tile');
      t.ok(tiles.isExact);
      t.ok(tiles.columns.length * tiles.rows.length > 1);
      const frame = randomFrame(width, height, 3);
      const [expected, made] = [
        await rowsOf(graph, frame),
        await rowsOf(composeTiled(model, input, 1, tiles), frame),
      ];
      t.equal(largestDifference(made, expected), 0);
      return undefined;
    });
  }
}

t.test('10 bits', async (t) => {
  const input = { width: 200, height: 120, sample: I010, ...BT709 };
  const { model, graph } = await whole(t, NETWORKS.convolutions as ModelFixture, input);
  const tiles = planTiles(tileRule(model, graph.looks()), model, input, 96);
  if (tiles === undefined) return t.fail('one tile');
  const frame = new Uint8Array(randomWords(200, 120, 10, 4).buffer);
  const made = await rowsOf(composeTiled(model, input, 1, tiles), frame);
  t.strictSame(made, await rowsOf(graph, frame));
  return undefined;
});

t.test('tiles of a network that looks at whole frames are mixed where they meet', async (t) => {
  const fixture: ModelFixture = {
    bytes: modelBytes({
      nodes: [
        node('GlobalAveragePool', ['input'], 'mean'),
        node('Mul', ['mean', 'half'], 'less'),
        node('Sub', ['input', 'less'], 'darker'),
        node('Add', ['darker', 'quarter'], 'output'),
      ],
      initializers: [floats('half', [1], [0.5]), floats('quarter', [1], [0.25])],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    }),
    manifest: imageManifest({}),
  };
  const [width, height] = [640, 352];
  const input = { width, height, sample: I420, ...BT709 };
  const { model, graph } = await whole(t, fixture, input);
  const rule = tileRule(model, graph.looks());
  t.match(rule, { reach: undefined, operator: 'GlobalAveragePool' });
  const tiles = planTiles(rule, model, input, 256);
  if (tiles === undefined) return t.fail('one tile');
  t.notOk(tiles.isExact);
  t.same([tiles.columns.length, tiles.rows.length], [3, 2]);
  // A gradient in both directions: every tile has another mean, and so gives another brightness.
  const frame = new Uint8Array(graph.inputBytes).fill(128);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) frame[y * width + x] = 60 + Math.floor(x / 8 + y / 8);
  const made = await rowsOf(composeTiled(model, input, 1, tiles), frame);
  t.ok(largestDifference(made, await rowsOf(graph, frame)) > 5, 'tiles change it');
  let most = 0;
  for (let y = 1; y < height; y += 1) {
    for (let x = 1; x < width; x += 1) {
      const here = made[y * width + x] ?? 0;
      const before = [made[y * width + x - 1] ?? 0, made[(y - 1) * width + x] ?? 0];
      most = Math.max(most, ...before.map((one) => Math.abs(here - one)));
    }
  }
  t.ok(most <= 3, `the largest step is ${most}`);
  return undefined;
});

t.test('a number that is not finite, in any tile, is told of its frame', async (t) => {
  const fixture: ModelFixture = {
    bytes: modelBytes({
      nodes: [
        node('Sub', ['most', 'input'], 'below'),
        node('Sqrt', ['below'], 'root'),
        node('Mul', ['root', 'none'], 'nothing'),
        node('Add', ['input', 'nothing'], 'output'),
      ],
      initializers: [floats('most', [1], [0.8]), floats('none', [1], [0])],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    }),
    manifest: imageManifest({}),
  };
  const input = { width: 192, height: 128, sample: I420, ...BT709 };
  const { model, graph } = await whole(t, fixture, input);
  const tiles = planTiles(tileRule(model, graph.looks()), model, input, 64);
  if (tiles === undefined) return t.fail('one tile');
  const frames = new Uint8Array(3 * graph.inputBytes).fill(128);
  frames.fill(235, graph.inputBytes + 192 * 64 + 150, graph.inputBytes + 192 * 64 + 160);
  const rows = await rowsOf(composeTiled(model, input, 1, tiles), frames);
  const checks = [1, 2, 3].map((count) => rows[count * graph.rowBytes - 1]);
  t.strictSame(checks, [1, 0, 1]);
  return undefined;
});
