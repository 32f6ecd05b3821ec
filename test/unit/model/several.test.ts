/** Networks that give several frames at once, as composed graphs: chunks, and one of a window's frames. */
import t, { type Test } from 'tap';
import { readRow } from '../../../src/job/journal/result-row.js';
import { layoutOf } from '../../../src/job/split/row-layout.js';
import { compose } from '../../../src/model/compose/compose.js';
import { composePicture } from '../../../src/model/compose/picture-graph.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { colourfulFrame } from '../../fixtures/float64-reference.js';
import { type Dim, floats, integers, modelBytes, node } from '../../fixtures/onnx.js';
import { runComposed, runRows } from '../../fixtures/run-onnx.js';
import { CHUNK, inChunks } from '../../fixtures/window-models.js';

const CODING = { matrix: 'bt709', range: 'limited', sample: I420 } as const;
const FORMAT = { width: 34, height: 18, ...CODING };
const FRAMES = [1, 2, 3].map((seed) => colourfulFrame(FORMAT.width, FORMAT.height, CODING, seed));
const PICTURE = { channels: 'rgb', range: '0..1' } as const;

interface Network {
  readonly bytes: Uint8Array;
  readonly manifest: Readonly<Record<string, unknown>>;
}

async function loaded(t: Test, { bytes, manifest }: Network) {
  const folder = t.testdir({ 'model.onnx': Buffer.from(bytes), 'model.json': JSON.stringify(manifest) });
  return loadModel(`${folder}/model.onnx`, { folder });
}

function described(more: Readonly<Record<string, unknown>> = {}, inputs = {}): Network['manifest'] {
  return {
    ...{ format: 2, name: 'model', file: 'model.onnx', outputs: { y: { role: 'picture', ...PICTURE } } },
    inputs: { x: { role: 'frames', chunk: 3, ...PICTURE }, ...inputs },
    ...more,
  };
}

function largest(a: Uint8Array | undefined, b: Uint8Array | undefined): number {
  if (a === undefined || b === undefined || a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? 0))), 0);
}

/** Gives the frames of a chunk in falling order, in any layout and type. */
function turned(dims: readonly Dim[], type: 'float32' | 'uint8' = 'float32'): Network {
  const end = { type, dims };
  return {
    bytes: modelBytes({
      nodes: [node('Gather', ['x', 'order'], 'y', { axis: 1 })],
      initializers: [integers('order', [2, 1, 0])],
      input: { name: 'x', ...end },
      output: { name: 'y', ...end },
    }),
    manifest: described({ scale: 1, multiple: 1 }),
  };
}

t.test('a chunk is one tensor in and out, whatever its layout', async (t) => {
  for (const network of [
    turned(['N', 3, 3, 'H', 'W']),
    turned([1, 'T', 3, 'H', 'W']),
    turned([1, 3, 'H', 'W', 3]),
    turned([1, 3, 3, 'H', 'W'], 'uint8'),
    turned([1, 3, 3, 18, 34]),
  ]) {
    const model = await loaded(t, network);
    t.equal(model.fixedBatch, 3);
    const made = await runComposed(compose(model, FORMAT, 3), FRAMES);
    for (const [at, frame] of made.entries()) t.ok(largest(frame, FRAMES[2 - at]) <= 1, `frame ${at}`);
  }
});

t.test('scale and multiple are found in the graph, and constants are those of one chunk', async (t) => {
  const kernel = Array.from({ length: 3 * 3 * 4 }, (_, at) =>
    Number(Math.floor(at / 12) === Math.floor(at / 4) % 3),
  );
  const network: Network = {
    bytes: modelBytes({
      nodes: [
        node('Squeeze', ['x', 'zero'], 'frames'),
        node('ConvTranspose', ['frames', 'w'], 'large', { kernel_shape: [2, 2], strides: [2, 2] }),
        node('Unsqueeze', ['large', 'zero'], 'chunk'),
        node('Add', ['chunk', 'noise'], 'y'),
      ],
      initializers: [floats('w', [3, 3, 2, 2], kernel), integers('zero', [0])],
      input: [
        { name: 'x', dims: ['N', 3, 3, 'H', 'W'] },
        { name: 'noise', dims: ['N', 1, 1, 1, 1] },
      ],
      output: { name: 'y', dims: ['N', 3, 3, 'H2', 'W2'] },
    }),
    manifest: described({ chroma: 'nearest' }, { noise: { role: 'constant', value: 0 } }),
  };
  const model = await loaded(t, network);
  t.same([model.scale, model.multiple], [2, 1]);
  const graph = compose(model, FORMAT, 3);
  t.ok(graph.verified, 'its size is known before it runs');
  t.same([graph.every, graph.chunk], [3, { frames: 3, edge: 'replicate' }]);
  const made = await runComposed(graph, FRAMES);
  const { width, height } = FORMAT;
  for (const [at, frame] of made.entries()) {
    const luma = Uint8Array.from({ length: width * height }, (_, place) => {
      const [x, y] = [place % width, Math.floor(place / width)];
      return frame[4 * y * width + 2 * x] ?? 0;
    });
    t.ok(largest(luma, FRAMES[at]?.subarray(0, luma.length)) <= 1, `frame ${at}`);
  }
});

t.test('a picture has no chunk', async (t) => {
  const model = await loaded(t, inChunks());
  t.throws(() => composePicture(model, { width: 20, height: 10 }, CHUNK), {
    code: 'model',
    message: /looks at more than one frame, and a picture is by itself/,
  });
});

t.test('what a manifest cannot say', async (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { state: { role: 'state', from: 'y', reset: { every: 3 } } },
      /none with "state", where that has a "chunk"/,
    ],
    [{ guide: { role: 'source', ...PICTURE } }, /none with "source", where that has a "chunk"/],
    [{ z: { role: 'frames', at: 1, ...PICTURE } }, /none with "at", where that has a "chunk"/],
  ];
  for (const [more, message] of cases) {
    const network = { ...turned(['N', 3, 3, 'H', 'W']), manifest: described({}, more) };
    await t.rejects(loaded(t, network), { code: 'model', message });
  }
  const picture = { role: 'picture', ...PICTURE };
  const two = {
    ...turned(['N', 3, 3, 'H', 'W']),
    manifest: described({ outputs: { y: picture, z: picture } }),
  };
  await t.rejects(loaded(t, two), { message: /must have one picture where the frames have a "chunk"/ });
});

t.test('beside the frame that is taken of several, a further picture is one frame', async (t) => {
  const bytes = modelBytes({
    nodes: [
      node('Identity', ['x'], 'y'),
      node('Gather', ['x', 'first'], 'one', { axis: 1 }),
      node('Squeeze', ['one', 'axis'], 'z'),
    ],
    initializers: [integers('first', [0]), integers('axis', [1])],
    input: { name: 'x', dims: ['N', 3, 3, 'H', 'W'] },
    output: [
      { name: 'y', dims: ['N', 3, 3, 'H', 'W'] },
      { name: 'z', dims: ['N', 3, 'H', 'W'] },
    ],
  });
  const picture = { role: 'picture', ...PICTURE };
  const inputs = { x: { role: 'frames', window: { before: 1, after: 1, stack: 'time' }, ...PICTURE } };
  const manifest = described({ inputs, outputs: { y: picture, z: picture }, scale: 1, multiple: 1 });
  const graph = compose(await loaded(t, { bytes, manifest }), FORMAT, 1);
  const [row = new Uint8Array()] = await runRows(graph, FRAMES);
  const made = readRow(row, layoutOf({ graph }));
  t.ok(largest(made.frames[0], FRAMES[1]) <= 1, 'the middle one');
  t.ok(largest(made.frames[1], FRAMES[0]) <= 1, 'the one before it');
  const taken = { y: picture, z: { ...picture, take: 1 } };
  const refused = loaded(t, { bytes, manifest: described({ inputs, outputs: taken }) });
  await t.rejects(refused, { message: /must have "take" only at the first picture/ });
});
