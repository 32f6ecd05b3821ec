/** Networks with a state as models: what they begin with, what they run in, and what is refused. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { toFp16 } from '../../../src/model/passes/fp16.js';
import { inferenceOf } from '../../../src/model/session/inference.js';
import { native } from '../../../src/system/native.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { floats, integers, modelBytes, node } from '../../fixtures/onnx.js';
import { fading, matting, type StateModel } from '../../fixtures/state-models.js';

const FORMAT = { width: 64, height: 64, sample: I420, matrix: 'bt601', range: 'limited' } as const;
const IMAGES = ['N', 3, 'H', 'W'] as const;
const PICTURE = { channels: 'rgb', range: '0..1' };

interface Request {
  readonly batch?: number;
  /** Of float32. */
  readonly npy?: { readonly dims: readonly number[]; readonly values: readonly number[] };
}

async function composed(
  t: Test,
  { bytes, manifest }: StateModel,
  { batch = 1, npy }: Request = {},
): Promise<ComposedGraph> {
  const folder = t.testdir({ 'model.json': JSON.stringify(manifest) });
  writeFileSync(join(folder, 'model.onnx'), bytes);
  if (npy !== undefined) writeFileSync(join(folder, 'first.npy'), npyFile(npy.dims, npy.values));
  return compose(await loadModel(`${folder}/model.onnx`, { folder }), FORMAT, batch);
}

/** As numpy.save writes it, format 1.0. */
function npyFile(dims: readonly number[], values: readonly number[]): Uint8Array {
  const shape = `(${dims.map((dim) => `${dim},`).join(' ')})`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const text = `${header.padEnd(128 - 11)}\n`;
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, text.length, 0]);
  return Buffer.concat([start, Buffer.from(text), Buffer.from(Float32Array.from(values).buffer)]);
}

/** Runs frames of one grey as one shard, and returns the first sample of each. */
async function levels(graph: ComposedGraph, greys: readonly number[]): Promise<number[]> {
  const addon = native();
  const session = await addon.createSession(graph.bytes, { provider: 'cpu', device: 0, threads: 1 });
  const { inputBytes: frameBytes, rowBytes: styledBytes, every } = graph;
  const shape = { batch: 1, frameBytes, styledBytes, ...(every === undefined ? {} : { every }) };
  const shard = new Uint8Array(addon.allocate(greys.length * frameBytes, session)).fill(128);
  for (const [at, grey] of greys.entries()) shard.fill(grey, at * frameBytes, at * frameBytes + 64 * 64);
  const result = new Uint8Array(addon.allocate(greys.length * styledBytes, session));
  let made = 0;
  for await (const frames of inferenceOf(session, shape).run(shard, result, greys.length)) made += frames;
  await session.dispose();
  if (made !== greys.length) throw new Error(`${made} frames`);
  return greys.map((_, at) => result[at * styledBytes] ?? 0);
}

/** A state that counts frames, brings a picture of its place, and has these dimensions. */
function counting(dims: readonly (number | string)[], first: object, nodes: StateModel['bytes'] | undefined) {
  const state = { role: 'state', from: 'next', reset: { every: 3 }, ...first };
  const outputs = { y: { role: 'picture', ...PICTURE } };
  const bytes =
    nodes ??
    modelBytes({
      nodes: [
        node('Add', ['before', 'step'], 'next'),
        node('ReduceMax', ['next'], 'most', { keepdims: 0 }),
        node('Mul', ['x', 'zero'], 'black'),
        node('Add', ['black', 'most'], 'y'),
      ],
      initializers: [floats('step', [], [0.1]), floats('zero', [], [0])],
      input: [
        { name: 'x', dims: IMAGES },
        { name: 'before', dims },
      ],
      output: [
        { name: 'y', dims: IMAGES },
        { name: 'next', dims },
      ],
    });
  const facts = { format: 2, name: 'model', file: 'model.onnx', scale: 1, multiple: 1 };
  return {
    bytes,
    manifest: { ...facts, inputs: { x: { role: 'frames', ...PICTURE }, before: state }, outputs },
  };
}

/** Luma in limited range. */
const luma = (value: number): number => Math.floor(16 + 219 * value + 0.5);

t.test('states of any shape go on, and begin anew with every run', async (t) => {
  const wanted = [0.1, 0.2, 0.3, 0.1, 0.2].map(luma);
  for (const dims of [[], [1], [1, 1, 1, 1], ['a', 4], ['N', 2, 'h', 'w', 3]])
    t.same(
      await levels(await composed(t, counting(dims, {}, undefined)), [50, 60, 70, 80, 90]),
      wanted,
      `[${dims}]`,
    );
  const half = counting([], { value: 0.5 }, undefined);
  t.same(await levels(await composed(t, half), [9, 9, 9, 9]), [0.6, 0.7, 0.8, 0.6].map(luma));
  const npy = { dims: [1, 3], values: [0.2, 0.4, 0] };
  const listed = counting(['a', 'b'], { npy: 'first.npy' }, undefined);
  t.same(await levels(await composed(t, listed, { npy }), [9, 9, 9, 9]), [0.5, 0.6, 0.7, 0.5].map(luma));
});

t.test('a state of no dimensions stays one', async (t) => {
  const network = modelBytes({
    nodes: [
      node('Add', ['before', 'step'], 'next'),
      node('Unsqueeze', ['next', 'axis'], 'row'),
      node('Concat', ['row', 'more'], 'both', { axis: 0 }),
      node('ReduceMax', ['both'], 'most', { keepdims: 0 }),
      node('Mul', ['x', 'zero'], 'black'),
      node('Add', ['black', 'most'], 'y'),
    ],
    initializers: [
      ...[
        floats('step', [], [0.1]),
        floats('zero', [], [0]),
        floats('more', [1], [0]),
        integers('axis', [0]),
      ],
    ],
    input: [
      { name: 'x', dims: IMAGES },
      { name: 'before', dims: [] },
    ],
    output: [
      { name: 'y', dims: IMAGES },
      { name: 'next', dims: [] },
    ],
  });
  t.same(
    await levels(await composed(t, counting([], {}, network)), [9, 9, 9, 9]),
    [0.1, 0.2, 0.3, 0.1].map(luma),
  );
});

t.test('a state runs in fp16, too', async (t) => {
  const graph = await composed(t, fading({ every: 3 }));
  const half = toFp16(graph.bytes);
  if ('refusal' in half) return t.fail(half.refusal);
  const greys = [200, 40, 120, 90];
  const [own, other] = [await levels(graph, greys), await levels({ ...graph, bytes: half.bytes }, greys)];
  t.ok(
    own.every((level, at) => Math.abs(level - (other[at] ?? 0)) <= 1),
    `${own} and ${other}`,
  );
  t.not(other[1], other[0], 'the state counts');
});

t.test('what cannot go from frame to frame is refused before a frame is decoded', async (t) => {
  const first = counting(['a', 'b'], { npy: 'first.npy' }, undefined);
  const growing = {
    ...first,
    bytes: modelBytes({
      nodes: [
        node('ReduceMax', ['before'], 'next', { axes: [0], keepdims: 1 }),
        node('Identity', ['x'], 'y'),
      ],
      input: [
        { name: 'x', dims: IMAGES },
        { name: 'before', dims: ['a', 'b'] },
      ],
      output: [
        { name: 'y', dims: IMAGES },
        { name: 'next', dims: ['c', 'b'] },
      ],
    }),
  };
  const npy = { dims: [4, 3], values: Array<number>(12).fill(0) };
  await t.rejects(composed(t, growing, { npy }), {
    message: /the state "before" \(float32 \[a, b\]\) of .* begins as \[4, 3\], and goes on as \[1, 3\]/,
  });
  const many = { dims: [2, 3, 64, 64], values: Array<number>(2 * 3 * 64 * 64).fill(0) };
  const batched = fading({ every: 3 });
  const inputs = batched.manifest.inputs as Readonly<Record<string, object>>;
  const begun = { ...inputs, before: { ...inputs.before, npy: 'first.npy' } };
  await t.rejects(
    composed(t, { ...batched, manifest: { ...batched.manifest, inputs: begun } }, { npy: many }),
    { message: /begins as \[2, 3, 64, 64\], and goes on as \[1, 3, 64, 64\]/ },
  );
  const huge = { ...inputs, before: { ...inputs.before, value: 1e39 } };
  await t.rejects(composed(t, { ...batched, manifest: { ...batched.manifest, inputs: huge } }), {
    code: 'model',
    message: /cannot be/,
    hint: /1e\+39 is not a number of type float32/,
  });
  await t.rejects(composed(t, matting({ every: 3 }), { batch: 2 }), { message: /--batch 2 does not apply/ });
  await t.rejects(composed(t, { ...batched, manifest: { ...batched.manifest, cutThreshold: 9 } }), {
    message: /"cutThreshold" goes with "cuts": true/,
  });
  const four = modelBytes({
    nodes: [node('Add', ['x', 'before'], 'y')],
    input: [
      { name: 'x', dims: [4, 3, 'H', 'W'] },
      { name: 'before', dims: [4, 3, 'H', 'W'] },
    ],
    output: { name: 'y', dims: [4, 3, 'H', 'W'] },
  });
  await t.rejects(composed(t, { ...batched, bytes: four }), {
    message: /takes 4 frames per batch, and its state goes from one frame to the next/,
  });
});
