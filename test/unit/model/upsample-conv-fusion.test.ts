/** Convolutions of enlarged pictures, worked out before enlarging: the same numbers, and only where that is so. */

import t from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { decodeModel, encodeModel, type ModelProto } from '../../../src/model/graph/onnx.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { fuseUpsampleConvs } from '../../../src/model/passes/upsample-conv-fusion.js';
import { modelsFolder } from '../../../src/system/package.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { floats, integers, modelBytes, node } from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';
import { randomNumbers } from '../../fixtures/random.js';

const DIMS = [2, 3, 5, 7];
const OUTPUTS = 4;

interface Shape {
  readonly opset?: number;
  readonly resize?: Readonly<Record<string, string>>;
  readonly scales?: readonly number[];
  /** Undefined: the convolution pads with zeros. */
  readonly pad?: { readonly mode: string; readonly amounts?: readonly number[] };
  readonly conv?: Readonly<Record<string, readonly number[] | number>>;
  readonly size?: number;
  readonly bias?: boolean;
  /** Whether the padded picture is read elsewhere, too. */
  readonly shared?: boolean;
}

const FLOOR = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
const REFLECT = { mode: 'reflect' };

function network(shape: Shape): ModelProto {
  const { resize = FLOOR, scales = [1, 1, 2, 2], pad, conv = {}, size = 3, bias = false } = shape;
  const next = randomNumbers(5);
  const random = (count: number) => Array.from({ length: count }, () => next() - 0.5);
  const padded = pad === undefined ? 'large' : 'padded';
  const pads = pad === undefined && !('pads' in conv) ? { pads: [1, 1, 1, 1] } : {};
  const shared = shape.shared === true;
  return decodeModel(
    modelBytes({
      opset: shape.opset ?? 17,
      nodes: [
        node('Resize', ['input', 'none', 'scales'], 'large', resize),
        ...(pad ? [node('Pad', ['large', 'amounts'], 'padded', { mode: pad.mode })] : []),
        node('Conv', [padded, 'weights', ...(bias ? ['bias'] : [])], shared ? 'convolved' : 'output', {
          ...pads,
          ...conv,
        }),
        ...(shared
          ? [node('ReduceMean', [padded], 'mean'), node('Add', ['convolved', 'mean'], 'output')]
          : []),
      ],
      initializers: [
        floats('none', [0], []),
        floats('scales', [4], scales),
        integers('amounts', pad?.amounts ?? [0, 0, 1, 1, 0, 0, 1, 1]),
        floats('weights', [OUTPUTS, 3, size, size], random(OUTPUTS * 3 * size * size)),
        floats('bias', [OUTPUTS], random(OUTPUTS)),
      ],
      input: { dims: DIMS },
      output: { dims: ['N', OUTPUTS, 'H', 'W'] },
    }),
  );
}

function rewritten(model: ModelProto, opset: number): ModelProto {
  return decodeModel(
    encodeModel({ ...model, graph: fuseUpsampleConvs(model.graph ?? {}, opset, 'input', DIMS, new Set()) }),
  );
}

const typesIn = (model: ModelProto) => (model.graph?.node ?? []).map((one) => one.opType);

async function run(
  model: ModelProto,
): Promise<{ readonly dims: readonly number[]; readonly data: Float32Array }> {
  const session = await ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
  const next = randomNumbers(9);
  const values = Float32Array.from({ length: DIMS.reduce((all, one) => all * one) }, () => 10 * next() - 5);
  const { output } = await session.run({ input: new ort.Tensor('float32', values, DIMS) });
  await session.release();
  return { dims: output?.dims ?? [], data: output?.data as Float32Array };
}

const SAME: Readonly<Record<string, Shape>> = {
  'padding by reflection': { pad: REFLECT },
  'padding by repetition': { pad: { mode: 'edge' } },
  'padding with zeros': {},
  'a bias': { pad: REFLECT, bias: true },
  'the oldest operator set': { pad: REFLECT, bias: true, opset: 11 },
  'half-pixel coordinates': { resize: { mode: 'nearest' }, pad: REFLECT },
  'coordinates as PyTorch has them': {
    resize: {
      ...FLOOR,
      coordinate_transformation_mode: 'pytorch_half_pixel',
      nearest_mode: 'round_prefer_ceil',
    },
  },
  'steps that are spelt out': {
    conv: { strides: [1, 1], dilations: [1, 1], kernel_shape: [3, 3], group: 1 },
  },
};

for (const [name, shape] of Object.entries(SAME)) {
  t.test(`convolving first gives the same: ${name}`, async (t) => {
    const model = network(shape);
    const small = rewritten(model, shape.opset ?? 17);
    t.notOk(typesIn(small).includes('Resize'));
    const [before, behind] = [await run(model), await run(small)];
    t.same(behind.dims, [2, OUTPUTS, 10, 14]);
    t.same(behind.dims, before.dims);
    const worst = before.data.reduce(
      (most, one, at) => Math.max(most, Math.abs(one - (behind.data[at] ?? Number.NaN))),
      0,
    );
    t.ok(worst < 1e-4, `they differ by ${worst}`);
    t.ok(before.data.some((one) => Math.abs(one) > 1));
  });
}

const OTHERS: Readonly<Record<string, Shape>> = {
  'an older operator set': { opset: 10 },
  'padding with a constant': { pad: { mode: 'constant' } },
  'padding by two': { pad: { mode: 'reflect', amounts: [0, 0, 2, 2, 0, 0, 2, 2] } },
  'no padding': { conv: { pads: [0, 0, 0, 0] } },
  'padding twice': { pad: REFLECT, conv: { pads: [1, 1, 1, 1] } },
  'a step of two': { conv: { strides: [2, 2] } },
  'a kernel of another size': { size: 5 },
  'enlarging by four': { scales: [1, 1, 4, 4] },
  'enlarging in one direction': { scales: [1, 1, 2, 1] },
  'enlarging smoothly': { resize: { mode: 'linear' } },
  'samples that are not simply repeated': { resize: { ...FLOOR, nearest_mode: 'ceil' } },
  'a padded picture that is read elsewhere, too': { pad: REFLECT, shared: true },
};

for (const [name, shape] of Object.entries(OTHERS)) {
  t.test(`left as it is: ${name}`, async (t) => {
    const model = network(shape);
    t.same(typesIn(rewritten(model, shape.opset ?? 17)), typesIn(model));
  });
}

t.test('weights that are to be kept are', async (t) => {
  const { graph } = network({});
  t.same(fuseUpsampleConvs(graph ?? {}, 17, 'input', DIMS, new Set(['weights'])), graph);
});

t.test('where sizes cannot be worked out, all is left as it is', async (t) => {
  const { graph } = network({});
  t.same(fuseUpsampleConvs(graph ?? {}, 17, 'another', DIMS, new Set()), graph);
});

t.test('shipped styles enlarge last, in both sizes', async (t) => {
  for (const size of ['fast', 'fine'] as const) {
    const model = await loadModel('wave', { folder: modelsFolder(), size });
    const bt709 = { matrix: 'bt709', range: 'limited' } as const;
    const { bytes, macsPerPixel } = compose(model, { width: 64, height: 48, sample: I420, ...bt709 }, 1);
    const composed = decodeModel(bytes);
    const { graph } = composed;
    t.notOk(typesIn(composed).includes('Resize'));
    const read = new Set(graph?.node?.flatMap(({ input }) => input ?? []));
    const unread = graph?.initializer?.filter(({ name }) => !read.has(name ?? ''));
    t.same(unread, [], 'no weights are left over');
    t.equal(Math.round(macsPerPixel ?? 0), size === 'fast' ? 14_265 : 50_985, 'as the network declares it');
  }
});
