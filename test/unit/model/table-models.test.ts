/** Models whose outputs become tables: values against float64, geometry, batches, refusals, NaN. */
import t from 'tap';
import { modelFor, UPRIGHT } from '../../../src/job/prepare/outputs.js';
import { compose } from '../../../src/model/compose/compose.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { I010, I420, samplesOf } from '../../../src/video/formats/frame-format.js';
import { openDecoder } from '../../../src/video/frames/decode.js';
import { wirePlan } from '../../../src/video/frames/wire.js';
import { probe } from '../../../src/video/source/probe.js';
import { makeClip } from '../../fixtures/clips.js';
import { frameOf, largestDifference, pictureOf } from '../../fixtures/float64-reference.js';
import { floats, integers, modelBytes, node } from '../../fixtures/onnx.js';
import { photoLike } from '../../fixtures/picture.js';
import {
  classifier,
  detr,
  encoder,
  endToEnd,
  networkFolder,
  numberTable,
  rtdetr,
  secondTable,
  ssd,
  type TableNetwork,
  WHOLE,
  yolo,
} from '../../fixtures/table-networks.js';
import { decoded, plainRowsOf } from '../../fixtures/table-reference.js';
import {
  BESIDE,
  BT601,
  composed,
  type Made,
  type Manifest,
  made,
  type Size,
  sameRows,
  TABLE,
  VIDEO,
} from '../../fixtures/table-runs.js';

t.setTimeout(1_800_000);

const LABELS = ['cat', 'a "dog", big', 'ÿ\u2028', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

t.test('every family gives the rows of its arithmetic in float64', async (t) => {
  const { width, height, frames } = decoded(await makeClip('cfr'));
  const few = frames.filter((_, at) => at % 6 === 0);
  const families: Readonly<Record<string, TableNetwork>> = {
    classifier: classifier({ labels: LABELS }),
    encoder: encoder(),
    'encoder without a decoder': encoder({ plain: true }),
    'encoder without norm': encoder({ decode: { normalize: false } }),
    yolo: yolo({ labels: LABELS.slice(0, 3) }),
    ssd: ssd(),
    detr: detr(),
    rtdetr: rtdetr(),
    'rtdetr in one output': rtdetr({ one: true }),
    yolo26: endToEnd({ labels: LABELS.slice(0, 3) }),
  };
  for (const [name, network] of Object.entries(families)) {
    const graph = await composed(t, network, [width, height]);
    const found = await made(graph, 1, few);
    let rows = 0;
    for (const [at, frame] of few.entries()) {
      const expected = plainRowsOf(network, frame, { width, height }, BT601);
      rows += expected.length;
      sameRows(t, found[at]?.rows ?? [], expected, `${name}, frame ${at}`);
      t.equal(found[at]?.finite, true);
    }
    t.ok(rows >= few.length, `${name}: ${rows} rows are compared`);
    const distinct = new Set(found.map(({ packed }) => Buffer.from(packed).toString('hex'))).size;
    t.equal(distinct, few.length, `${name}: every frame has its own rows`);
  }
});

t.test('boxes lie in the source whatever the fit, and however odd the frame', async (t) => {
  const sizes: readonly Size[] = [
    [64, 64],
    [160, 90],
    [90, 160],
    [101, 67],
    [33, 45],
    [641, 47],
    [18, 10],
    [1, 3],
  ];
  for (const fit of ['stretch', 'letterbox', 'crop'] as const) {
    for (const [at, size] of sizes.entries()) {
      const [width, height] = size;
      const frame = photoLike(width, height, BT601, at + 1);
      for (const network of [
        yolo({ fit }),
        ssd({ fit }),
        detr({ fit }),
        rtdetr({ fit }),
        endToEnd({ fit }),
      ]) {
        const graph = await composed(t, network, size);
        const [found] = await made(graph, 1, [frame]);
        const expected = plainRowsOf(network, frame, { width, height }, BT601);
        sameRows(t, found?.rows ?? [], expected, `${network.decode?.head} ${fit} ${size.join('x')}`);
        for (const row of found?.rows ?? []) {
          const [x = 0, y = 0, wide = 0, high = 0] = row.slice(-4).map(Number);
          const inside = x >= 0 && y >= 0 && x + wide <= width + 1e-3 && y + high <= height + 1e-3;
          if (!inside) t.fail(`${fit} ${size.join('x')}: ${[x, y, wide, high].join()}`);
        }
      }
    }
  }
});

t.test('the bars of a letterbox are grey in every range, and nothing of the frame is lost', async (t) => {
  const frame = photoLike(96, 32, BT601);
  const range = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25] };
  for (const kind of ['0..1', '0..255', '-1..1', range] as const) {
    const plain = yolo({ fit: 'letterbox', decode: { threshold: 0.1, iou: 0.99 } });
    const network = { ...plain, frames: { ...plain.frames, range: kind } };
    const graph = await composed(t, network, [96, 32], {
      change: (manifest) => ({ ...manifest, inputs: { input: network.frames } }),
    });
    const [found] = await made(graph, 1, [frame]);
    const expected = plainRowsOf(network, frame, { width: 96, height: 32 }, BT601);
    // Numbers up to 255 make sums and boxes that many times larger.
    if (kind === '0..255') t.equal(found?.rows.length, expected.length, '0..255');
    else sameRows(t, found?.rows ?? [], expected, JSON.stringify(kind));
  }
});

t.test('frames of any size are padded to the multiple, by their reflection', async (t) => {
  for (const size of [
    [160, 120],
    [161, 121],
    [37, 53],
    [32, 32],
    [7, 9],
  ] as const) {
    const [width, height] = size;
    const frame = photoLike(width, height, BT601, 4);
    for (const network of [classifier(), encoder({ decode: { normalize: false } })]) {
      const [found] = await made(await composed(t, network, size), 1, [frame]);
      const expected = plainRowsOf(network, frame, { width, height }, BT601);
      sameRows(t, found?.rows ?? [], expected, `${network.decode?.kind} ${size.join('x')}`);
    }
  }
});

t.test('chroma is interpolated unless the manifest says otherwise', async (t) => {
  const frame = photoLike(64, 64, BT601, 2);
  const network = yolo({ decode: { threshold: 0.3 } });
  const linear = { ...network, manifest: { ...network.manifest, chroma: 'linear' } };
  const change = ({ chroma: _, ...manifest }: Manifest) => manifest;
  const [found] = await made(await composed(t, network, [64, 64], { change }), 1, [frame]);
  const expected = plainRowsOf(linear, frame, { width: 64, height: 64 }, BT601);
  sameRows(t, found?.rows ?? [], expected, 'without "chroma"');
  const [nearest] = await made(await composed(t, network, [64, 64]), 1, [frame]);
  t.notSame(found?.packed, nearest?.packed);
});

t.test('a turned video: its table is of upright frames', async (t) => {
  const path = await makeClip('rotated');
  const expected = decoded(path, { upright: true });
  const source = await probe(path);
  const wire = wirePlan(source.video, UPRIGHT);
  await using decoder = await openDecoder(source, wire, { tolerant: false });
  const network = yolo({ fit: 'letterbox' });
  const folder = t.testdir(networkFolder(network));
  const graph = compose(await loadModel(`${folder}/model.onnx`, { folder }), wire.format, 1);
  const frame = new Uint8Array(graph.inputBytes);
  for (const upright of expected.frames.slice(0, 3)) {
    await decoder.read(frame);
    const [found] = await made(graph, 1, [frame]);
    const rows = plainRowsOf(network, upright, expected, BT601);
    t.ok(rows.length > 0);
    sameRows(t, found?.rows ?? [], rows, 'upright');
  }
});

t.test('the batch changes no bit of a row', async (t) => {
  const frames = [1, 2, 3, 4, 5, 6, 7].map((seed) => photoLike(97, 63, BT601, seed));
  for (const network of [
    classifier(),
    encoder(),
    yolo({ fit: 'letterbox' }),
    ssd(),
    detr({ fit: 'crop' }),
    classifier({ beside: true }),
  ]) {
    const beside = 'negative' in (network.manifest.outputs as Manifest);
    const all: Made[][] = [];
    for (const batch of [1, 3]) {
      all.push(await made(await composed(t, network, [97, 63], { batch, beside }), batch, frames));
    }
    const [alone = [], together = []] = all;
    for (const [at, one] of alone.entries())
      t.same(together[at], one, `${network.decode?.kind}, frame ${at}`);
  }
});

t.test('numbers keep the type that holds them, in any batch', async (t) => {
  const frames = [1, 2, 3].map((seed) => photoLike(33, 45, BT601, seed));
  for (const [type, expected] of [
    ['int32', Int32Array.from(WHOLE.int32)],
    ['int64', BigInt64Array.from(WHOLE.int64)],
    ['uint32', BigInt64Array.of(2n ** 32n - 1n, 2n ** 24n + 1n, 0n)],
    ['float64', Float64Array.from(WHOLE.int32)],
    ['uint8', Int32Array.of(1, 255, 0)],
    ['bool', Int32Array.of(1, 1, 1)],
  ] as const) {
    for (const batch of [1, 2]) {
      const found = await made(await composed(t, numberTable(type), [33, 45], { batch }), batch, frames);
      for (const { rows, finite } of found) t.same([rows, finite], [[[expected]], true], `${type}, ${batch}`);
    }
  }
  await t.rejects(composed(t, numberTable('uint64'), [33, 45]), {
    code: 'model',
    message: /no column can hold the numbers of the output "numbers" \(uint64 \[N, 3\]\)/,
    hint: /Cast to int64/,
  });
});

t.test('float64 beyond float32 is finite, and its infinity is not', async (t) => {
  const frames = [16, 235].map((luma) => photoLike(33, 45, BT601).fill(luma, 0, 33 * 45));
  for (const [times, finite] of [
    [1e300, [true, true]],
    // The mean of the brighter frame, and 1, is more than 1.5.
    [1.2e308, [true, false]],
  ] as const) {
    const rawData = new Uint8Array(Float64Array.of(times).buffer);
    const bytes = modelBytes({
      nodes: [
        node('ReduceMean', ['input'], 'mean', { axes: [1, 2, 3], keepdims: 1 }),
        node('Flatten', ['mean'], 'flat'),
        node('Add', ['flat', 'one'], 'more'),
        node('Cast', ['more'], 'double', { to: 11 }),
        node('Mul', ['double', 'times'], 'far'),
      ],
      initializers: [floats('one', [1], [1]), { name: 'times', dataType: 11, dims: [], rawData }],
      input: { dims: ['N', 3, 'H', 'W'] },
      output: { name: 'far', type: 'float64', dims: ['N', 1] },
    });
    const { manifest } = numberTable('float64');
    const network = { bytes, manifest: { ...manifest, outputs: { far: { role: 'table' } } } };
    const found = await made(await composed(t, network, [33, 45]), 1, frames);
    t.same(
      found.map((one) => one.finite),
      finite,
      `times ${times}`,
    );
    for (const [at, { rows }] of found.entries())
      t.equal(Number.isFinite(rows[0]?.[0] as number), finite[at], `times ${times}`);
  }
});

t.test('a picture beside a table: both are right, and either may be left out', async (t) => {
  const network = classifier({ beside: true });
  const [width, height] = [97, 63];
  const frame = photoLike(width, height, BT601, 3);
  const both = await composed(t, network, [width, height], { beside: true });
  const [found] = await made(both, 1, [frame]);
  const expected = plainRowsOf(network, frame, { width, height }, BT601);
  sameRows(t, found?.rows ?? [], expected, 'the table');
  const picture = pictureOf(frame, width, height, BT601);
  const negative = frameOf({ ...picture, rgb: picture.rgb.map((value) => 1 - value) }, BT601);
  t.ok(largestDifference(found?.frame ?? new Uint8Array(), negative) <= 1, 'the picture, within a level');

  const [alone] = await made(await composed(t, network, [width, height]), 1, [frame]);
  t.same(alone?.packed, found?.packed, 'the table alone has the same bits');
  t.equal(alone?.frame.length, 0);

  const deep = await composed(t, network, [width, height], { beside: true, sample: I010 });
  const words = Uint16Array.from(frame, (level) => 4 * level);
  const [ten] = await made(deep, 1, [new Uint8Array(words.buffer)]);
  t.equal(deep.rowBytes % 2, 0);
  sameRows(t, ten?.rows ?? [], expected, 'the table of 10 bits');
  const codes = samplesOf(ten?.frame ?? new Uint8Array(), I010);
  const levels = Float64Array.from(codes, (code) => code / 4);
  t.ok(largestDifference(levels, negative) <= 1, 'and the picture');
  t.equal(ten?.finite, true);

  const folder = t.testdir(networkFolder(network));
  const loaded = await loadModel(`${folder}/model.onnx`, { folder });
  const { model, notes } = modelFor(loaded, VIDEO, []);
  t.match(notes, [/also gives a table, which is not written: with one INPUT, --table FILE/]);
  const graph = compose(model, { width, height, sample: I420, ...BT601 }, 1);
  t.equal(graph.table, undefined);
});

t.test('several tables: each has the rows of one alone', async (t) => {
  const network = classifier({ several: true });
  const frames = [1, 2].map((seed) => photoLike(97, 63, BT601, seed));
  const folder = t.testdir(networkFolder(network));
  const loaded = await loadModel(`${folder}/model.onnx`, { folder });
  t.same(
    loaded.tables.map(({ name }) => name),
    ['logits', 'flat'],
  );
  const format = { width: 97, height: 63, sample: I420, ...BT601 };
  const further = { ...BESIDE, name: 'flat', format: 'csv' } as const;
  const { model, files } = modelFor(loaded, TABLE, [further]);
  t.match(files, [
    { format: 'parquet', beside: undefined },
    { format: 'csv', beside: {} },
  ]);
  const both = compose(model, format, 1);
  const found = await made(both, 1, frames);
  const [first = 0, second = 0] = both.table?.tables.map(({ frameBytes }) => frameBytes) ?? [];
  t.equal(both.table?.frameBytes, first + second);

  const alone = await made(compose(modelFor(loaded, TABLE, []).model, format, 1), 1, frames);
  const other = await made(compose({ ...loaded, tables: loaded.tables.slice(1) }, format, 1), 1, frames);
  for (const [at, frame] of frames.entries()) {
    const packed = found[at]?.packed ?? new Uint8Array();
    t.same(packed.subarray(0, first), alone[at]?.packed, `frame ${at}`);
    t.same(packed.subarray(first), other[at]?.packed, `frame ${at}`);
    const expected = plainRowsOf(secondTable(network), frame, { width: 97, height: 63 }, BT601);
    sameRows(t, other[at]?.rows ?? [], expected, `frame ${at}`);
  }
});

t.test('what is asked for and not there', async (t) => {
  const folder = t.testdir(networkFolder(classifier()));
  const table = await loadModel(`${folder}/model.onnx`, { folder });
  t.throws(() => modelFor(table, VIDEO, [BESIDE]), {
    code: 'model',
    message: /gives a table and no picture/,
    hint: /parquet/,
  });
  const picture = { ...table, tables: [] };
  t.throws(() => modelFor(picture, TABLE, []), {
    code: 'model',
    message: /gives no table/,
    hint: /role "table"/,
  });
});

/** Another table in place of the outputs. */
const output = (name: string, more: Manifest) => (manifest: Manifest) => ({
  ...manifest,
  outputs: { [name]: { role: 'table', ...more } },
});

t.test('refusals name the output, the file and what to do', async (t) => {
  const cases: readonly (readonly [string, () => Promise<unknown>, Record<string, unknown>])[] = [
    [
      'strength',
      () => composed(t, classifier(), [64, 64], { strength: 0.5 }),
      { message: /gives no picture, so --strength does not apply/ },
    ],
    [
      'steady',
      () => composed(t, classifier(), [64, 64], { steady: 0.5 }),
      { message: /gives no picture, so --steady does not apply/ },
    ],
    [
      'labels',
      () => composed(t, classifier({ labels: LABELS.slice(1) }), [64, 64]),
      { message: /there are 9 labels for 10 classes/, hint: /role "table"/ },
    ],
    [
      'labels of boxes',
      () => composed(t, detr({ labels: LABELS }), [64, 64]),
      { message: /there are 10 labels for 4 classes/ },
    ],
    [
      'fit and any size',
      () => composed(t, classifier({ fit: 'letterbox' }), [64, 64]),
      { message: /takes frames of any size, so "fit" does not apply/, hint: /omit "fit"/ },
    ],
    [
      'no multiple',
      () => composed(t, classifier(), [64, 64], { change: ({ multiple: _, ...rest }) => rest }),
      { message: /of what number width and height must be multiples/, hint: /"multiple"/ },
    ],
    [
      'fit and a picture',
      () => composed(t, classifier({ beside: true, fit: 'crop' }), [64, 64]),
      { message: /must have no "fit" where an output is a picture/ },
    ],
    [
      'another table',
      () =>
        composed(t, classifier(), [64, 64], {
          change: output('logits', { decode: { kind: 'boxes', head: 'yolov8' } }),
        }),
      { message: /yolov8 takes one output \[4 \+ classes, boxes\], not \[10\]/, hint: /correct the output/ },
    ],
    [
      'classes of boxes',
      () =>
        composed(t, yolo(), [64, 64], {
          change: output('output0', { decode: { kind: 'classes', activation: 'none' } }),
        }),
      { message: /classes takes one output \[classes\], not \[7, 64\]/ },
    ],
    [
      'a lacking end',
      () =>
        composed(t, ssd(), [64, 64], {
          change: output('bboxes', { decode: ssd().decode, with: ['scores', 'label'] }),
        }),
      { message: /no output "label": did you mean labels\?/ },
    ],
    [
      'too few ends',
      () => composed(t, detr(), [64, 64], { change: output('logits', { decode: detr().decode }) }),
      { message: /detr takes logits .* not \[64, 5\]/ },
    ],
    [
      'no such output',
      () => composed(t, classifier(), [64, 64], { change: output('logit', {}) }),
      { message: /no output "logit": did you mean logits\?/ },
    ],
    [
      'no batch axis',
      () => composed(t, fixed('flat'), [32, 32], { batch: 3 }),
      { message: /"output" .* has no batch axis: it is \[9216\] for 3 frames/ },
    ],
    ['no batch axis at 1', () => composed(t, fixed('flat'), [32, 32]), { message: /has no batch axis/ }],
    [
      'an unknown shape',
      () => composed(t, fixed('hidden'), [32, 32]),
      { message: /has a size that is not known before it runs \(its operator NonZero/, hint: /fixed shape/ },
    ],
    [
      'text',
      () => composed(t, fixed('text'), [32, 32]),
      { message: /"output" \(string \[N, 3, 32, 32\]\) of .* holds no numbers/ },
    ],
  ];
  for (const [name, refused, what] of cases) await t.rejects(refused(), { code: 'model', ...what }, name);
});

/** Networks of 32 x 32 whose output has no batch axis, an unknown shape, or text in it. */
function fixed(kind: 'flat' | 'hidden' | 'text'): Pick<TableNetwork, 'bytes' | 'manifest'> {
  const cast = node('Cast', ['input'], 'output', { to: 8 });
  const nodes = {
    flat: [node('Reshape', ['input', 'minus'], 'output')],
    hidden: [node('NonZero', ['input'], 'output')],
    text: [cast],
  }[kind];
  const out = {
    flat: { dims: ['K'] },
    hidden: { type: 'int64' as const, dims: ['N', 'K'] },
    text: { type: 'string' as const, dims: ['N', 3, 32, 32] },
  }[kind];
  const input = { role: 'frames', channels: 'rgb', range: '0..1' };
  return {
    bytes: modelBytes({
      nodes,
      initializers: [integers('minus', [-1])],
      input: { dims: ['N', 3, 32, 32] },
      output: out,
    }),
    manifest: {
      ...{ format: 2, name: 'm', file: 'model.onnx' },
      inputs: { input },
      outputs: { output: { role: 'table' } },
    },
  };
}

/** A detector with so many candidates, all of which are the mean of the frame; or one long tensor. */
function many(candidates: number, decode: Manifest | undefined): Pick<TableNetwork, 'bytes' | 'manifest'> {
  const rows = decode === undefined ? 1 : 5;
  return {
    bytes: modelBytes({
      nodes: [
        node('ReduceMean', ['input'], 'mean', { axes: [1, 2, 3], keepdims: 1 }),
        node('Reshape', ['mean', 'one'], 'flat'),
        node('Expand', ['flat', 'all'], 'output'),
      ],
      initializers: [integers('one', [0, 1, 1]), integers('all', [1, rows, candidates])],
      input: { dims: ['N', 3, 32, 32] },
      output: { dims: ['N', rows, candidates] },
    }),
    manifest: {
      ...{ format: 2, name: 'm', file: 'model.onnx' },
      inputs: { input: { role: 'frames', channels: 'rgb', range: '0..1' } },
      outputs: { output: { role: 'table', ...(decode === undefined ? {} : { decode }) } },
    },
  };
}

t.test('ten million candidates are within memory; ten million numbers a row are refused', async (t) => {
  const decode = { kind: 'boxes', head: 'yolov8', threshold: 0.1, max: 7, iou: 1 };
  const graph = await composed(t, many(1e7, decode), [32, 32]);
  const frame = photoLike(32, 32, BT601);
  const [found] = await made(graph, 1, [frame]);
  t.equal(found?.rows.length, 7);
  t.ok((graph.table?.frameBytes ?? 0) < 1000, 'what travels is small');
  await t.rejects(composed(t, many(1e7, undefined), [32, 32]), {
    code: 'model',
    message: /the rows of a frame take 40000008 bytes, more than 4194312/,
  });
});

t.test('NaN and infinity in any tensor of a table are told, and of the right frame', async (t) => {
  const dark = photoLike(64, 64, BT601, 1).map((level) => Math.min(level, 120));
  const bright = new Uint8Array(dark.length).fill(128);
  bright.fill(230, 0, 64 * 64);
  for (const kind of ['logits', 'boxes', 'second', 'beside'] as const) {
    const network = brittle(kind);
    const graph = await composed(t, network, [64, 64], { batch: 3, beside: kind === 'beside' });
    const found = await made(graph, 3, [dark, bright, dark, dark, dark, bright]);
    t.same(
      found.map(({ finite }) => finite),
      [true, false, true, true, true, false],
      kind,
    );
  }
});

/** Networks of which an output is NaN for frames whose mean is above 0.6. */
function brittle(kind: 'logits' | 'boxes' | 'second' | 'beside'): Pick<TableNetwork, 'bytes' | 'manifest'> {
  const common = [
    node('ReduceMean', ['input'], 'mean', { axes: [1, 2, 3], keepdims: 0 }),
    node('Sub', ['limit', 'mean'], 'below'),
    node('Sqrt', ['below'], 'root'),
    node('Reshape', ['root', 'column'], 'odd'),
    node('GlobalAveragePool', ['input'], 'pool'),
    node('Flatten', ['pool'], 'fine'),
  ];
  const columns = integers('column', [0, 1]);
  const boxes = { kind: 'boxes', head: 'detr' };
  const wide = (from: string, name: string) => [
    node('MatMul', [from, `${name} weights`], `${name} flat`),
    node('Reshape', [`${name} flat`, `${name} shape`], name),
  ];
  const sound = (name: string, inputs: number, count: number) => [
    floats(`${name} weights`, [inputs, count * 2], new Array<number>(inputs * count * 2).fill(0.25)),
    integers(`${name} shape`, [0, 2, count]),
  ];
  const [first, second] = kind === 'boxes' ? ['odd', 'fine'] : ['fine', 'odd'];
  const isBoxes = kind === 'boxes' || kind === 'second';
  const nodes = isBoxes
    ? [...wide(first, 'logits'), ...wide(second, 'boxes')]
    : [node('Sigmoid', ['odd'], 'logits'), node('Identity', ['input'], 'picture')];
  const frames = { role: 'frames', channels: 'rgb', range: '0..1' };
  const size = ['N', 3, 64, 64];
  const picture = kind === 'beside' ? { picture: { role: 'picture', channels: 'rgb', range: '0..1' } } : {};
  const decode = isBoxes ? { decode: boxes, with: ['boxes'] } : {};
  return {
    bytes: modelBytes({
      nodes: [...common, ...nodes],
      initializers: [
        floats('limit', [1], [0.6]),
        columns,
        ...sound('logits', first === 'odd' ? 1 : 3, 3),
        ...sound('boxes', second === 'odd' ? 1 : 3, 4),
      ],
      input: { dims: size },
      output: isBoxes
        ? [
            { name: 'logits', dims: ['N', 2, 3] },
            { name: 'boxes', dims: ['N', 2, 4] },
          ]
        : [
            { name: 'logits', dims: ['N', 1] },
            { name: 'picture', dims: size },
          ],
    }),
    manifest: {
      ...{ format: 2, name: 'm', file: 'model.onnx' },
      inputs: { input: frames },
      outputs: { logits: { role: 'table', ...decode }, ...picture },
    },
  };
}
