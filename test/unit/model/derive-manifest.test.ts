import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import type { ModelOverrides } from '../../../src/model/load/derive-manifest.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { packageRoot } from '../../../src/system/package.js';
import {
  colouriser,
  fixedIdentity,
  floats,
  hiddenUpscaler,
  type ModelFixture,
  modelBytes,
  nearestUpscaler,
  node,
  pictureIdentity,
  stridedBy4,
} from '../../fixtures/onnx.js';

async function inferred(test: Test, { bytes }: Pick<ModelFixture, 'bytes'>, overrides: ModelOverrides = {}) {
  const folder = test.testdir({ 'x.onnx': Buffer.from(bytes) });
  return loadModel(`${folder}/x.onnx`, { folder, overrides });
}

t.test('what no graph tells is asked for, all at once', async (t) => {
  await t.rejects(inferred(t, pictureIdentity()), {
    code: 'model',
    message: /no manifest.*black and white.*order/,
    hint: /--model-range 0\.\.1\|0\.\.255\|-1\.\.1 --model-channels rgb\|bgr.*manifest/,
  });
  await t.rejects(inferred(t, pictureIdentity(), { channels: 'rgb' }), {
    code: 'model',
    hint: /^add --model-range \S+, or/,
  });
  await t.rejects(inferred(t, pictureIdentity(), { range: '0..1' }), {
    code: 'model',
    hint: /^add --model-channels \S+, or/,
  });
  await t.rejects(inferred(t, pictureIdentity({ channels: 'grey' })), {
    code: 'model',
    hint: /^add --model-range \S+, or/,
  });
});

t.test('the commands that the pages give for any ONNX file leave no question open', async (t) => {
  for (const page of ['README.md', 'docs/models.md']) {
    const text = readFileSync(join(packageRoot(), page), 'utf8');
    const command = /dist\/main\.js (.* my-model\.onnx .*)/.exec(text)?.[1] ?? '';
    const parsed = parseArguments(command.split(' '), '1');
    const overrides = parsed.kind === 'job' ? parsed.options.modelOverrides : {};
    t.match(await inferred(t, pictureIdentity(), overrides), { scale: 1, multiple: 1 }, page);
  }
});

t.test('what a graph tells is taken from it', async (t) => {
  const answers = { range: '0..255', channels: 'bgr' } as const;
  const cases: readonly [ModelFixture, object][] = [
    [
      pictureIdentity(),
      { scale: 1, multiple: 1, io: { chroma: 'nearest', input: { layout: 'nchw', channels: 'bgr' } } },
    ],
    [
      pictureIdentity({ layout: 'nhwc' }),
      { scale: 1, io: { input: { layout: 'nhwc' }, output: { layout: 'nhwc' } } },
    ],
    [pictureIdentity({ type: 'float16' }), { io: { input: { type: 'float16', range: '0..255' } } }],
    [
      pictureIdentity({ channels: 'grey' }),
      { io: { input: { channels: 'grey' }, output: { channels: 'grey' } } },
    ],
    [colouriser(), { io: { input: { channels: 'grey' }, output: { channels: 'bgr' } } }],
    [nearestUpscaler(3), { scale: 3, multiple: 1, io: { chroma: 'linear' } }],
    [stridedBy4(), { scale: 1, multiple: 4 }],
    [fixedIdentity([1, 3, 64, 48]), { scale: 1, fixedBatch: 1, fixedSize: { width: 48, height: 64 } }],
  ];
  for (const [fixture, expected] of cases) t.match(await inferred(t, fixture, answers), expected);
});

t.test('bytes have but one range', async (t) => {
  const fixture = pictureIdentity({ type: 'uint8', range: '0..255' });
  t.match(await inferred(t, fixture, { channels: 'rgb' }), {
    io: { input: { range: '0..255', type: 'uint8' } },
  });
});

t.test('a layout that the graph leaves open is asked for', async (t) => {
  const dims = ['N', 'A', 'B', 'C'];
  const bytes = modelBytes({ nodes: [node('Relu', ['input'], 'output')], input: { dims }, output: { dims } });
  await t.rejects(inferred(t, { bytes }, { range: '0..1', channels: 'rgb' }), {
    code: 'model',
    hint: /--model-layout nchw\|nhwc/,
  });
});

t.test('scale and multiple that cannot be worked out are asked for', async (t) => {
  const answers = { range: '0..1', channels: 'rgb' } as const;
  await t.rejects(inferred(t, hiddenUpscaler(), answers), {
    code: 'model',
    message: /by what factor .*multiples.* \(its operator Einsum is not supported for this\)/,
    hint: /--model-scale 1\.\.4 --model-multiple 1\.\.256/,
  });
  await t.rejects(inferred(t, hiddenUpscaler(), { ...answers, scale: 2 }), {
    message: /does not say of what number width and height must be multiples/,
    hint: /^add --model-multiple 1\.\.256, or/,
  });
  const { multiple } = await inferred(t, hiddenUpscaler(), { ...answers, scale: 2, multiple: 8 });
  t.equal(multiple, 8);
  const fixed = { dims: [1, 3, 64, 48] };
  const nodes = [node('Einsum', ['input'], 'output', { equation: 'nchw->nchw' })];
  const bytes = modelBytes({ nodes, input: fixed, output: fixed });
  t.match(await inferred(t, { bytes }, answers), { scale: 1, multiple: 1 }, 'a fixed size leaves none open');
});

/** Halves the picture `depth` times and joins what it was, first, to what it is when doubled again. */
function skipping(depth: number): Uint8Array {
  const down = Array.from({ length: depth }, (_, at) =>
    node('MaxPool', [at === 0 ? 'input' : `down${at}`], `down${at + 1}`, {
      kernel_shape: [2, 2],
      strides: [2, 2],
    }),
  );
  const up = [
    node('Resize', [`down${depth}`, '', 'scales'], 'up', { mode: 'nearest' }),
    node('Concat', ['input', 'up'], 'both', { axis: 1 }),
    node('Conv', ['both', 'w'], 'output'),
  ];
  const pictures = { dims: ['N', 3, 'H', 'W'] };
  return modelBytes({
    nodes: [...down, ...up],
    initializers: [
      floats('scales', [4], [1, 1, 2 ** depth, 2 ** depth]),
      floats('w', [3, 6, 1, 1], new Array(18).fill(0.1)),
    ],
    input: pictures,
    output: pictures,
  });
}

t.test('a network that joins what it skipped to what it made needs sizes that halve evenly', async (t) => {
  const answers = { range: '0..1', channels: 'rgb' } as const;
  for (const depth of [1, 3, 7, 8])
    t.match(await inferred(t, { bytes: skipping(depth) }, answers), { scale: 1, multiple: 2 ** depth });
  await t.rejects(inferred(t, { bytes: skipping(9) }, answers), { code: 'model', hint: /--model-multiple/ });
});

t.test('half-fixed sizes and other channel counts are no pictures', async (t) => {
  const answers = { range: '0..1', channels: 'rgb' } as const;
  const model = (dims: readonly (number | string)[]) => ({
    bytes: modelBytes({ nodes: [node('Relu', ['input'], 'output')], input: { dims }, output: { dims } }),
  });
  await t.rejects(inferred(t, model([1, 3, 64, 'W']), answers), {
    code: 'model',
    message: /height or the width.*not both/,
  });
  await t.rejects(inferred(t, model(['N', 4, 'H', 'W']), { ...answers, layout: 'nchw' }), {
    code: 'model',
    message: /4 channels/,
  });
  await t.rejects(inferred(t, model(['N', 6, 'H', 'W']), { ...answers, layout: 'nchw' }), {
    code: 'model',
    hint: /"io": "i420"/,
  });
});
