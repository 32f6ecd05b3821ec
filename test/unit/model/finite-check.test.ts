/** NaN and infinity that models give: found frame by frame, whatever the model ends in, and black in the frame. */
import * as ort from 'onnxruntime-node';
import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import { DataType, decodeModel, encodeModel } from '../../../src/model/graph/onnx.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { toFp16 } from '../../../src/model/passes/fp16.js';
import { int8Graph } from '../../../src/model/session/precision.js';
import { modelsFolder } from '../../../src/system/package.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { asGpusCompute } from '../../fixtures/half-arithmetic.js';
import { floats, imageManifest, modelBytes, modelFolder, node } from '../../fixtures/onnx.js';
import { randomNumbers } from '../../fixtures/random.js';

const FRAME = { width: 32, height: 32, sample: I420, matrix: 'bt709', range: 'limited' } as const;
const PICTURES = ['N', 3, 'H', 'W'];

/** Rows of the result for a dark frame and a bright one. */
async function rows(graph: ComposedGraph, frames: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  const session = await ort.InferenceSession.create(graph.bytes, { logSeverityLevel: 3 });
  const data = new Uint8Array(Buffer.concat(frames));
  const { styled } = await session.run({
    frames: new ort.Tensor('uint8', data, [frames.length, graph.inputBytes]),
  });
  await session.release();
  const bytes = styled?.data as Uint8Array;
  return frames.map((_, at) => bytes.slice(at * graph.rowBytes, (at + 1) * graph.rowBytes));
}

function grey(level: number): Uint8Array {
  return new Uint8Array(1.5 * FRAME.width * FRAME.height)
    .fill(128)
    .fill(level, 0, FRAME.width * FRAME.height);
}

/** x where it is below 0.6, NaN above. */
const NAN_ABOVE = [
  node('Sub', ['most', 'x'], 'below'),
  node('Sqrt', ['below'], 'root'),
  node('Mul', ['root', 'zero'], 'nothing'),
  node('Add', ['x', 'nothing'], 'made'),
];
/** x, and infinity above 0.6. */
const INFINITE_ABOVE = [
  node('Sub', ['x', 'most'], 'above'),
  node('Relu', ['above'], 'positive'),
  node('Mul', ['positive', 'huge'], 'large'),
  node('Mul', ['large', 'huge'], 'larger'),
  node('Add', ['x', 'larger'], 'made'),
];
const CONSTANTS = [
  floats('most', [], [0.6]),
  floats('zero', [], [0]),
  floats('huge', [], [1e30]),
  floats('two', [], [2]),
  floats('hundreds', [], [300]),
  floats('low', [], [0]),
  floats('high', [], [1]),
  floats('level', [], [255]),
];

interface Case {
  readonly nodes?: typeof NAN_ABOVE;
  readonly end?: typeof NAN_ABOVE;
  readonly type?: 'float32' | 'float16' | 'uint8';
  readonly layout?: 'nchw' | 'nhwc';
  readonly opset?: number;
}

async function composed(
  t: Test,
  { nodes = NAN_ABOVE, end, type, layout, opset }: Case,
): Promise<ComposedGraph> {
  const [element, order] = [type ?? 'float32', layout ?? 'nchw'] as const;
  const dims = order === 'nchw' ? PICTURES : ['N', 'H', 'W', 3];
  const range = element === 'uint8' ? '0..255' : '0..1';
  const number = { float32: 1, float16: 10, uint8: 2 }[element];
  const before =
    element === 'uint8'
      ? [node('Cast', ['input'], 'numbers', { to: 1 }), node('Div', ['numbers', 'level'], 'x')]
      : [node('Cast', ['input'], 'x', { to: 1 })];
  const behind = end ?? [node('Cast', ['made'], 'output', { to: number })];
  const fixture = {
    bytes: modelBytes({
      ...{ opset: opset ?? 17, nodes: [...before, ...nodes, ...behind], initializers: CONSTANTS },
      ...{ input: { type: element, dims }, output: { type: element, dims } },
    }),
    manifest: imageManifest({
      input: { name: 'input', type: element, layout: order, channels: 'rgb', range },
      output: { name: 'output', type: element, layout: order, channels: 'rgb', range },
    }),
  };
  const folder = t.testdir(modelFolder(fixture));
  return compose(await loadModel(`${folder}/model.onnx`, { folder }), FRAME, 2);
}

const tanh = [
  node('Tanh', ['made'], 'squeezed'),
  node('Mul', ['squeezed', 'two'], 'wide'),
  node('Clip', ['wide', 'low', 'high'], 'output'),
];
const bytes = [
  node('Mul', ['made', 'level'], 'levels'),
  node('Clip', ['levels', 'low', 'level'], 'clipped'),
  node('Cast', ['clipped'], 'output', { to: 2 }),
];

const CASES: Readonly<Record<string, Case>> = {
  float32: {},
  float16: { type: 'float16' },
  NHWC: { layout: 'nhwc' },
  'operator set 9': { opset: 9 },
  'operator set 18': { opset: 18 },
  infinity: { nodes: INFINITE_ABOVE },
  'behind a sigmoid': { end: [node('Sigmoid', ['made'], 'output')] },
  'behind a tanh, a factor and a clip': { end: tanh },
  'behind a ReLU': { end: [node('Relu', ['made'], 'output')] },
  'behind a cast to bytes': { type: 'uint8', end: bytes },
};

for (const [name, one] of Object.entries(CASES)) {
  t.test(`what is not finite is found in its frame: ${name}`, async (t) => {
    const graph = await composed(t, one);
    const made = await rows(graph, [grey(60), grey(220)]);
    t.same(
      made.map((row) => row.at(-1)),
      [1, 0],
    );
    t.ok(made.every((row) => row.length === graph.outputBytes + 1));
  });
}

t.test('an overflow in fp16 is found', async (t) => {
  const large = [node('Mul', ['x', 'hundreds'], 'hundred'), node('Mul', ['hundred', 'hundreds'], 'large')];
  const small = [node('Div', ['large', 'hundreds'], 'less'), node('Div', ['less', 'hundreds'], 'made')];
  const graph = await composed(t, { nodes: [...large, ...small] });
  const half = toFp16(graph.bytes);
  const bytes = 'bytes' in half ? asGpusCompute(half.bytes) : new Uint8Array(0);
  const frames = [grey(20), grey(220)];
  const checks = (made: readonly Uint8Array[]) => made.map((row) => row.at(-1));
  t.same(checks(await rows(graph, frames)), [1, 1], 'not in fp32');
  t.same(checks(await rows({ ...graph, bytes }, frames)), [1, 0]);
});

t.test('NaN becomes 0 in every plane of the frame', async (t) => {
  const [dark, bright] = await rows(await composed(t, {}), [grey(60), grey(220)]);
  t.ok(dark?.subarray(0, -1).some((sample) => sample > 50));
  t.ok(bright?.subarray(0, -1).every((sample) => sample === 0));
});

t.test('a network of bytes throughout has nothing to check', async (t) => {
  const fixture = {
    bytes: modelBytes({
      ...{ nodes: [node('Identity', ['input'], 'output')] },
      ...{ input: { type: 'uint8', dims: PICTURES }, output: { type: 'uint8', dims: PICTURES } },
    }),
    manifest: imageManifest({
      input: { name: 'input', type: 'uint8', layout: 'nchw', channels: 'rgb', range: '0..255' },
      output: { name: 'output', type: 'uint8', layout: 'nchw', channels: 'rgb', range: '0..255' },
    }),
  };
  const folder = t.testdir(modelFolder(fixture));
  const graph = compose(await loadModel(`${folder}/model.onnx`, { folder }), FRAME, 2);
  t.notOk(decodeModel(graph.bytes).graph?.node?.some(({ opType }) => opType === 'ReduceMean'));
  const made = await rows(graph, [grey(60), grey(220)]);
  t.ok(made.every((row) => row.at(-1) === 1));
});

/** The same graph as it would be without the check. */
function unchecked(graph: ComposedGraph, bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes);
  const node = (model.graph?.node ?? []).map((one) =>
    one.output?.[0] === 'styled' ? { ...one, input: one.input?.slice(0, -1) ?? [] } : one,
  );
  const dim = [{ dimValue: 1 }, { dimValue: graph.outputBytes }];
  const output = [{ name: 'styled', type: { tensorType: { elemType: DataType.uint8, shape: { dim } } } }];
  return encodeModel({ ...model, graph: { ...model.graph, node, output } });
}

t.test('the check leaves every sample of the shipped styles as it was, in fp32 and in int8', async (t) => {
  const size = { ...FRAME, width: 96, height: 64 };
  const random = randomNumbers(3);
  const frame = Uint8Array.from({ length: 1.5 * size.width * size.height }, () => Math.floor(256 * random()));
  const settings = { intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  for (const name of ['fast', 'fine'] as const) {
    const model = await loadModel('wave', { folder: modelsFolder(), size: name });
    const graph = compose(model, size, 1);
    for (const bytes of [graph.bytes, int8Graph(graph, model)]) {
      const results: Uint8Array[] = [];
      for (const one of [bytes, unchecked(graph, bytes)]) {
        const session = await ort.InferenceSession.create(one, settings);
        const frames = new ort.Tensor('uint8', frame, [1, frame.length]);
        results.push((await session.run({ frames })).styled?.data as Uint8Array);
        await session.release();
      }
      const [checked, plain] = results;
      t.same(checked?.subarray(0, graph.outputBytes), plain);
      t.equal(checked?.at(-1), 1);
    }
  }
});

t.test('the shipped styles are checked, in fp16 too', async (t) => {
  for (const size of ['fast', 'fine'] as const) {
    const graph = compose(await loadModel('wave', { folder: modelsFolder(), size }), FRAME, 1);
    const half = toFp16(graph.bytes);
    t.ok('bytes' in half);
    const nodes = 'bytes' in half ? (decodeModel(half.bytes).graph?.node ?? []) : [];
    t.equal(nodes.filter(({ opType }) => opType === 'ReduceMean').length, 2);
    const [row] = await rows(graph, [grey(120)]);
    t.equal(row?.at(-1), 1);
  }
});
