import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { fp16Bits } from '../../../src/model/graph/float16.js';
import { DataType, decodeModel, type GraphProto } from '../../../src/model/graph/onnx.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { toFp16 } from '../../../src/model/passes/fp16.js';
import { fp16Graph } from '../../../src/model/session/precision.js';
import { openSession } from '../../../src/model/session/session.js';
import type { NativeSession, ProviderName, SessionOptions } from '../../../src/system/native.js';
import { isRefusal } from '../../../src/system/refusal.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { CODINGS } from '../../fixtures/float64-reference.js';
import { asGpusCompute, halfValue } from '../../fixtures/half-arithmetic.js';
import {
  floats,
  imageManifest,
  integers,
  modelBytes,
  modelFolder,
  nearestUpscaler,
  node,
  pictureIdentity,
  styleNetwork,
} from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';
import { photoLike, psnr } from '../../fixtures/picture.js';
import { randomNumbers } from '../../fixtures/random.js';
import { runComposed } from '../../fixtures/run-onnx.js';
import { sharedData } from '../../fixtures/shared-data.js';

const BT709 = { matrix: 'bt709', range: 'limited' } as const;
const PICTURES = ['N', 3, 'H', 'W'];

t.test('numbers become the nearest float16, as ONNX Runtime makes it', async (t) => {
  const next = randomNumbers(7);
  const random = Array.from({ length: 4000 }, () => (next() - 0.5) * 2 ** Math.floor(44 * next() - 27));
  const between = Array.from({ length: 500 }, (_, at) => (halfValue(37 * at) + halfValue(37 * at + 1)) / 2);
  const special = [0, -0, 1, 2 ** -24, 2 ** -25, 2 ** -14, 65504, -65519, 1 / 255, 0.99999];
  const values = Float32Array.from([...random, ...between, ...special]);
  const cast = modelBytes({
    nodes: [node('Cast', ['input'], 'output', { to: DataType.float16 })],
    input: { dims: ['N'] },
    output: { type: 'float16', dims: ['N'] },
  });
  const session = await ort.InferenceSession.create(cast, { logSeverityLevel: 3 });
  const { output } = await session.run({ input: new ort.Tensor('float32', values, [values.length]) });
  await session.release();
  const data = output?.data as unknown as ArrayBufferView;
  const expected = new Uint16Array(data.buffer, data.byteOffset, values.length);
  const wrong = [...values].filter((value, at) => fp16Bits(value) !== expected[at]);
  t.same(wrong, []);
});

async function styleGraph(test: Test, coding: (typeof CODINGS)[number], strength: number) {
  const folder = test.testdir(modelFolder(styleNetwork({ skip: true })));
  const model = await loadModel('wild', { folder, strength });
  const graph = compose(model, { width: 130, height: 70, sample: I420, ...coding }, 1);
  const half = toFp16(graph.bytes);
  if (isRefusal(half)) throw new Error(half.refusal);
  return { graph, half: { ...graph, bytes: half.bytes } };
}

t.test('a style network in fp16 gives the picture of fp32', async (t) => {
  for (const coding of CODINGS) {
    for (const strength of [1, 0.5]) {
      const { graph, half } = await styleGraph(t, coding, strength);
      const frame = photoLike(130, 70, coding);
      const [full = new Uint8Array()] = await runComposed(graph, [frame]);
      const [onCpu = new Uint8Array()] = await runComposed(half, [frame]);
      const asOnGpu = { ...half, bytes: asGpusCompute(half.bytes) };
      const [onGpu = new Uint8Array()] = await runComposed(asOnGpu, [frame]);
      t.ok(new Set(full).size > 40, 'a picture');
      const name = `${coding.matrix} ${coding.range} at ${strength}`;
      t.ok(psnr(full, onCpu) > 45, `${name}: ${psnr(full, onCpu)} dB`);
      t.ok(psnr(full, onGpu) > 45, `${name}, every result rounded: ${psnr(full, onGpu)} dB`);
    }
  }
});

t.test('strength 0 gives the source back in fp16 too', async (t) => {
  const { half } = await styleGraph(t, BT709, 0);
  const frame = photoLike(130, 70, BT709);
  const graph = { ...half, bytes: asGpusCompute(half.bytes) };
  t.same(await runComposed(graph, [frame]), [frame]);
});

t.test('nothing is left in float32 but sizes, and no cast is added', async (t) => {
  const { graph, half } = await styleGraph(t, BT709, 1);
  const [before, after] = [graph, half].map((one) => decodeModel(one.bytes).graph ?? {});
  const casts = (one: GraphProto | undefined) => one?.node?.filter(({ opType }) => opType === 'Cast').length;
  t.equal(casts(after), casts(before));
  t.same(float32In(after), []);

  const { bytes, manifest } = nearestUpscaler(3);
  const files = { 'model.json': JSON.stringify(manifest), 'model.onnx': Buffer.from(bytes) };
  const enlarging = await loadModel(join(t.testdir(files), 'model.onnx'), { folder: '' });
  const made = toFp16(compose(enlarging, { width: 64, height: 48, sample: I420, ...BT709 }, 1).bytes);
  const graphs = 'bytes' in made ? decodeModel(made.bytes).graph : undefined;
  const sizes =
    graphs?.node?.flatMap(({ opType, input }) => (opType === 'Resize' ? (input ?? []) : [])) ?? [];
  t.ok(float32In(graphs).includes('model/scales'), 'the scales of a Resize');
  t.ok(float32In(graphs).every((name) => sizes.includes(name)));
});

function float32In(graph: GraphProto | null | undefined): readonly string[] {
  const left = graph?.initializer?.filter(({ dataType }) => dataType === DataType.float32) ?? [];
  return left.map(({ name }) => name ?? '');
}

/** Graphs that cannot be halved, and what is said of them. */
const OBSTACLES: Readonly<Record<string, readonly [Parameters<typeof modelBytes>[0], RegExp]>> = {
  'an operator that may not know float16': [
    {
      nodes: [node('Einsum', ['input'], 'output', { equation: 'nchw->nchw' })],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    },
    /Einsum is not known to work/,
  ],
  'an operator of somebody else': [
    {
      nodes: [{ ...node('Relu', ['input'], 'output'), domain: 'com.example' }],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    },
    /Relu is not known to work/,
  ],
  'a size that is computed in float32': [
    {
      nodes: [
        node('Mul', ['one', 'one'], 'scales'),
        node('Resize', ['input', '', 'scales'], 'output', { mode: 'nearest' }),
      ],
      initializers: [floats('one', [4], [1, 1, 1, 1])],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    },
    /Resize has a size that is computed at run time/,
  ],
  'a number beyond float16': [
    {
      nodes: [node('Mul', ['input', 'much'], 'output')],
      initializers: [floats('much', [1], [70_000])],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    },
    /constants beyond the range of fp16/,
  ],
  'such a number in a node': [
    {
      nodes: [
        { ...node('Constant', [], 'much'), attribute: [{ name: 'value_float', type: 1, f: 1e5 }] },
        node('Mul', ['input', 'much'], 'output'),
      ],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    },
    /constants beyond the range of fp16/,
  ],
  'numbers that are not all written': [
    {
      nodes: [
        { ...node('Constant', [], 'few'), attribute: [{ name: 'sparse_value', type: 11 }] },
        node('Mul', ['input', 'few'], 'output'),
      ],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
    },
    /sparse/,
  ],
};

t.test(
  'what cannot run in fp16 runs in fp32 and says why, or is refused where fp16 is asked for',
  async (t) => {
    for (const [name, [spec, why]] of Object.entries(OBSTACLES)) {
      const bytes = modelBytes(spec);
      t.match(toFp16(bytes), { refusal: why }, name);
      const graph = { bytes };
      const model = { file: 'x.onnx', precision: 'fp16' } as const;
      t.match(fp16Graph(graph, 8, model, { precision: 'auto', provider: 'auto' }), {
        bytes: undefined,
        notes: [why],
      });
      t.throws(() => fp16Graph(graph, 8, model, { precision: 'fp16', provider: 'auto' }), {
        code: 'model',
        message: why,
        hint: /--precision/,
      });
    }
  },
);

t.test('numbers in the nodes themselves become float16, in whichever way they are written', async (t) => {
  const pictures = { dims: [1, 3, 2, 2] };
  const constant = (name: string, attribute: object) => ({
    ...node('Constant', [], name),
    attribute: [attribute],
  });
  const bytes = modelBytes({
    nodes: [
      constant('half', { name: 'value_float', type: 1, f: 0.5 }),
      constant('twos', { name: 'value_floats', type: 6, floats: [2, 2] }),
      constant('one', { name: 'value', type: 4, t: floats('', [1], [1]) }),
      node('Cast', ['input'], 'x', { to: DataType.float32 }),
      node('Mul', ['x', 'half'], 'a'),
      node('Mul', ['a', 'twos'], 'b'),
      node('Add', ['b', 'one'], 'y'),
      node('Cast', ['y'], 'output', { to: DataType.uint8 }),
    ],
    input: { ...pictures, type: 'uint8' },
    output: { ...pictures, type: 'uint8' },
  });
  const half = toFp16(bytes);
  const made = 'bytes' in half ? half.bytes : new Uint8Array();
  const session = await ort.InferenceSession.create(made, { logSeverityLevel: 3 });
  const samples = Uint8Array.from({ length: 12 }, (_, at) => at);
  const { output } = await session.run({ input: new ort.Tensor('uint8', samples, pictures.dims) });
  await session.release();
  t.same([...(output?.data ?? [])], [...samples.map((sample) => sample + 1)]);
});

t.test('numbers that two operators share, one of them as a size, keep both types', async (t) => {
  const bytes = modelBytes({
    nodes: [
      node('Resize', ['input', '', 'twos'], 'large', { mode: 'nearest' }),
      node('Mul', ['large', 'twos'], 'output'),
      node('Shape', ['input'], 'shape'),
      node('Reshape', ['twos', 'shape'], 'unused'),
    ],
    initializers: [floats('twos', [4], [1, 1, 2, 2]), integers('none', [1])],
    input: { dims: [1, 4, 4, 4] },
    output: { dims: ['N', 'C', 'H', 'W'] },
  });
  const half = toFp16(bytes);
  const { graph } = decodeModel('bytes' in half ? half.bytes : new Uint8Array());
  t.same(
    graph?.initializer?.map(({ name, dataType }) => [name, dataType]),
    [
      ['twos', DataType.float32],
      ['half/twos', DataType.float16],
      ['none', DataType.int64],
    ],
  );
  t.same(
    graph?.node?.map(({ input }) => input?.at(-1)),
    ['twos', 'half/twos', 'input', 'shape'],
  );
});

t.test(
  'styles run in fp16 on GPUs by themselves, other models where their manifest or the user says so',
  async (t) => {
    const folder = t.testdir({
      ...modelFolder(styleNetwork()),
      ...modelFolder(pictureIdentity({}, { precision: 'fp16' })),
      'plain.onnx': Buffer.from(pictureIdentity().bytes),
      'plain.json': JSON.stringify(imageManifest({ name: 'plain', file: 'plain.onnx' })),
    });
    const isHalf = async (
      spec: string,
      precision: 'auto' | 'fp16' | 'fp32',
      provider: 'auto' | ProviderName,
    ) => {
      const model = await loadModel(spec, { folder });
      const graph = compose(model, { width: 64, height: 48, sample: I420, ...BT709 }, 1);
      return fp16Graph(graph, 8, model, { precision, provider }).bytes !== undefined;
    };
    t.ok(await isHalf('calm', 'auto', 'auto'));
    t.ok(await isHalf('calm:1,wild:2', 'auto', 'tensorrt'));
    t.notOk(await isHalf('calm', 'auto', 'cpu'), 'no rank is on a GPU');
    t.notOk(await isHalf('calm', 'fp32', 'cuda'));
    t.ok(await isHalf('model', 'auto', 'cuda'), 'its manifest allows it');
    t.notOk(await isHalf('model', 'fp32', 'cuda'));
    t.notOk(await isHalf('plain', 'auto', 'cuda'), 'its manifest says nothing');
    t.ok(await isHalf('plain', 'fp16', 'cuda'));
  },
);

t.test('in one world ranks on GPUs run fp16, those on CPUs fp32', async (t) => {
  const graphs = { fp32: Uint8Array.of(32), fp16: Uint8Array.of(16), int8: undefined };
  const sizes = { inputBytes: 6, outputBytes: 6 };
  const request = { ...sizes, threads: 1, localRank: 0, localSize: 1, dryRun: true } as const;
  const opened: [number | undefined, SessionOptions][] = [];
  process.env.XDG_CACHE_HOME = t.testdir();
  const session: NativeSession = {
    ...{ inputs: [], outputs: [], notes: [] },
    run: async () => {},
    dispose: async () => {},
  };
  const addon = {
    createSession: async (graph: Uint8Array, options: SessionOptions) => {
      opened.push([graph[0], options]);
      return session;
    },
    allocate: (bytes: number) => new ArrayBuffer(bytes),
    runtimeInfo: () => ({ version: '1.30.0', providers: [] }),
    vulkanAdapters: () => null,
  };
  const precisions = [];
  for (const provider of ['cuda', 'cpu', 'tensorrt'] as const) {
    precisions.push((await openSession(graphs, { ...request, provider }, addon)).precision);
  }
  t.same(precisions, ['fp16', 'fp32', 'fp16']);
  t.match(opened, [
    [16, { provider: 'cuda', half: true }],
    [16, { provider: 'cuda', half: true }],
    [32, { provider: 'cpu', half: false }],
    [16, { provider: 'tensorrt', half: true }],
    [16, { provider: 'tensorrt', half: true }],
  ]);
  const without = { ...graphs, fp16: undefined };
  t.equal((await openSession(without, { ...request, provider: 'tensorrt' }, addon)).precision, 'fp32');
  t.match(opened.at(-1), [32, { provider: 'tensorrt', half: false }]);

  const crowded = { ...request, threads: 5000 };
  const notes = async (provider: 'cpu' | 'cuda') =>
    (await openSession(graphs, { ...crowded, provider }, addon)).notes;
  t.match(await notes('cpu'), [/--threads 5000 exceeds the \d+ cores of a rank here/]);
  t.same(await notes('cuda'), []);
});

t.test("a third party's style network in fp16, where the user asks for it", async (t) => {
  const file = sharedData('models/reference-wave.onnx');
  if (file === undefined) return t.comment('skipped: no reference model here');
  const model = await loadModel(file, { folder: '', overrides: { range: '0..255', channels: 'rgb' } });
  const graph = compose(model, { width: 128, height: 72, sample: I420, ...BT709 }, 1);
  const { bytes } = fp16Graph(graph, 8, model, { precision: 'fp16', provider: 'cuda' });
  const frame = photoLike(128, 72, BT709);
  const [full = new Uint8Array()] = await runComposed(graph, [frame]);
  const half = { ...graph, bytes: asGpusCompute(bytes ?? new Uint8Array()) };
  const [onGpu = new Uint8Array()] = await runComposed(half, [frame]);
  t.ok(psnr(full, onGpu) > 40, `${psnr(full, onGpu)} dB`);
});
