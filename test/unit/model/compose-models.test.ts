import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import type { ModelOverrides } from '../../../src/model/load/derive-manifest.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import {
  colourfulFrame,
  frameOf,
  largestDifference,
  pictureOf,
  randomFrame,
} from '../../fixtures/float64-reference.js';
import {
  blockIdentity,
  fixedIdentity,
  floats,
  hiddenUpscaler,
  imageManifest,
  type ModelFixture,
  modelBytes,
  modelFolder,
  nearestUpscaler,
  node,
  pictureIdentity,
  stridedBy4,
  styleNetwork,
} from '../../fixtures/onnx.js';
import { runComposed } from '../../fixtures/run-onnx.js';
import { sharedData } from '../../fixtures/shared-data.js';

const BT709 = { matrix: 'bt709', range: 'limited' } as const;
const PICTURES = ['N', 3, 'H', 'W'];

async function composed(
  test: Test,
  fixture: ModelFixture,
  [width, height]: readonly [number, number],
  options: { readonly batch?: number; readonly strength?: number; readonly overrides?: ModelOverrides } = {},
): Promise<ComposedGraph> {
  const folder = test.testdir(modelFolder(fixture));
  const { batch = 1, ...rest } = options;
  return compose(
    await loadModel(`${folder}/model.onnx`, { folder, ...rest }),
    { width, height, sample: I420, ...BT709 },
    batch,
  );
}

t.test('a model whose output has another size is refused before it runs', async (t) => {
  await t.rejects(composed(t, pictureIdentity({}, { scale: 2 }), [64, 64]), {
    code: 'model',
    message: /gives \[1, 3, 64, 64\].*\[1, 3, 128, 128\]/,
    hint: /--model-scale/,
  });
  await t.rejects(composed(t, stridedBy4({ multiple: 1 }), [50, 34]), {
    code: 'model',
    message: /gives \[1, 3, 36, 52\]/,
  });
  t.ok((await composed(t, stridedBy4(), [50, 34])).verified);
});

t.test('where the size cannot be worked out, the first run fails', async (t) => {
  const graph = await composed(t, hiddenUpscaler(), [64, 64]);
  t.notOk(graph.verified);
  t.equal(graph.macsPerPixel, undefined);
  await t.rejects(runComposed(graph, [randomFrame(64, 64, 1)]), /Reshape/);
});

t.test('every frame of a batch gets its own result', async (t) => {
  const frames = [1, 2, 3].map((seed) => colourfulFrame(33, 17, BT709, seed));
  const together = await runComposed(await composed(t, nearestUpscaler(2), [33, 17], { batch: 3 }), frames);
  const alone = await composed(t, nearestUpscaler(2), [33, 17]);
  for (const [at, frame] of frames.entries()) t.same(together[at], (await runComposed(alone, [frame]))[0]);
});

t.test('a model of fixed batch says so', async (t) => {
  const fixture = fixedIdentity([1, 3, 64, 64]);
  const folder = t.testdir(modelFolder(fixture));
  t.equal((await loadModel(`${folder}/model.onnx`, { folder })).fixedBatch, 1);
  await t.rejects(composed(t, fixture, [64, 64], { batch: 2 }), { code: 'model', hint: /--batch 1/ });
});

t.test('a model of fixed size takes frames of that size as they are', async (t) => {
  for (const size of [
    [20, 12],
    [19, 11],
  ] as const) {
    const graph = await composed(t, fixedIdentity([1, 3, 12, 20]), size);
    const frame = colourfulFrame(size[0], size[1], BT709, 3);
    const [result = new Uint8Array()] = await runComposed(graph, [frame]);
    t.ok(largestDifference(result, frame) <= 1, size.join('x'));
  }
});

t.test('other frames are resized to it and back', async (t) => {
  const graph = await composed(t, fixedIdentity([1, 3, 45, 71]), [96, 64]);
  t.match(graph.notes.join('\n'), /resized to 71x45/);
  const smooth = new Float64Array(3 * 96 * 64).map((_, at) => {
    const pixel = Math.floor(at / 3);
    return 0.5 + 0.3 * Math.sin((pixel % 96) / 15 + (at % 3)) * Math.cos(Math.floor(pixel / 96) / 15);
  });
  const frame = frameOf({ width: 96, height: 64, rgb: smooth }, BT709);
  const [result = new Uint8Array()] = await runComposed(graph, [frame]);
  t.ok(largestDifference(result, frame) <= 4, 'a smooth picture survives');
  const plain = new Uint8Array(frame.length).fill(100);
  const [same = new Uint8Array()] = await runComposed(graph, [plain]);
  t.ok(largestDifference(same, plain) <= 1, 'a plain one is exact');
});

t.test('blocks of fixed size take no other frames', async (t) => {
  const { manifest } = blockIdentity();
  const dims = [1, 6, 32, 32];
  const bytes = modelBytes({
    nodes: [node('Identity', ['input'], 'output')],
    input: { dims },
    output: { dims },
  });
  t.ok(await composed(t, { bytes, manifest }, [64, 64]));
  await t.rejects(composed(t, { bytes, manifest }, [96, 64]), {
    code: 'model',
    message: /only blocks of 64x64 frames/,
  });
});

t.test("a network's own names never meet those of the graph round it", async (t) => {
  const names = ['frames', 'styled', 'Cast_21', 'floats_3', 'model/frames'];
  const nodes = names.slice(0, -1).map((name, at) => node('Relu', [name], names[at + 1] ?? ''));
  const bytes = modelBytes({
    nodes: [...nodes, node('Add', ['model/frames', 'integers_1'], 'Slice_0')],
    initializers: [floats('integers_1', [1], [0])],
    input: { name: 'frames', dims: PICTURES },
    output: { name: 'Slice_0', dims: PICTURES },
    valueInfo: [{ name: 'styled', dims: [7, 7] }],
  });
  const frame = colourfulFrame(40, 40, BT709, 9);
  const graph = await composed(t, { bytes, manifest: imageManifest({}) }, [40, 40]);
  const [result = new Uint8Array()] = await runComposed(graph, [frame]);
  t.ok(largestDifference(result, frame) <= 1);
});

t.test('a network with graphs inside its nodes keeps its references to the outer one', async (t) => {
  const branch = (name: string, share: string) => ({
    name,
    node: [node('Mul', ['input', share], `${name}.result`)],
    output: [{ name: `${name}.result`, type: { tensorType: { elemType: 1 } } }],
  });
  const choice = node('If', ['condition'], 'output');
  choice.attribute = [
    { name: 'then_branch', type: 5, g: branch('then', 'one') },
    { name: 'else_branch', type: 5, g: branch('else', 'half') },
  ];
  const bytes = modelBytes({
    nodes: [
      node('ReduceMax', ['input'], 'most', { keepdims: 0 }),
      node('Less', ['most', 'zero'], 'condition'),
      choice,
    ],
    initializers: [floats('one', [1], [1]), floats('half', [1], [0.5]), floats('zero', [], [-5])],
    input: { dims: PICTURES },
    output: { dims: PICTURES },
  });
  const frame = colourfulFrame(40, 40, BT709, 9);
  const graph = await composed(t, { bytes, manifest: imageManifest({}) }, [40, 40]);
  t.notOk(graph.verified);
  const picture = pictureOf(frame, 40, 40, BT709);
  const expected = frameOf({ ...picture, rgb: picture.rgb.map((value) => value / 2) }, BT709);
  const [result = new Uint8Array()] = await runComposed(graph, [frame]);
  t.ok(largestDifference(result, expected) <= 1);
});

t.test('old operator sets are composed in their own terms', async (t) => {
  for (const opset of [7, 9, 10, 11, 13, 21]) {
    const bytes = modelBytes({
      nodes: [node('Relu', ['input'], 'output')],
      input: { dims: PICTURES },
      output: { dims: PICTURES },
      opset,
      irVersion: opset < 9 ? 3 : 8,
    });
    const frame = colourfulFrame(41, 23, BT709, opset);
    const graph = await composed(t, { bytes, manifest: imageManifest({ chroma: 'linear' }) }, [41, 23]);
    const [result = new Uint8Array()] = await runComposed(graph, [frame]);
    const expected = frameOf(pictureOf(frame, 41, 23, BT709, { linear: true }), BT709, { linear: true });
    // Beyond the odd right and bottom edge lies padding, where the reference repeats the edge.
    const differing = result.filter((sample, at) => Math.abs(sample - (expected[at] ?? 0)) > 1).length;
    t.ok(differing < 80, `opset ${opset}: ${differing} samples differ`);
  }
});

t.test('strength is for results of the same size', async (t) => {
  await t.rejects(composed(t, nearestUpscaler(2), [64, 64], { strength: 0.5 }), {
    code: 'model',
    message: /--strength/,
  });
  const frame = randomFrame(63, 41, 5);
  const source = await composed(t, pictureIdentity(), [63, 41], { strength: 0 });
  t.same(await runComposed(source, [frame]), [frame], 'at 0 even samples that are no colours come through');
});

t.test('the least of frames goes through a network that pads by reflection', async (t) => {
  const folder = t.testdir(modelFolder(styleNetwork()));
  const model = await loadModel('calm', { folder });
  for (const [width, height] of [
    [1, 1],
    [2, 2],
    [3, 17],
  ] as const) {
    const graph = compose(model, { width, height, sample: I420, ...BT709 }, 1);
    const [result] = await runComposed(graph, [randomFrame(width, height, 1)]);
    t.equal(result?.length, graph.outputBytes);
  }
});

t.test('multiply-adds are counted from the graph', async (t) => {
  const folder = t.testdir(modelFolder(styleNetwork()));
  const model = await loadModel('calm', { folder });
  const { macsPerPixel } = compose(model, { width: 64, height: 64, sample: I420, ...BT709 }, 2);
  // A block of 4 pixels: 6 -> 4, up to 4 -> 6 at full block rate; 4 -> 8 and 8 -> 8 at a quarter; 8 -> 4 at full.
  t.equal(macsPerPixel, (9 * (6 * 4 + (4 * 8 + 8 * 8) / 4 + 8 * 4 + 4 * 6)) / 4);
});

t.test("a third party's style network", async (t) => {
  const file = sharedData('models/reference-wave.onnx');
  if (file === undefined) return t.comment('skipped: no reference model here');
  const model = await loadModel(file, { folder: '', overrides: { range: '0..255', channels: 'rgb' } });
  t.match(model, { scale: 1, multiple: 4, fixedBatch: undefined, fixedSize: undefined });
  const graph = compose(model, { width: 70, height: 50, sample: I420, ...BT709 }, 1);
  t.ok(graph.verified);
  t.ok((graph.macsPerPixel ?? 0) > 120_000 && (graph.macsPerPixel ?? 0) < 250_000, `${graph.macsPerPixel}`);
  const frame = colourfulFrame(70, 50, BT709, 1);
  const [result = new Uint8Array()] = await runComposed(graph, [frame]);
  t.ok(new Set(result).size > 50, 'a picture');
  t.ok(largestDifference(result, frame) > 50, 'and not the source');
});
