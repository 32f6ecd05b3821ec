import { rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import t from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { float32Values } from '../../../src/model/graph/onnx.js';
import { listModels, type ModelSize } from '../../../src/model/load/catalogue.js';
import { type LoadOptions, loadModel } from '../../../src/model/load/registry.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import {
  blockIdentity,
  floats,
  imageManifest,
  type ModelFixture,
  modelBytes,
  modelFolder,
  node,
  pictureIdentity,
  type StyleNetwork,
  sha256,
  styleNetwork,
} from '../../fixtures/onnx.js';

const NETWORK = styleNetwork();

t.test('a folder lists its styles and models by name', async (t) => {
  const folder = t.testdir({
    ...modelFolder(NETWORK),
    ...modelFolder(blockIdentity({ name: 'plain' })),
    'notes.txt': '',
  });
  t.match(await listModels(folder), [
    {
      name: 'calm',
      kind: 'style',
      network: 'small',
      title: 'The calm one',
      artist: 'Nobody',
      year: 1900,
      licence: 'MIT',
    },
    { name: 'plain', kind: 'image', network: 'plain' },
    { name: 'wild', kind: 'style' },
  ]);
  await t.rejects(listModels(`${folder}/none`), { code: 'model', message: /none/ });
});

t.test('two manifests may not give one name', async (t) => {
  const folder = t.testdir({ ...modelFolder(NETWORK), ...modelFolder(blockIdentity({ name: 'wild' })) });
  await t.rejects(listModels(folder), {
    code: 'model',
    message: /model\.json" and ".*small\.json" name a model "wild"/,
  });
});

t.test('a style puts its vector into the norms', async (t) => {
  const folder = t.testdir(modelFolder(NETWORK));
  const model = await loadModel('wild', { folder });
  t.match(model, {
    name: 'wild',
    scale: 1,
    multiple: 4,
    strength: 1,
    io: { io: 'i420', matrix: 'bt709', range: 'limited' },
  });
  const vector = new Float32Array(Uint8Array.from(NETWORK.vectors['small-wild.f32'] ?? []).buffer);
  t.same(normsOf(model), [...vector]);
});

t.test('a blend is the weighted mean of vectors', async (t) => {
  const folder = t.testdir(modelFolder(NETWORK));
  const [calm, wild] = [
    normsOf(await loadModel('calm', { folder })),
    normsOf(await loadModel('wild', { folder })),
  ];
  const mean = (share: number) =>
    calm.map((value, at) => Math.fround(share * value + (1 - share) * (wild[at] ?? 0)));
  t.same(normsOf(await loadModel('calm:0.25,wild:0.75', { folder })), mean(0.25));
  t.same(
    normsOf(await loadModel('calm:1, wild:3', { folder })),
    mean(0.25),
    'weights are divided by their sum',
  );
  t.same(normsOf(await loadModel('calm,wild', { folder })), mean(0.5));
  t.same(normsOf(await loadModel('calm:0,wild:2', { folder })), wild);
});

t.test('what names no model gets an answer', async (t) => {
  const folder = t.testdir(modelFolder(NETWORK));
  await t.rejects(loadModel('waev', { folder }), { code: 'model', message: /"waev"/, hint: /calm, wild/ });
  await t.rejects(loadModel('calm:1,waev:1', { folder }), { code: 'model', message: /"waev"/ });
  for (const spec of [
    '',
    'calm:',
    'calm:x',
    'calm:-1',
    'calm:1:2',
    'calm,',
    'calm:0',
    'calm,calm',
    'calm:Infinity',
  ]) {
    await t.rejects(loadModel(spec, { folder }), { code: 'model' }, spec);
  }
  await t.rejects(loadModel(`${folder}/none.onnx`, { folder }), {
    code: 'model',
    message: /none\.onnx" cannot be read/,
  });
  await t.rejects(loadModel(`${folder}/`, { folder }), { code: 'model', message: /is not a file/ });
  await t.rejects(loadModel(`${folder}/small.onnx`, { folder }), { code: 'model', hint: /calm, wild/ });
  await t.rejects(loadModel('calm', { folder, overrides: { scale: 2 } }), {
    code: 'model',
    message: /--model-scale/,
  });
  await t.rejects(loadModel('calm', { folder, strength: 1.6 }), { code: 'usage' });
  await t.rejects(loadModel('calm', { folder, overrides: { multiple: 0 } }), { code: 'usage' });
});

t.test('styles of different networks do not blend', async (t) => {
  const other = styleNetwork({ seed: 2 });
  const styles = (other.manifest.styles as { name: string }[]).map((one) => ({
    ...one,
    name: `${one.name}2`,
  }));
  const folder = t.testdir({
    ...modelFolder(NETWORK),
    more: modelFolder(other),
    'other.json': JSON.stringify({ ...other.manifest, styles }),
  });
  await t.rejects(loadModel('calm,wild2', { folder }), {
    code: 'model',
    message: /"calm" and "wild2".*different networks/,
  });
});

/** The same two styles in two sizes, a third in the larger alone, and one in a network that is no size. */
function sizes(): Record<string, string | Buffer> {
  const other = styleNetwork({ seed: 4, name: 'own' });
  const fine = styleNetwork({ seed: 3, name: 'fine' });
  const extra = (network: StyleNetwork, name: string) => ({
    ...(network.manifest.styles as object[])[0],
    name,
  });
  const withStyles = (network: StyleNetwork, styles: readonly object[]) =>
    modelFolder({ ...network, manifest: { ...network.manifest, styles } });
  return {
    ...modelFolder(styleNetwork({ name: 'fast' })),
    ...withStyles(fine, [...(fine.manifest.styles as object[]), extra(fine, 'loud')]),
    ...withStyles(other, [extra(other, 'mine')]),
    ...modelFolder(blockIdentity({ name: 'plain' })),
  };
}

t.test('a style may come in two sizes', async (t) => {
  const folder = t.testdir(sizes());
  const fileOf = async (spec: string, size?: ModelSize) =>
    basename((await loadModel(spec, { folder, ...(size && { size }) })).file);
  t.equal(await fileOf('wild'), 'fast.onnx', 'fast is the default');
  t.equal(await fileOf('wild', 'fast'), 'fast.onnx');
  t.equal(await fileOf('wild', 'fine'), 'fine.onnx');
  t.equal(await fileOf('wild,calm:3', 'fine'), 'fine.onnx', 'blends too');
  t.equal(await fileOf('loud'), 'fine.onnx', 'what comes in one size needs none');
  t.equal(await fileOf('wild,loud'), 'fine.onnx', 'nor does a blend that only one size has');
  t.match(await loadModel('wild', { folder, size: 'fine', strength: 0.5 }), { size: 'fine', strength: 0.5 });
  t.equal((await loadModel('mine', { folder })).size, undefined);
  t.not(
    (await loadModel('wild', { folder, size: 'fine' })).sha256,
    (await loadModel('wild', { folder })).sha256,
  );
  t.same(
    (await listModels(folder)).map(({ name, size, isDefault }) => [name, size, isDefault]),
    [
      ['calm', 'fast', true],
      ['calm', 'fine', false],
      ['loud', 'fine', true],
      ['mine', undefined, true],
      ['plain', undefined, true],
      ['wild', 'fast', true],
      ['wild', 'fine', false],
    ],
  );
});

t.test('a size that is not there is an error that says which are', async (t) => {
  const folder = t.testdir(sizes());
  const wrong: readonly [string, ModelSize, string, RegExp, RegExp][] = [
    ['loud', 'fast', 'model', /"loud" does not come in the size "fast"/, /it comes in: fine/],
    ['wild,loud', 'fast', 'model', /"loud" does not come in the size "fast"/, /it comes in: fine/],
    ['mine', 'fine', 'model', /"mine" does not come in the size "fine"/, /omit --size/],
    ['waev', 'fine', 'model', /no model or style "waev"/, /calm, loud, mine, plain, wild/],
    ['plain', 'fine', 'usage', /"plain" has only one size/, /models lists/],
    [`${folder}/model.onnx`, 'fine', 'usage', /has only one size/, /models lists/],
  ];
  for (const [spec, size, code, message, hint] of wrong) {
    await t.rejects(loadModel(spec, { folder, size }), { code, message, hint }, `${spec} --size ${size}`);
  }
  const without = t.testdir(modelFolder(styleNetwork({ name: 'fast' })));
  await t.rejects(loadModel('calm', { folder: without, size: 'fine' }), { code: 'model', hint: /in: fast/ });
  t.equal((await loadModel('calm', { folder: without })).size, 'fast');
});

t.test('damaged files are found out', async (t) => {
  const damage: readonly [string, (folder: string) => Promise<void>, RegExp][] = [
    [
      'network',
      (folder) => writeFile(`${folder}/small.onnx`, 'no'),
      /small\.onnx" is not the file its manifest/,
    ],
    [
      'vector',
      (folder) => truncate(`${folder}/small-calm.f32`, 8),
      /small-calm\.f32" is not the file its manifest/,
    ],
    ['missing vector', (folder) => rm(`${folder}/small-calm.f32`), /small-calm\.f32.*cannot be read/],
  ];
  for (const [what, harm, message] of damage) {
    const folder = t.testdir(modelFolder(NETWORK));
    await harm(folder);
    await t.rejects(loadModel('calm', { folder }), { code: 'model', message }, what);
  }
});

t.test('vectors and norms that do not fit the network are found out', async (t) => {
  const style = {
    ...(NETWORK.manifest.styles as object[])[0],
    vector: 'short.f32',
    sha256: sha256(Buffer.alloc(8)),
  };
  const short = t.testdir({
    ...modelFolder({ ...NETWORK, manifest: { ...NETWORK.manifest, styles: [style] } }),
    'short.f32': Buffer.alloc(8),
  });
  await t.rejects(loadModel('calm', { folder: short }), {
    code: 'model',
    message: /short\.f32" has 8 bytes/,
  });
  const [first, ...rest] = NETWORK.manifest.norms as { scale: string; shift: string }[];
  const norms = [{ ...first, scale: first?.shift, shift: 'enter.nothing' }, ...rest];
  const folder = t.testdir(modelFolder({ ...NETWORK, manifest: { ...NETWORK.manifest, norms } }));
  await t.rejects(loadModel('calm', { folder }), {
    code: 'model',
    message: /no float32 initializer "enter\.nothing"/,
  });
});

t.test('links do not lead out of the folder', async (t) => {
  const folder = t.testdir({ inside: modelFolder(pictureIdentity()), 'secret.onnx': 'secret' });
  await rm(`${folder}/inside/model.onnx`);
  await symlink(`${folder}/secret.onnx`, `${folder}/inside/model.onnx`);
  await t.rejects(loadModel('model', { folder: `${folder}/inside` }), {
    code: 'model',
    message: /lies outside/,
  });
});

t.test('a manifest is taken for the file beside it, and for no other', async (t) => {
  const { bytes, manifest } = pictureIdentity({ range: '0..255' });
  const folder = t.testdir({
    'a.onnx': Buffer.from(bytes),
    'a.onnx.json': JSON.stringify({ ...manifest, file: 'a.onnx' }),
    'b.onnx': Buffer.from(bytes),
    'b.json': JSON.stringify({ ...manifest, file: 'a.onnx' }),
  });
  t.match(await loadModel(`${folder}/a.onnx`, { folder }), { io: { input: { range: '0..255' } } });
  await t.rejects(loadModel(`${folder}/b.onnx`, { folder }), {
    code: 'model',
    message: /b\.json" describes .*a\.onnx/,
  });
});

t.test('the command line has the last word on an image model', async (t) => {
  const folder = t.testdir(modelFolder(pictureIdentity()));
  const overrides = { range: '0..255', channels: 'bgr', multiple: 8, chroma: 'linear' } as const;
  t.match(await loadModel('model', { folder, overrides }), {
    multiple: 8,
    io: {
      chroma: 'linear',
      input: { range: '0..255', channels: 'bgr' },
      output: { range: '0..255', channels: 'bgr' },
    },
  });
  const blocks = t.testdir(modelFolder(blockIdentity()));
  await t.rejects(loadModel('model', { folder: blocks, overrides: { range: '0..1' } }), {
    message: /--model-range/,
  });
});

t.test('a manifest and its graph have to agree', async (t) => {
  const { bytes } = pictureIdentity();
  const wrong: readonly [ModelFixture, RegExp][] = [
    [
      { bytes, manifest: pictureIdentity({ type: 'float16' }).manifest },
      /input of .* is float32, and its manifest says float16/,
    ],
    [{ bytes, manifest: pictureIdentity({ channels: 'grey' }).manifest }, /has 3 channels.*grey has 1/],
    [{ bytes, manifest: blockIdentity().manifest }, /has 3 channels; blocks of I420 have 6/],
    [{ bytes, manifest: imageManifest({ input: { ...tensor(), name: 'x' } }) }, /no input "x".*has "input"/],
  ];
  for (const [fixture, message] of wrong) {
    const folder = t.testdir(modelFolder(fixture));
    await t.rejects(loadModel('model', { folder }), { code: 'model', message }, `${message}`);
  }
});

function tensor(): object {
  return imageManifest({}).input as object;
}

t.test('files that cannot be composed are refused with a reason', async (t) => {
  const picture = { dims: ['N', 3, 'H', 'W'] };
  for (const painting of ['night.jpg', './night.PNG']) {
    await t.rejects(loadModel(painting, { folder: '.' }), {
      code: 'model',
      message: /night\.(?:jpg|PNG)" is a picture/,
      hint: /train --style painting\.jpg --trunk fine\.json --content in\.mp4 .*train\/README\.md.*--input style=FILE/,
    });
  }
  const identity = [node('Identity', ['input'], 'output')];
  const outside = {
    ...floats('far', [1], []),
    rawData: null,
    dataLocation: 1,
    externalData: [{ key: 'location', value: '/etc/passwd' }],
  };
  const wrong: readonly [string, Uint8Array, RegExp][] = [
    ['text', Buffer.from('not a model'), /is not an ONNX model/],
    ['nothing', new Uint8Array(0), /is not an ONNX model/],
    [
      'external data',
      modelBytes({ nodes: identity, initializers: [outside], input: picture, output: picture }),
      /"far" in another file/,
    ],
    ['old', modelBytes({ nodes: identity, input: picture, output: picture, opset: 6 }), /operator set 6/],
    [
      'two inputs',
      modelBytes({ nodes: identity, input: [picture, { ...picture, name: 'mask' }], output: picture }),
      /2 inputs without a value \("input" .*"mask" /,
    ],
    [
      'another type',
      modelBytes({ nodes: identity, input: { ...picture, type: 'float64' }, output: picture }),
      /neither float32/,
    ],
    [
      'no picture',
      modelBytes({ nodes: identity, input: { dims: ['N', 10] }, output: picture }),
      /has 2 dimensions/,
    ],
  ];
  for (const [what, bytes, message] of wrong) {
    const folder = t.testdir({ 'x.onnx': Buffer.from(bytes) });
    const overrides: LoadOptions['overrides'] = { range: '0..1', channels: 'rgb', layout: 'nchw', scale: 1 };
    await t.rejects(loadModel(`${folder}/x.onnx`, { folder, overrides }), { code: 'model', message }, what);
  }
});

t.test('large models are refused unless they are allowed', async (t) => {
  const folder = t.testdir(modelFolder(pictureIdentity()));
  await t.rejects(loadModel('model', { folder, maxBytes: 10 }), {
    code: 'limit',
    hint: /FRAMESCATTER_MAX_MODEL_BYTES/,
  });
  const before = process.env.FRAMESCATTER_MAX_MODEL_BYTES;
  t.teardown(() => {
    if (before === undefined) delete process.env.FRAMESCATTER_MAX_MODEL_BYTES;
    else process.env.FRAMESCATTER_MAX_MODEL_BYTES = before;
  });
  process.env.FRAMESCATTER_MAX_MODEL_BYTES = '11';
  await t.rejects(loadModel('model', { folder }), { code: 'limit', message: /the limit is 11/ });
  process.env.FRAMESCATTER_MAX_MODEL_BYTES = 'many';
  await t.rejects(loadModel('model', { folder }), { code: 'usage', message: /"many"/ });
});

t.test(
  'the identity of a model changes with all that changes its output, and with nothing else',
  async (t) => {
    const folder = t.testdir(modelFolder(NETWORK));
    const [again, calm] = [await loadModel('calm', { folder }), await loadModel('calm', { folder })];
    t.equal(calm.sha256, again.sha256);
    const others = [
      await loadModel('wild', { folder }),
      await loadModel('calm', { folder, strength: 0.5 }),
      await loadModel('calm:0.5,wild:0.5', { folder }),
      await loadModel('calm:0.6,wild:0.4', { folder }),
    ];
    t.equal(new Set([calm, ...others].map((model) => model.sha256)).size, 5);
    const same = await loadModel('calm:5,wild:5', { folder });
    t.equal(same.sha256, others[2]?.sha256);
  },
);

t.test('loading and composing twice gives the same bytes', async (t) => {
  const folder = t.testdir(modelFolder(NETWORK));
  const model = await loadModel('wild', { folder });
  const format = { width: 50, height: 30, sample: I420, matrix: 'bt601', range: 'full' } as const;
  t.same(compose(model, format, 2).bytes, compose(await loadModel('wild', { folder }), format, 2).bytes);
  t.same(
    compose(model, format, 2).bytes,
    compose(model, format, 2).bytes,
    'composing leaves the model as it was',
  );
});

function normsOf(model: Awaited<ReturnType<typeof loadModel>>): number[] {
  return (NETWORK.manifest.norms as { scale: string; shift: string }[]).flatMap(({ scale, shift }) =>
    [scale, shift].flatMap((name) => {
      const found = model.proto.graph?.initializer?.find((one) => one.name === name);
      return [...((found && float32Values(found)) ?? [])];
    }),
  );
}
