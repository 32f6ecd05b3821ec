import t from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { decodeModel, encodeModel, float32Tensor, float32Values } from '../../../src/model/graph/onnx.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { toFp16 } from '../../../src/model/passes/fp16.js';
import { isRefusal } from '../../../src/system/refusal.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { CANVAS_PERIOD, canvasSteps, onCanvas } from '../../fixtures/canvas.js';
import { asGpusCompute } from '../../fixtures/half-arithmetic.js';
import { modelFolder, pictureIdentity, sha256, styleNetwork } from '../../fixtures/onnx.js';
import { runComposed } from '../../fixtures/run-onnx.js';

const SIZE = { width: 50, height: 38, sample: I420 };
const LUMA = SIZE.width * SIZE.height;
const GREY = new Uint8Array((LUMA * 3) / 2).fill(128);

for (const { range, span } of [
  { range: 'limited', span: 255 },
  { range: 'full', span: (255 * 255) / 219 },
] as const) {
  t.test(`the canvas lies under every frame alike, in ${range} range`, async (t) => {
    const folder = t.testdir(modelFolder(onCanvas(0.04)));
    for (const canvas of [undefined, 0, 2]) {
      const model = await loadModel(`${folder}/model.onnx`, { folder, canvas });
      const graph = compose(model, { ...SIZE, matrix: 'bt601', range }, 2);
      t.ok(graph.verified, 'its sizes are known before a run');
      t.equal(graph.macsPerPixel, 81, 'the canvas is worked out once');
      const [first, second] = await runComposed(graph, [GREY, GREY]);
      t.same(first, second);
      const step = ((canvas ?? 1) * 0.04 * span) / 32;
      const wanted = Array.from({ length: LUMA }, (_, at) =>
        Math.floor(128 + step * canvasSteps(at % SIZE.width, Math.floor(at / SIZE.width)) + 0.5),
      );
      const off = wanted.findIndex((value, at) => Math.abs(value - (first?.[at] ?? 0)) > 1);
      t.equal(off, -1, `--canvas ${canvas}: luma is the field's`);
      t.ok(
        first?.subarray(LUMA).every((value) => Math.abs(value - 128) <= 1),
        'chroma has none',
      );
    }
    t.ok(SIZE.width > 2 * CANVAS_PERIOD && SIZE.height > 2 * CANVAS_PERIOD, 'and it repeats');
  });
}

/** A network of two styles, one of them with a strength of its own. */
function stylesOnCanvas(initializer = 'canvas.strength'): Record<string, string | Buffer> {
  const network = styleNetwork();
  const model = decodeModel(network.bytes);
  model.graph?.initializer?.push(float32Tensor('canvas.strength', [], [0.5]));
  const bytes = encodeModel(model);
  const [calm, wild] = network.manifest.styles as Record<string, unknown>[];
  const styles = [{ ...calm, canvas: 0.02 }, wild];
  const canvas = { initializer, strength: 0.1 };
  return modelFolder({
    ...network,
    bytes,
    manifest: { ...network.manifest, styles, canvas, sha256: sha256(bytes) },
  });
}

t.test('in fp16 too, though its operators have none', async (t) => {
  const folder = t.testdir(modelFolder(onCanvas(0.04)));
  const model = await loadModel(`${folder}/model.onnx`, { folder });
  const graph = compose(model, { ...SIZE, matrix: 'bt709', range: 'limited' }, 1);
  const half = toFp16(graph.bytes);
  if (isRefusal(half)) return t.fail(half.refusal);
  const [full = GREY] = await runComposed(graph, [GREY]);
  const [onGpu] = await runComposed({ ...graph, bytes: asGpusCompute(half.bytes) }, [GREY]);
  t.ok(new Set(full).size > 5);
  t.ok(full.every((value, at) => Math.abs(value - (onGpu?.[at] ?? 0)) <= 1));
});

t.test('a style has its own strength; a blend the mean of both; --canvas is a factor', async (t) => {
  const folder = t.testdir(stylesOnCanvas());
  const strengthOf = async (spec: string, canvas?: number) => {
    const { proto } = await loadModel(spec, { folder, canvas });
    const found = proto.graph?.initializer?.find(({ name }) => name === 'canvas.strength');
    return Number(((found && float32Values(found)?.[0]) ?? Number.NaN).toFixed(6));
  };
  t.equal(await strengthOf('calm'), 0.02);
  t.equal(await strengthOf('wild'), 0.1);
  t.equal(await strengthOf('calm:3,wild:1'), 0.04);
  t.equal(await strengthOf('calm', 1.5), 0.03);
  t.equal(await strengthOf('wild', 0), 0);
});

t.test('another canvas is another model: no journal goes on with it', async (t) => {
  const folder = t.testdir(stylesOnCanvas());
  const identity = async (canvas?: number) => (await loadModel('calm', { folder, canvas })).sha256;
  const all = [await identity(), await identity(0), await identity(0.5), await identity(2)];
  t.equal(new Set(all).size, all.length);
  t.equal(await identity(1), await identity());
});

t.test('what cannot be is refused', async (t) => {
  const folder = t.testdir({ ...modelFolder(pictureIdentity()), bad: stylesOnCanvas('none') });
  await t.rejects(loadModel(`${folder}/model.onnx`, { folder, canvas: 1 }), {
    code: 'usage',
    message: /has no canvas, so --canvas does not apply/,
  });
  await t.rejects(loadModel('calm', { folder: `${folder}/bad` }), {
    code: 'model',
    message: /small\.onnx" has no float32 initializer "none" of one number/,
  });
  for (const canvas of [-0.1, 3.1, Number.NaN])
    await t.rejects(loadModel('calm', { folder, canvas }), { code: 'usage', message: /between 0 and 3/ });
  const network = styleNetwork();
  const styles = (network.manifest.styles as Record<string, unknown>[]).map((one) => ({
    ...one,
    canvas: 0.1,
  }));
  const without = modelFolder({ ...network, manifest: { ...network.manifest, styles } });
  await t.rejects(loadModel('calm', { folder: `${t.testdir({ without })}/without` }), {
    code: 'model',
    message: /styles\[0\]\.canvas" goes with a "canvas" of the manifest/,
  });
});
