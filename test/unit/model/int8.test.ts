/** Convolutions in int8: the numbers, the graph, the ranges of a manifest, and who computes in it. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RankMachine } from '../../../src/job/context/machine.js';
import { cpuPrecision, ON_CPUS } from '../../../src/job/prepare/cpu-precision.js';
import { compose } from '../../../src/model/compose/compose.js';
import { decodeModel } from '../../../src/model/graph/onnx.js';
import type { Int8Conv } from '../../../src/model/load/ranges.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { quantiseKernel, toInt8 } from '../../../src/model/passes/int8.js';
import { int8Graph, type PrecisionChoice } from '../../../src/model/session/precision.js';
import { openSession } from '../../../src/model/session/session.js';
import type { NativeSession, ProviderName } from '../../../src/system/native.js';
import { multipliesInt8 } from '../../../src/system/processor.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { floats, modelBytes, modelFolder, node, sha256, styleNetwork } from '../../fixtures/onnx.js';
import { photoLike, psnr } from '../../fixtures/picture.js';
import { randomNumbers } from '../../fixtures/random.js';
import { runComposed } from '../../fixtures/run-onnx.js';

const BT709 = { matrix: 'bt709', range: 'limited' } as const;
const noInt8 = multipliesInt8() ? false : 'this processor has neither VNNI nor AMX';

t.test('a kernel in int8 gives what it gave, by steps of its own for every channel', async (t) => {
  const next = randomNumbers(3);
  const dims = [3, 2, 1, 2];
  // The second input is a hundred times the first; the second output is a thousandth of the others.
  const kernel = Array.from({ length: 12 }, (_, at) => (next() - 0.5) * (at >= 4 && at < 8 ? 0.001 : 1));
  const before = { low: [0, -300], high: [2, 100] };
  const real = (x: readonly number[], out: number) =>
    x.reduce((sum, one, at) => sum + one * (kernel[4 * out + at] ?? 0), 0);
  const inputs = Array.from({ length: 200 }, () => [
    ...[2 * next(), 2 * next()],
    ...[400 * next() - 300, 400 * next() - 300],
  ]);
  const outputs = [0, 1, 2].map((out) => inputs.map((x) => real(x, out)));
  const behind = {
    low: outputs.map((values) => Math.min(...values)),
    high: outputs.map((values) => Math.max(...values)),
  };
  const made = quantiseKernel(kernel, dims, before, behind);
  t.ok(made.weights.every((one) => Number.isInteger(one) && Math.abs(one) <= 127));
  for (const out of [0, 1, 2]) {
    const own = made.weights.slice(4 * out, 4 * out + 4).map(Math.abs);
    t.equal(Math.max(...own), 127, 'each output uses all of the range');
  }
  t.same(made.inputZeros, [0, Math.round((300 / 400) * 255)]);
  for (const out of [0, 1, 2]) {
    const range = (behind.high[out] ?? 0) - (behind.low[out] ?? 0);
    const worst = inputs.reduce((most, x, number) => {
      const bytes = x.map((one, at) => {
        const channel = Math.floor(at / 2);
        const byte = Math.round(one / (made.inputSteps[channel] ?? 1)) + (made.inputZeros[channel] ?? 0);
        return Math.max(0, Math.min(255, byte));
      });
      const sum = bytes.reduce(
        (all, byte, at) => all + byte * (made.weights[4 * out + at] ?? 0),
        made.offsets[out] ?? 0,
      );
      const byte = Math.max(0, Math.min(255, Math.round(sum * (made.factors[out] ?? 0))));
      const found = byte * (made.outputSteps[out] ?? 0) + (behind.low[out] ?? 0);
      return Math.max(most, Math.abs(found - (outputs[out]?.[number] ?? 0)));
    }, 0);
    t.ok(worst < 0.015 * range, `output ${out}: ${worst} of ${range}`);
  }
});

t.test('channels and kernels of nothing have steps too', async (t) => {
  const nothing = { low: [0], high: [0] };
  const { weights, offsets, ...steps } = quantiseKernel([0, 0], [1, 1, 1, 2], nothing, nothing);
  t.same(
    [...weights, ...offsets].map((one) => one + 0),
    [0, 0, 0],
  );
  for (const one of [...steps.inputSteps, ...steps.factors, ...steps.outputSteps]) t.ok(one > 0 && one < 1e9);
});

/** Ranges for the small network's `block` and `up` in its style `calm`, roughly. */
const RANGES: readonly Int8Conv[] = [
  { weight: 'block.weight', input: span(8, 0, 3), output: span(8, -4, 4) },
  { weight: 'up.weight', input: span(8, -3, 4), output: span(4, -6, 6) },
];

function span(channels: number, low: number, high: number) {
  return { low: Array<number>(channels).fill(low), high: Array<number>(channels).fill(high) };
}

/** The small network's folder with ranges for its styles: `RANGES` for `calm`, twice that for `wild`. */
function withRanges(convs: readonly Int8Conv[] = RANGES, rows: readonly number[] = [1, 2]) {
  const fixture = styleNetwork();
  const row = convs.flatMap(({ input, output }) => [
    ...input.low,
    ...input.high,
    ...output.low,
    ...output.high,
  ]);
  const bytes = new Uint8Array(
    Float32Array.from(rows.flatMap((times) => row.map((one) => times * one))).buffer,
  );
  const int8 = {
    file: 'small.ranges.f32',
    sha256: sha256(bytes),
    convolutions: convs.map(({ weight, input, output }) => ({
      weight,
      inputs: input.low.length,
      outputs: output.low.length,
    })),
  };
  const manifest = { ...fixture.manifest, int8 };
  return { ...modelFolder({ ...fixture, manifest }), 'small.ranges.f32': Buffer.from(bytes) };
}

t.test('ranges come from the file that the manifest names; a blend has those of all its parts', async (t) => {
  const top = t.testdir({
    own: withRanges(),
    plain: modelFolder(styleNetwork()),
    other: withRanges(RANGES, [1.5, 2]),
  });
  const folder = join(top, 'own');
  const lows = async (spec: string) => (await loadModel(spec, { folder })).int8?.[1]?.input.low[0];
  t.same(await Promise.all(['calm', 'wild', 'calm,wild:3', 'calm,wild:0'].map(lows)), [-3, -6, -6, -3]);
  t.same((await loadModel('calm', { folder })).int8, RANGES);
  t.equal((await loadModel('calm', { folder: join(top, 'plain') })).int8, undefined);

  const before = (await loadModel('calm', { folder })).sha256;
  await writeFile(join(folder, 'small.ranges.f32'), Buffer.alloc(10));
  await t.rejects(loadModel('calm', { folder }), { code: 'model', message: /SHA-256/ });
  const other = join(top, 'other');
  t.not((await loadModel('calm', { folder: other })).sha256, before, 'other ranges, other pictures');
});

t.test('what are no ranges is refused', async (t) => {
  const refused = async (files: ReturnType<typeof withRanges>, message: RegExp) =>
    t.rejects(loadModel('calm', { folder: t.testdir(files) }), { code: 'model', message });
  await refused(withRanges(RANGES, [1]), /have \d+ bytes; by the manifest they must have \d+/);
  await refused(withRanges(RANGES, [-1, 1]), /contains invalid ranges/);
  await refused(withRanges(RANGES, [Number.NaN, 1]), /contains invalid ranges/);
});

async function graphs(test: Test) {
  const model = await loadModel('wild', { folder: test.testdir(withRanges()) });
  const graph = compose(model, { width: 130, height: 70, sample: I420, ...BT709 }, 1);
  return { model, graph };
}

t.test('bytes go through padding and enlarging, and clipping them is the ReLU', async (t) => {
  const { model, graph } = await graphs(t);
  const { graph: made = {} } = decodeModel(int8Graph(graph, model));
  const maker = (value: string | undefined) => made?.node?.find(({ output }) => output?.[0] === value);
  const way = (weights: RegExp) => {
    const found: string[] = [];
    const conv = made?.node?.find(
      ({ opType, input }) => opType === 'QLinearConv' && weights.test(input?.[3] ?? ''),
    );
    for (let one = maker(conv?.input?.[0]); one !== undefined; one = maker(one.input?.[0])) {
      found.push(one.opType ?? '');
      if (one.opType === 'QuantizeLinear') break;
    }
    return found;
  };
  t.same(way(/int8\/0\//), ['Pad', 'QuantizeLinear'], 'a ReLU that a sum reads too stays');
  t.same(way(/int8\/1\//), ['Pad', 'Resize', 'QuantizeLinear']);
  const names = made?.initializer?.map(({ name }) => name) ?? [];
  t.notOk(names.includes('model/up.weight'), 'the weights that nothing reads are not sent');
  const down: Int8Conv = { weight: 'down.weight', input: span(4, 0, 9), output: span(8, -9, 9) };
  const without = toInt8(graph.bytes, [down]);
  const nodes = 'bytes' in without ? (decodeModel(without.bytes).graph?.node ?? []) : [];
  const relus = (all: readonly { readonly opType?: string | null }[]) =>
    all.filter(({ opType }) => opType === 'Relu').length;
  t.equal(relus(nodes), relus(decodeModel(graph.bytes).graph?.node ?? []) - 1);
  const strides = nodes.find(({ opType }) => opType === 'QLinearConv')?.attribute;
  t.same(strides?.find(({ name }) => name === 'strides')?.ints?.map(Number), [2, 2]);
});

t.test('a style network in int8 gives nearly the picture of fp32', { skip: noInt8 }, async (t) => {
  const { model, graph } = await graphs(t);
  const frame = photoLike(130, 70, BT709);
  const [full = new Uint8Array()] = await runComposed(graph, [frame]);
  const [bytes = new Uint8Array()] = await runComposed({ ...graph, bytes: int8Graph(graph, model) }, [frame]);
  const found = psnr(full, bytes);
  t.ok(found > 30 && found < 90, `${found} dB`);
});

/** Graphs of one convolution `w` that cannot be in int8, and what is said of them. */
const PICTURES = ['N', 2, 'H', 'W'];
const norm = node('InstanceNormalization', ['y', 'ones', 'ones'], 'output');
const conv = (more: Parameters<typeof node>[3] = {}) => node('Conv', ['input', 'model/w'], 'y', more);
const OBSTACLES: Readonly<Record<string, readonly [Partial<Parameters<typeof modelBytes>[0]>, RegExp]>> = {
  'no norm behind': [
    { nodes: [conv(), node('Relu', ['y'], 'output')] },
    /not read by exactly one instance norm/,
  ],
  'a norm that is not alone': [
    { nodes: [conv(), { ...norm, output: ['n'] }, node('Add', ['n', 'y'], 'output')] },
    /not read by exactly one instance norm/,
  ],
  'padding with zeros': [{ nodes: [conv({ pads: [1, 1, 1, 1] }), norm] }, /pads with zeros/],
  'padding by itself': [{ nodes: [conv({ auto_pad: 'SAME_UPPER' }), norm] }, /pads with zeros/],
  'a bias': [{ nodes: [node('Conv', ['input', 'model/w', 'ones'], 'y'), norm] }, /grouped, or has a bias/],
  'other weights': [
    {
      nodes: [node('Conv', ['input', 'v'], 'y'), norm],
      initializers: [floats('v', [2, 2, 1, 1], [1, 2, 3, 4])],
    },
    /these weights do not belong to exactly one convolution/,
  ],
  'an old operator set': [{ nodes: [conv(), norm], opset: 12 }, /operator set is 12/],
};

t.test('what cannot be in int8 is said', async (t) => {
  const one: Int8Conv = { weight: 'w', input: span(2, 0, 1), output: span(2, -1, 1) };
  const bytes = (more: Partial<Parameters<typeof modelBytes>[0]>) =>
    modelBytes({
      nodes: [conv(), norm],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
      ...more,
      initializers: [
        floats('model/w', [2, 2, 1, 1], [1, 2, 3, 4]),
        floats('ones', [2], [1, 1]),
        ...(more.initializers ?? []),
      ],
    });
  t.ok('bytes' in toInt8(bytes({}), [one]));
  for (const [name, [more, refusal]] of Object.entries(OBSTACLES))
    t.match(toInt8(bytes(more), [one]), { refusal }, name);
  const refused = (conv: Partial<Int8Conv>, refusal: RegExp) =>
    t.match(toInt8(bytes({}), [{ ...one, ...conv }]), { refusal });
  refused({ input: span(3, 0, 1) }, /other numbers of channels/);
  refused({ output: span(2, -1e30, 1e30) }, /far beyond its weights/);
  const model = { file: 'x.onnx', int8: [{ ...one, weight: 'none' }] };
  t.throws(() => int8Graph({ bytes: bytes({}) }, model), {
    code: 'model',
    message: /"x.onnx" cannot run in int8.*"none"/,
    hint: /--precision fp32/,
  });
});

t.test('processors with VNNI or AMX are known by their flags, all cores of them', async (t) => {
  const core = (flags: string) => `processor\t: 0\nflags\t\t: fpu sse2 avx2 ${flags}\nbugs\t\t: spectre\n\n`;
  for (const flag of ['avx512_vnni', 'avx_vnni', 'amx_int8']) t.ok(multipliesInt8(core(flag)), flag);
  t.notOk(multipliesInt8(core('avx512f avx512_vnnix avx512_bf16')));
  t.notOk(multipliesInt8(core('avx_vnni') + core('')), 'one core lacks it');
  t.notOk(multipliesInt8('processor : 0\nFeatures : fp asimd asimddp i8mm\n'), 'not x86');
  t.notOk(multipliesInt8(''));
});

type Processor = Pick<RankMachine, 'int8' | 'gpus' | 'host'>;
const machine = (int8: boolean, gpus = 0): Processor => ({ int8, gpus, host: 'node' });
const INT8 = { precision: 'int8', provider: 'auto' } as const;
const able = { file: 'fast.onnx', int8: RANGES };

function chosen(
  machines: readonly Processor[],
  asked: { precision?: PrecisionChoice; provider?: 'auto' | ProviderName } = {},
  earlier?: string,
) {
  const ranks = machines.map((one, rank) => ({ ...one, rank }));
  const identity = earlier === undefined ? undefined : { [ON_CPUS]: earlier };
  return cpuPrecision(able, { ...INT8, ...asked }, ranks, identity);
}

t.test('asked for, CPUs compute in int8 where all ranks can, and some rank uses its CPU', async (t) => {
  const [yes, no] = [machine(true), machine(false)];
  const same = (found: ReturnType<typeof chosen>, precision: string, why: string) =>
    t.equal(found.precision, precision, why);
  same(chosen([yes]), 'int8', 'one rank');
  same(chosen([yes, yes, yes]), 'int8', 'three');
  t.equal(chosen([yes]).warning, undefined);
  for (const some of [[no], [yes, no], [no, yes], [yes, yes, no]]) {
    const found = chosen(some);
    same(found, 'fp32', 'one cannot');
    t.match(found.warning, /fp32, not in int8: rank \d on node has a processor with neither VNNI nor AMX/);
  }
  same(chosen([machine(true, 1), machine(true, 1)]), 'fp32', 'all are on GPUs');
  same(chosen([machine(true, 1), yes]), 'int8', 'one has no GPU');
  same(chosen([machine(false, 1), yes]), 'fp32', 'a GPU may fail, and its CPU cannot');
  same(chosen([machine(true, 1)], { provider: 'cpu' }), 'int8', 'a GPU that is not used');
  for (const precision of ['auto', 'fp32', 'fp16'] as const)
    t.same(chosen([yes], { precision }), { precision: 'fp32' }, precision);
  t.throws(() => cpuPrecision({ file: 'x.onnx', int8: undefined }, INT8, [{ ...yes, rank: 0 }], undefined), {
    code: 'model',
    message: /"x.onnx" cannot run in int8/,
  });
});

t.test('a job goes on in what it was begun in', async (t) => {
  const [yes, no] = [machine(true), machine(false)];
  t.match(chosen([yes], {}, 'fp32'), { precision: 'fp32', warning: /the earlier run of this job did/ });
  t.equal(chosen([yes], {}, 'int8').precision, 'int8');
  t.equal(chosen([machine(true, 1)], {}, 'int8').precision, 'int8');
  t.throws(() => chosen([yes, no], {}, 'int8'), {
    code: 'journal',
    message: /used int8, and rank 1 on node/,
    hint: /--restart/,
  });
});

t.test('in one world ranks on CPUs run int8, those on GPUs what they ran', async (t) => {
  const all = { fp32: Uint8Array.of(32), fp16: Uint8Array.of(16), int8: Uint8Array.of(8) };
  const opened: (number | undefined)[] = [];
  const session: NativeSession = {
    ...{ inputs: [], outputs: [], notes: [] },
    run: async () => {},
    dispose: async () => {},
  };
  const addon = {
    createSession: async (graph: Uint8Array) => {
      opened.push(graph[0]);
      return session;
    },
    allocate: (bytes: number) => new ArrayBuffer(bytes),
    runtimeInfo: () => ({ version: '1.30.0', providers: [] }),
    vulkanAdapters: () => null,
  };
  const sizes = { inputBytes: 6, outputBytes: 6 };
  const request = { ...sizes, threads: 1, localRank: 0, localSize: 1, dryRun: true } as const;
  const precisions = [];
  for (const provider of ['cpu', 'cuda'] as const)
    precisions.push((await openSession(all, { ...request, provider }, addon)).precision);
  precisions.push(
    (await openSession({ ...all, fp16: undefined }, { ...request, provider: 'cuda' }, addon)).precision,
  );
  t.same(precisions, ['int8', 'fp16', 'fp32']);
  t.same(opened, [8, 16, 16, 32, 32], 'two sessions on a GPU');
});

t.test('a model of one picture may have ranges too', async (t) => {
  const folder = t.testdir(withRanges(RANGES, [1]));
  const { int8 } = JSON.parse(await readFile(join(folder, 'small.json'), 'utf8'));
  const end = { type: 'float32', range: '0..1' };
  const ends = {
    io: 'i420',
    input: end,
    output: end,
    matrix: 'bt709',
    range: 'limited',
    scale: 1,
    multiple: 4,
  };
  const manifest = { format: 1, name: 'mine', kind: 'image', file: 'small.onnx', ...ends, int8 };
  await writeFile(join(folder, 'small.json'), JSON.stringify(manifest));
  t.same((await loadModel(join(folder, 'small.onnx'), { folder })).int8, RANGES);
});
