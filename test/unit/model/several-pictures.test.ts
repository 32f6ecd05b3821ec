/** Networks with several pictures, or with one of one channel: what is known of them, and their frames. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readRow } from '../../../src/job/journal/result-row.js';
import { layoutOf } from '../../../src/job/split/row-layout.js';
import { compose } from '../../../src/model/compose/compose.js';
import { parseManifest } from '../../../src/model/load/manifest.js';
import { type LoadOptions, loadModel } from '../../../src/model/load/registry.js';
import { fp16Graph } from '../../../src/model/session/precision.js';
import { type FrameFormat, I420 } from '../../../src/video/formats/frame-format.js';
import { CODINGS, largestDifference, randomFrame } from '../../fixtures/float64-reference.js';
import { floats, modelBytes, node } from '../../fixtures/onnx.js';
import { flatDepth, PICTURES, pictureFrame, severalPictures } from '../../fixtures/picture-models.js';
import { runRows } from '../../fixtures/run-onnx.js';
import type { StateModel } from '../../fixtures/state-models.js';

async function loaded(t: Test, { bytes, manifest }: StateModel, options: Partial<LoadOptions> = {}) {
  const folder = t.testdir();
  await writeFile(join(folder, 'model.onnx'), bytes);
  await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
  return loadModel(join(folder, 'model.onnx'), { folder, ...options });
}

/** The model with other lines for some of its outputs. */
function withOutputs(model: StateModel, outputs: object): StateModel {
  const own = model.manifest.outputs as object;
  return { ...model, manifest: { ...model.manifest, outputs: { ...own, ...outputs } } };
}

t.test('every picture of every frame, at odd sizes and in any coding', async (t) => {
  const model = await loaded(t, severalPictures());
  t.same(
    model.pictures.map(({ name, scale, tensor }) => [name, scale, tensor.channels, tensor.layout]),
    [
      ['pha', 1, 'grey', 'nchw'],
      ['depth', 1, 'grey', 'nhw'],
      ['large', 2, 'rgb', 'nchw'],
    ],
  );
  for (const [at, coding] of CODINGS.entries()) {
    const size = { width: 34 + at, height: 35 - at };
    const format: FrameFormat = { ...size, ...coding, sample: I420 };
    const graph = compose(model, format, 2);
    const frames = [randomFrame(size.width, size.height, at), randomFrame(size.width, size.height, 9 + at)];
    const rows = await runRows(graph, frames);
    const layout = layoutOf({ graph });
    t.equal(rows[0]?.length, graph.rowBytes);
    for (const [place, row] of rows.entries()) {
      const made = readRow(row, layout);
      t.ok(made.finite);
      for (const [picture, name] of PICTURES.entries()) {
        const expected = pictureFrame(name, frames[place] ?? new Uint8Array(), size, coding);
        const difference = largestDifference(made.frames[picture] ?? new Uint8Array(), expected);
        t.ok(difference <= 1, `${name} at ${size.width}x${size.height}, ${coding.range}: ${difference}`);
      }
    }
  }
});

t.test('the strength mixes the main picture alone', async (t) => {
  const format = { width: 32, height: 32, matrix: 'bt709', range: 'full', sample: I420 } as const;
  const frame = randomFrame(32, 32, 1);
  const made = async (strength: number) => {
    const graph = compose(await loaded(t, severalPictures(), { strength }), format, 1);
    const [row = new Uint8Array()] = await runRows(graph, [frame]);
    return readRow(row, layoutOf({ graph })).frames;
  };
  const [whole, none] = [await made(1), await made(0)];
  t.same(none[0], frame);
  t.same(none.slice(1), whole.slice(1));
});

t.test('a picture with its channels elsewhere than the frames have theirs', async (t) => {
  const rgb = { role: 'picture', channels: 'rgb', range: '0..1' };
  const bytes = modelBytes({
    nodes: [node('Identity', ['x'], 'y'), node('Transpose', ['x'], 'z', { perm: [0, 2, 3, 1] })],
    input: { name: 'x', dims: ['N', 3, 'H', 'W'] },
    output: [
      { name: 'y', dims: ['N', 3, 'H', 'W'] },
      { name: 'z', dims: ['N', 'H', 'W', 3] },
    ],
  });
  const format = { width: 34, height: 36, matrix: 'bt709', range: 'full', sample: I420 } as const;
  for (const [first, second] of [
    ['y', 'z'],
    ['z', 'y'],
  ] as const) {
    const outputs = { y: rgb, z: { ...rgb, layout: 'nhwc' } };
    const manifest = {
      ...{ format: 2, name: 'm', file: 'model.onnx' },
      inputs: { x: { ...rgb, role: 'frames' } },
      outputs: { [first]: outputs[first], [second]: outputs[second] },
    };
    const graph = compose(await loaded(t, { bytes, manifest }), format, 1);
    const [row = new Uint8Array()] = await runRows(graph, [randomFrame(34, 36, 2)]);
    const [main, further] = readRow(row, layoutOf({ graph })).frames;
    t.same(further, main, `${first} and ${second}`);
  }
});

t.test('NaN in any picture is found', async (t) => {
  const dims = ['N', 3, 'H', 'W'] as const;
  const bytes = modelBytes({
    nodes: [node('Identity', ['x'], 'y'), node('Div', ['x', 'zero'], 'z')],
    initializers: [floats('zero', [1], [0])],
    input: { name: 'x', dims },
    output: [
      { name: 'y', dims },
      { name: 'z', dims },
    ],
  });
  const rgb = { role: 'picture', channels: 'rgb', range: '0..1' };
  const manifest = (outputs: object) => ({
    ...{ format: 2, name: 'm', file: 'model.onnx', outputs },
    inputs: { x: { ...rgb, role: 'frames' } },
  });
  const format = { width: 32, height: 32, matrix: 'bt709', range: 'full', sample: I420 } as const;
  for (const [outputs, isSound] of [
    [{ y: rgb }, true],
    [{ y: rgb, z: rgb }, false],
  ] as const) {
    const graph = compose(await loaded(t, { bytes, manifest: manifest(outputs) }), format, 1);
    const [row = new Uint8Array()] = await runRows(graph, [new Uint8Array(32 * 48)]);
    t.equal(readRow(row, layoutOf({ graph })).finite, isSound);
    const half = fp16Graph(
      graph,
      8,
      { file: 'm', precision: 'fp16' },
      { precision: 'fp16', provider: 'cuda' },
    );
    t.ok(half.bytes, 'the checks cost no precision');
  }
});

t.test('a network of one size, whose pictures come back to that of the frames', async (t) => {
  const { bytes, manifest } = flatDepth({ width: 64, height: 32 });
  const model = await loaded(t, { bytes, manifest });
  const format = { width: 90, height: 50, matrix: 'bt709', range: 'full', sample: I420 } as const;
  const graph = compose(model, format, 1);
  t.match(graph.output, { width: 90, height: 50 });
  const grey = new Uint8Array(90 * 50 + 2 * 45 * 25).fill(77);
  grey.fill(128, 90 * 50);
  const [row = new Uint8Array()] = await runRows(graph, [grey]);
  t.same(readRow(row, layoutOf({ graph })).frames, [grey], 'a grey frame stays what it is');
});

t.test('what a manifest must say of further pictures, and cannot', async (t) => {
  const model = severalPictures();
  const rgb = { role: 'picture', channels: 'rgb', range: '0..1' };
  for (const [outputs, message] of [
    [{ large: { role: 'picture' } }, /says of the picture "large" in which order its colours are/],
    [{ fgr: { ...rgb, scale: 1 } }, /"outputs" must have no "scale" at the first "picture"/],
    [
      { pha: { role: 'picture', range: { black: 1, white: 1 } } },
      /"outputs.pha.range.white" must differ from "black"/,
    ],
    [{ pha: { role: 'picture', range: { black: 1 } } }, /"outputs.pha.range.white" is missing/],
    [
      { pha: { role: 'picture', range: { mean: [0, 0, 1], std: [1, 1, 1] } } },
      /"pha" of ".*" has 1 channel, and its "range" has 3/,
    ],
    [{ phi: { role: 'picture' } }, /has no output "phi": did you mean pha\?/],
  ] as const) {
    await t.rejects(loaded(t, withOutputs(model, outputs)), { code: 'model', message }, String(message));
  }
  const twice = compose.bind(
    undefined,
    await loaded(t, withOutputs(model, { large: { ...rgb, scale: 1 } })),
    { width: 32, height: 32, matrix: 'bt709', range: 'full', sample: I420 },
    1,
  );
  t.throws(twice, { message: /gives \[1, 3, 64, 64\] .* where \[1, 3, 32, 32\] was expected/ });
  const half = modelBytes({
    nodes: [
      node('Identity', ['x'], 'y'),
      node('AveragePool', ['x'], 'z', { kernel_shape: [2, 2], strides: [2, 2] }),
    ],
    input: { name: 'x', dims: ['N', 3, 'H', 'W'] },
    output: [
      { name: 'y', dims: ['N', 3, 'H', 'W'] },
      { name: 'z', dims: ['N', 3, 'h', 'w'] },
    ],
  });
  const manifest = {
    ...{ format: 2, name: 'm', file: 'model.onnx', outputs: { y: rgb, z: rgb } },
    inputs: { x: { ...rgb, role: 'frames' } },
  };
  await t.rejects(loaded(t, { bytes: half, manifest }), {
    message: /the picture "z" of ".*" is not 1, 2, 3 or 4 times as large as the frames/,
  });
});

t.test('the numbers of black and white are a range, of any tensor', async (t) => {
  const parsed = parseManifest(JSON.stringify(severalPictures().manifest), 'm.json');
  if (parsed.kind !== 'image' || parsed.io !== 'ports') return t.fail('it is of format 2');
  const port = parsed.outputs.get('depth');
  t.match(port, { range: { mean: [1, 1, 1], std: [-1 / 8, -1 / 8, -1 / 8] } }, 'value = 8 - 8 x');
});
