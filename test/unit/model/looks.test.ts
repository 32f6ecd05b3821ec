/** What the ends of a graph look like, as `models inspect` and refusals say it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { parseManifest } from '../../../src/model/load/manifest.js';
import { looksOf } from '../../../src/model/ports/looks.js';
import { packageRoot } from '../../../src/system/package.js';
import { modelBytes, node } from '../../fixtures/onnx.js';
import { severalPictures } from '../../fixtures/picture-models.js';
import { byChannels } from '../../fixtures/window-models.js';

const IMAGES = ['N', 3, 'H', 'W'] as const;
const end = (name: string, dims: readonly (number | string)[], type = 'float32') => ({ name, dims, type });
const lines = (inputs: readonly ReturnType<typeof end>[], outputs: readonly ReturnType<typeof end>[]) =>
  Object.fromEntries([...looksOf({ inputs, outputs })].map(([name, looks]) => [name, looks.lines]));

t.test('the ends of families of models', async (t) => {
  const picture = { channels: '?', range: '?' };
  t.same(lines([end('x', IMAGES)], [end('y', IMAGES)]), {
    ...{ x: { role: 'frames', ...picture }, y: { role: 'picture', ...picture } },
  });
  t.match(lines([end('content', IMAGES), end('style', IMAGES)], []), {
    ...{ content: { role: 'frames' }, style: { role: 'constant', picture: 'FILE.jpg' } },
  });
  t.match(lines([end('img0', IMAGES), end('img1', IMAGES)], []), {
    ...{ img0: { role: 'frames' }, img1: { role: 'frames', at: '?' } },
  });
  t.match(
    lines(
      [end('x', ['N', 15, 'H', 'W']), end('sigma', ['N', 1, 1, 1]), end('noise', ['N', 1, 'H', 'W'])],
      [],
    ),
    {
      x: { role: 'frames', window: { before: 2, after: 2, stack: 'channels' } },
      sigma: { role: 'constant', value: 0 },
      noise: { role: 'constant', value: 0 },
    },
  );
  t.match(lines([end('x', [1, 7, 3, 'H', 'W'])], []), { x: { window: { before: 3, stack: 'time' } } });
  t.match(lines([end('x', [1, 7, 3, 'H', 'W'])], [end('y', [1, 7, 3, 'a', 'b'])]), {
    ...{ x: { role: 'frames', chunk: 7, channels: '?' }, y: { role: 'picture', range: '?' } },
  });
  t.match(lines([end('x', ['N', 6, 'H', 'W'])], []), { x: { window: { before: '?', stack: 'channels' } } });
  const square = end('x', [1, 3, 640, 640]);
  for (const [dims, decode] of [
    [[1, 84, 8400], { kind: 'boxes', head: 'yolov8' }],
    [[1, 300, 6], { kind: 'boxes', head: 'yolov10' }],
    [[1, 7], { kind: '?' }],
    [['N', 300, 84], { kind: 'boxes', head: 'rtdetr' }],
    // YOLOv5, or YOLOv8 with its axes changed.
    [[1, 25200, 85], { kind: '?' }],
    [[1, 1000], { kind: '?' }],
  ] as const) {
    t.same(lines([square], [end('output0', dims)]).output0, { role: 'table', decode }, `${dims}`);
  }
  t.match(lines([square], [end('output', ['Concatoutput_dim_0', 7])]).output, {
    ...{ role: 'table', rows: '?', decode: { kind: 'boxes', head: 'yolov7' } },
  });
  t.match(
    lines(
      [square],
      [
        end('num_dets', [1, 1], 'int32'),
        ...['boxes', 'scores', 'classes'].map((name) =>
          end(`det_${name}`, name === 'boxes' ? [1, 100, 4] : [1, 100]),
        ),
      ],
    ).det_boxes,
    { decode: { head: 'ssd' }, with: ['det_scores', 'det_classes', 'num_dets'] },
  );
  t.match(lines([square], [end('logits', ['N', 300, 80]), end('pred_boxes', ['N', 300, 4])]), {
    ...{ logits: { decode: { kind: 'boxes', head: '?' } }, pred_boxes: { decode: { kind: '?' } } },
  });
  const boxes = { role: 'table', decode: { kind: 'boxes', head: 'ssd', order: '?', units: '?' } };
  const torchvision = [end('boxes', ['K', 4]), end('labels', ['K'], 'int64'), end('scores', ['K'])];
  t.match(lines([end('image', [3, 'H', 'W'])], torchvision), {
    ...{ image: { role: 'frames' }, labels: undefined, scores: undefined },
    boxes: { ...boxes, rows: '?', with: ['scores', 'labels'] },
  });
  const [detection, n] = ['detection_', [1]];
  const tensorflow = [
    ...[end(`${detection}boxes`, [1, 100, 4]), end(`${detection}classes`, [1, 100])],
    ...[end(`${detection}scores`, [1, 100]), end('num_detections', n)],
  ];
  t.same(lines([square], tensorflow).detection_boxes, {
    ...boxes,
    with: ['detection_scores', 'detection_classes', 'num_detections'],
  });
  t.match(lines([end('x', ['N', 'H', 'W', 3], 'uint8')], [end('y', ['N', 1, 'H', 'W'])]), {
    ...{ x: { role: 'frames', channels: '?' }, y: { role: 'picture', range: '?' } },
  });
  t.match(lines([end('mask', ['N', 1, 'H', 'W']), end('h', [1, 64, 8])], [end('label', [1], 'string')]), {
    ...{ mask: { role: 'frames' }, h: { role: 'constant', npy: 'FILE.npy' }, label: undefined },
  });
  // Without an axis of channels, of the height and width of the frames: Depth Anything.
  const depth = { role: 'picture', range: '?' };
  for (const [frames, map, found] of [
    [['batch', 3, 'height', 'width'], ['batch', 'height', 'width'], depth],
    [[1, 3, 518, 518], [1, 518, 518], depth],
    [['N', 'H', 'W', 3], ['N', 'H', 'W'], depth],
    [['N', 3, 'H', 'W'], ['N', 'H2', 'W2'], { role: 'table' }],
    [['?', 3, '?', '?'], ['?', '?', '?'], { role: 'table' }],
  ] as const)
    t.match(lines([end('x', frames)], [end('depth', map)]).depth, found, `${map} for ${frames}`);
  const any = ['a', 'b', 'c', 'd'];
  const state = (from: string) => ({ role: 'state', from, reset: { every: '?' } });
  t.match(
    lines(
      [end('src', IMAGES), end('r1i', any), end('h_in', [1, 64]), end('hidden', [1, 8]), end('ratio', [1])],
      [
        end('fgr', IMAGES),
        end('pha', ['N', 1, 'H', 'W']),
        end('r1o', any),
        end('h_out', [1, 64]),
        end('new_hidden', [1, 8]),
      ],
    ),
    {
      ...{ src: { role: 'frames' }, r1i: state('r1o'), h_in: state('h_out'), hidden: state('new_hidden') },
      ...{ ratio: { role: 'constant' }, fgr: { role: 'picture' }, r1o: { role: 'state' } },
      pha: { role: 'picture', range: '?' },
    },
  );
});

t.test('models inspect prints them, and a manifest to start from', async (t) => {
  const folder = t.testdir({
    'net.onnx': Buffer.from(byChannels().bytes),
    'two.onnx': Buffer.from(
      modelBytes({
        nodes: [node('Add', ['a', 'b'], 'y')],
        input: [
          { name: 'a', dims: IMAGES },
          { name: 'b', dims: [1] },
        ],
        output: { name: 'y', dims: IMAGES },
      }),
    ),
    'queries.onnx': Buffer.from(
      modelBytes({
        nodes: [node('Identity', ['pixels'], 'pred_boxes'), node('Identity', ['pixels'], 'logits')],
        input: { name: 'pixels', dims: IMAGES },
        output: [
          { name: 'pred_boxes', dims: ['N', 300, 4] },
          { name: 'logits', dims: ['N', 300, 80] },
        ],
      }),
    ),
    'matting.onnx': Buffer.from(severalPictures().bytes),
    'bad.onnx': 'no model',
  });
  const inspect = (file: string, ...more: readonly string[]) =>
    spawnSync(
      process.execPath,
      [join(packageRoot(), 'dist/main.js'), 'models', 'inspect', join(folder, file), ...more],
      {
        encoding: 'utf8',
      },
    );
  const text = inspect('net.onnx');
  t.equal(text.status, 0, text.stderr);
  t.match(text.stdout, /x {2}float32 \[N, 15, H, W\], looks like 5 frames, stacked by channels/);
  const { stdout } = inspect('two.onnx', '--json');
  const { manifest } = JSON.parse(stdout) as { readonly manifest: Record<string, unknown> };
  t.throws(() => parseManifest(JSON.stringify(manifest), 'two.json'), {
    message: /inputs\.a\.channels" is still "\?": write "rgb" or/,
  });
  const filled = JSON.stringify(manifest)
    .replaceAll('"channels":"?"', '"channels":"rgb"')
    .replaceAll('"?"', '"0..1"');
  t.match(parseManifest(filled, 'two.json'), { kind: 'image', io: 'ports' }, 'filled in, it is one');
  const queries = JSON.parse(inspect('queries.onnx', '--json').stdout);
  t.match(queries.outputs[1].looksLike, /"detr" if they need a softmax and "rtdetr" if a sigmoid/);
  t.same(queries.manifest.outputs, {
    logits: { role: 'table', decode: { kind: 'boxes', head: '?' }, with: ['pred_boxes'] },
  });
  const matting = inspect('matting.onnx');
  t.match(
    matting.stdout,
    /depth\s+float32 \[N, H, W\], looks like a picture of one channel: a matte, mask or depth/,
  );
  t.match(matting.stdout, /"pha": \{\s+"role": "picture",\s+"range": "\?"/);
  t.match(matting.stdout, 'OUTPUT is the first picture, fgr. --output pha=FILE writes another');
  const bad = inspect('bad.onnx');
  t.equal(bad.status, 1);
  t.match(bad.stderr, /bad\.onnx" is not an ONNX model/);
});
