/** Tables of outputs of which only a run tells the number of rows. */
import t from 'tap';
import { loadModel } from '../../../src/model/load/registry.js';
import { native } from '../../../src/system/native.js';
import { brightCells, mismatched, tensorflow, torchvision, yolov7 } from '../../fixtures/open-networks.js';
import { photoLike } from '../../fixtures/picture.js';
import { endToEnd, networkFolder } from '../../fixtures/table-networks.js';
import { plainRowsOf } from '../../fixtures/table-reference.js';
import { BT601, composed, type Made, type Manifest, made, sameRows } from '../../fixtures/table-runs.js';

t.setTimeout(1_800_000);

const [width, height] = [97, 63];
const SIZE = [width, height] as const;
/** Photographs, and frames of one colour, bright and dark: in some nothing is found. */
const FRAMES = [
  ...[1, 2, 3, 4].map((seed) => photoLike(width, height, BT601, seed)),
  ...[235, 16, 60].map((luma) => {
    const frame = photoLike(width, height, BT601);
    const chroma = (frame.length - width * height) / 2;
    return frame
      .fill(luma)
      .fill(118, -2 * chroma)
      .fill(luma === 60 ? 110 : 140, -chroma);
  }),
];

t.test('boxes of one frame or a batch are those of the arithmetic in float64', async (t) => {
  for (const [name, network] of Object.entries({
    torchvision: torchvision(),
    'an input without a batch axis': torchvision({ single: true }),
    tensorflow: tensorflow(),
    yolov7: yolov7(),
    'yolov7 with an open batch': yolov7({ dynamic: true, fit: 'crop' }),
  })) {
    const graph = await composed(t, network, SIZE);
    const found = await made(graph, 1, FRAMES);
    const counts = found.map(({ rows }) => rows.length);
    for (const [at, frame] of FRAMES.entries()) {
      const expected = plainRowsOf(network, frame, { width, height }, BT601);
      sameRows(t, found[at]?.rows ?? [], expected, `${name}, frame ${at}`);
      t.same([found[at]?.dropped, found[at]?.finite], [0, true], `${name}, frame ${at}`);
    }
    t.ok(Math.min(...counts) === 0 && new Set(counts).size >= 3, `${name} gives ${counts.join()} boxes`);
  }
});

t.test('no tensor outside the network has an open shape', async (t) => {
  const { bytes } = await composed(t, tensorflow({ rows: 20 }), SIZE, { batch: 2 });
  const { outputs } = await native().createSession(bytes, { provider: 'cpu', device: 0, threads: 1 });
  t.same(
    outputs.slice(1).map((one) => one.bytes),
    [4 * 2 * 20 * 4, 4 * 2 * 20, 8 * 2 * 20, 8 * 2, 4 * 2 * 3],
    'boxes, scores, classes, the count, and the numbers of rows',
  );
});

t.test('rows beyond the most are counted, and the first ones stay', async (t) => {
  for (const make of [torchvision, tensorflow, yolov7]) {
    const all = await made(await composed(t, make(), SIZE), 1, FRAMES);
    const few = await made(await composed(t, make({ rows: 3 }), SIZE), 1, FRAMES);
    const lowest = make === tensorflow ? 0.5 : 0.55;
    const whole = await made(await composed(t, make({ decode: { threshold: lowest } }), SIZE), 1, FRAMES);
    for (const [at, { rows, dropped }] of few.entries()) {
      t.same(rows, all[at]?.rows.slice(0, 3), `${make.name}, frame ${at}`);
      t.equal(dropped, Math.max(0, (whole[at]?.rows.length ?? 0) - 3), `${make.name}, frame ${at}`);
    }
    t.ok(few.some(({ dropped }) => dropped > 0));
  }
});

t.test('the batch changes no bit of a row', async (t) => {
  // One after another: both lie in the test's folder.
  const alone = await made(await composed(t, tensorflow(), SIZE, { batch: 1 }), 1, FRAMES);
  const together = await made(await composed(t, tensorflow(), SIZE, { batch: 3 }), 3, FRAMES);
  for (const [at, { packed }] of alone.entries()) t.same(together[at]?.packed, packed, `frame ${at}`);
});

t.test('a graph without a batch axis runs frame by frame, and says so', async (t) => {
  for (const network of [torchvision(), yolov7(), yolov7({ dynamic: true })]) {
    const folder = t.testdir(networkFolder(network));
    const loaded = await loadModel(`${folder}/model.onnx`, { folder });
    t.equal(loaded.fixedBatch, 1);
    t.match(loaded.notes, [/the outputs of ".*" have no batch dimension: it runs frame by frame/]);
  }
  await t.rejects(composed(t, torchvision(), SIZE, { batch: 3 }), {
    code: 'model',
    message: /takes 1 frames per batch, and --batch is 3/,
  });
});

function numbersOf(made: Made | undefined): number[] {
  const list = made?.rows[0]?.[0];
  return list instanceof BigInt64Array ? Array.from(list, Number) : [Number.NaN];
}

t.test('a tensor of any number of rows is a list as long as it is', async (t) => {
  const network = brightCells(64);
  const found = await made(await composed(t, network, SIZE), 1, FRAMES);
  const cut = await made(await composed(t, brightCells(2), SIZE), 1, FRAMES);
  const lengths: number[] = [];
  for (const [at, frame] of FRAMES.entries()) {
    const [[expected = []] = []] = plainRowsOf(network, frame, { width, height }, BT601);
    const own = numbersOf(found[at]);
    t.same(own, expected, `frame ${at}`);
    t.equal(found[at]?.rows.length, 1);
    lengths.push(own.length);
    t.same(numbersOf(cut[at]), own.slice(0, 4));
    t.equal(cut[at]?.dropped, Math.max(0, own.length / 2 - 2));
  }
  t.ok(lengths.includes(0) && Math.max(...lengths) > 8, lengths.join());
});

t.test('what cannot be: the message says what to write', async (t) => {
  const without = (manifest: Manifest) => ({
    ...manifest,
    outputs: Object.fromEntries(
      Object.entries(manifest.outputs as Record<string, Manifest>).map(([name, { rows: _, ...port }]) => [
        name,
        port,
      ]),
    ),
  });
  await t.rejects(composed(t, torchvision(), SIZE, { change: without }), {
    code: 'model',
    message: /"boxes" \(float32 \[K, 4\]\).* not known before it runs \(its operator NonMaxSuppression/,
    hint: /state the most rows of a frame beside its role: "rows": 100/,
  });
  const decoded = (decode: Manifest) => (manifest: Manifest) => ({
    ...manifest,
    outputs: { scores: { role: 'table', rows: 9, decode } },
  });
  await t.rejects(
    composed(t, torchvision(), SIZE, { change: decoded({ kind: 'classes', activation: 'none' }) }),
    { code: 'model', message: /classes takes outputs of a fixed size only/ },
  );
  await t.rejects(composed(t, torchvision({ rows: 0 }), SIZE), { message: /rows/ });
  await t.rejects(composed(t, yolov7(), SIZE, { change: without }), {
    message: /output\.rows" must state the most boxes of a frame, .*: 300/,
  });
  const graph = await composed(t, mismatched(), SIZE);
  await t.rejects(made(graph, 1, FRAMES), {
    code: 'model',
    message: /outputs of a table have different numbers of rows: \d+, \d+/,
  });
});

t.test('"rows" changes nothing where the number of rows is fixed', async (t) => {
  const [plain] = await made(await composed(t, endToEnd(), SIZE), 1, FRAMES);
  const change = (manifest: Manifest) => {
    const { output0 } = manifest.outputs as Record<string, Manifest>;
    return { ...manifest, outputs: { output0: { ...output0, rows: 7 } } };
  };
  const [stated] = await made(await composed(t, endToEnd(), SIZE, { change }), 1, FRAMES);
  t.same(stated?.packed, plain?.packed);
});
