/** Inputs with a value, and manifests of format 2: against the same networks with the value built in. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { type LoadOptions, loadModel } from '../../../src/model/load/registry.js';
import { constantSource } from '../../../src/model/ports/constant-source.js';
import { parseNpy } from '../../../src/model/ports/npy.js';
import { rawNumbers } from '../../../src/model/ports/numbers.js';
import { isRefusal } from '../../../src/system/refusal.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { colourfulFrame } from '../../fixtures/float64-reference.js';
import { floats, modelBytes, node } from '../../fixtures/onnx.js';
import { randomNumbers } from '../../fixtures/random.js';
import { runComposed } from '../../fixtures/run-onnx.js';

const ROOT = t.testdir();
let folders = 0;

/** A new folder in the test's own. */
function newFolder(): string {
  folders += 1;
  const folder = join(ROOT, String(folders));
  mkdirSync(folder);
  return folder;
}

const FORMAT = { width: 34, height: 18, matrix: 'bt709', range: 'limited', sample: I420 } as const;
const PICTURES = ['N', 3, 'H', 'W'];
const OVERRIDES = { range: '0..1', channels: 'rgb', multiple: 1, scale: 1 } as const;
/** The frames' mean and deviation become those of another picture: AdaIN without its encoder. */
const ADAIN = [
  ...[node('ReduceMean', ['content'], 'mc', { axes: [2, 3] }), node('Sub', ['content', 'mc'], 'dc')],
  ...[node('Mul', ['dc', 'dc'], 'd2'), node('ReduceMean', ['d2'], 'vc', { axes: [2, 3] })],
  ...[node('ReduceMean', ['style'], 'ms', { axes: [2, 3] }), node('Sub', ['style', 'ms'], 'ds')],
  ...[node('Mul', ['ds', 'ds'], 'e2'), node('ReduceMean', ['e2'], 'vs', { axes: [2, 3] })],
  ...[node('Add', ['vc', 'eps'], 'vce'), node('Sqrt', ['vce'], 'sc'), node('Sqrt', ['vs'], 'ss')],
  ...[node('Div', ['dc', 'sc'], 'n'), node('Mul', ['n', 'ss'], 'm'), node('Add', ['m', 'ms'], 'output')],
];
const EPSILON = floats('eps', [1], [1e-5]);

type Dims = readonly (number | string)[];

/** A network that adds `noise` times a half to the frames. */
function noisy(dims: Dims, initial?: ReturnType<typeof floats>): Uint8Array {
  const image = { name: 'content', dims: PICTURES };
  return modelBytes({
    nodes: [node('Mul', ['noise', 'half'], 'scaled'), node('Add', ['content', 'scaled'], 'output')],
    initializers: [floats('half', [1], [0.5]), ...(initial === undefined ? [] : [initial])],
    input: initial === undefined ? [image, { name: 'noise', dims }] : [image],
    output: { dims: PICTURES },
  });
}

function adain(styleDims: Dims, style?: ReturnType<typeof floats>): Uint8Array {
  const image = { name: 'content', dims: PICTURES };
  return modelBytes({
    nodes: ADAIN,
    initializers: [EPSILON, ...(style === undefined ? [] : [style])],
    input: style === undefined ? [image, { name: 'style', dims: styleDims }] : [image],
    output: { dims: PICTURES },
  });
}

/** What a model makes of two frames in one batch. */
async function made(network: Uint8Array, options: Partial<LoadOptions> = {}): Promise<Uint8Array[]> {
  const folder = newFolder();
  await writeFile(join(folder, 'm.onnx'), network);
  const model = await loadModel(join(folder, 'm.onnx'), { folder, overrides: OVERRIDES, ...options });
  const frames = [1, 2].map((seed) => colourfulFrame(FORMAT.width, FORMAT.height, FORMAT, seed));
  return runComposed(compose(model, FORMAT, 2), frames);
}

const values = (given: Readonly<Record<string, string>>) => ({
  inputs: new Map(
    Object.entries(given).map(([name, text]) => [name, constantSource(text) ?? t.fail(text)] as never),
  ) as NonNullable<LoadOptions['inputs']>,
});

/** A .npy file, as numpy.save writes it. */
function npy(descr: string, dims: readonly number[], data: Uint8Array, order = 'False'): Uint8Array {
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }`;
  const padded = `${header.padEnd(128 - 10 - 1)}\n`;
  const head = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${padded}`, 'latin1');
  head.writeUInt16LE(padded.length, 8);
  return Buffer.concat([head, data]);
}

const float32s = (list: readonly number[]) => new Uint8Array(Float32Array.from(list).buffer);

t.test('one number fills an input of any shape', async (t) => {
  const built = await made(noisy([], floats('noise', [1], [0.25])));
  for (const dims of [[], [1], ['N', 1, 1, 1], ['N', 1, 'H', 'W']]) {
    t.same(await made(noisy(dims), values({ noise: '0.25' })), built, `[${dims.join()}]`);
  }
  await t.rejects(made(noisy(['N', 'K']), values({ noise: '1' })), {
    code: 'model',
    message: /one number cannot fill "noise" \(float32 \[N, K\]\)/,
  });
});

t.test('numbers and .npy files', async (t) => {
  const three = floats('noise', [1, 3, 1, 1], [0.1, -0.2, 0.3]);
  const built = await made(noisy([], three));
  t.same(await made(noisy(['N', 3, 1, 1]), values({ noise: '0.1,-0.2,0.3' })), built);
  const folder = newFolder();
  const file = join(folder, 'n.npy');
  await writeFile(file, npy('<f4', [1, 3, 1, 1], float32s([0.1, -0.2, 0.3])));
  t.same(await made(noisy(['N', 3, 1, 1]), values({ noise: file })), built, 'repeated for the batch');
  t.same(await made(noisy([1, 3, 1, 1]), values({ noise: file })), built, 'of fixed shape');
  for (const [bytes, hint, message] of [
    [npy('<f8', [3], new Uint8Array(24)), /astype\("float32"\)/, /holds float64/],
    [npy('<f4', [2], float32s([1, 2])), /that shape/, /holds float32 \[2\]/],
    [npy('>f4', [3], float32s([1, 2, 3])), /numpy.save/, /type >f4/],
    [npy('<f4', [2, 2], float32s([1, 2, 3, 4]), 'True'), /numpy.save/, /ascontiguousarray/],
    [npy('<f4', [3], float32s([1, 2])), /numpy.save/, /has 8 bytes/],
    [Buffer.from('hello'), /numpy.save/, /not a .npy file/],
  ] as const) {
    await writeFile(file, bytes);
    await t.rejects(made(noisy([1, 3, 1, 1]), values({ noise: file })), { code: 'model', hint, message });
  }
  await t.rejects(made(noisy([1, 3, 1, 1]), values({ noise: '1,2' })), { message: /a list of 2 numbers/ });
});

t.test('a picture: the same as its pixels built in', async (t) => {
  const [width, height] = [10, 6];
  const next = randomNumbers(3);
  const rgb = Uint8Array.from({ length: 3 * width * height }, () => Math.floor(256 * next()));
  const folder = newFolder();
  const file = join(folder, 'style.png');
  await sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
  const planes = [0, 1, 2].flatMap((channel) =>
    Array.from({ length: width * height }, (_, at) => (rgb[3 * at + channel] ?? 0) / 255),
  );
  const built = await made(adain([], floats('style', [1, 3, height, width], planes)));
  t.same(await made(adain(['M', 3, 'SH', 'SW']), values({ style: file })), built);
  t.not(
    built[0]?.join(),
    (await made(adain([], floats('style', [1, 3, 1, 2], [0, 1, 0, 1, 0, 1]))))[0]?.join(),
  );

  const grey = join(folder, 'grey.png');
  await sharp(
    Uint8Array.from({ length: 60 }, (_, at) => 4 * at),
    { raw: { width, height, channels: 1 } },
  )
    .png()
    .toFile(grey);
  const levels = Array.from({ length: 60 }, (_, at) => (4 * at) / 255);
  const greys = await made(
    adain([], floats('style', [1, 3, height, width], [...levels, ...levels, ...levels])),
  );
  t.same(await made(adain(['M', 3, 'SH', 'SW']), values({ style: grey })), greys, 'grey');
  await t.resolves(made(adain([1, 3, 8, 8]), values({ style: file })), 'resized to a fixed size');

  await writeFile(join(folder, 'bad.jpg'), 'no picture');
  await t.rejects(made(adain(['M', 3, 'SH', 'SW']), values({ style: join(folder, 'bad.jpg') })), {
    code: 'model',
    message: /bad\.jpg" cannot be read/,
  });
  await t.rejects(made(noisy([1]), values({ noise: file })), { message: /those have 4 dimensions/ });
  await t.rejects(
    made(adain(['M', 3, 'SH', 'SW']), {
      ...values({ style: file }),
      overrides: { scale: 1, multiple: 1 },
    }),
    {
      message: /cannot be a picture while its channels and range are unknown/,
      hint: /--model-channels and --model-range/,
    },
  );
});

t.test('a file that is no picture, whatever its name, is refused and not waited for', async (t) => {
  const folder = newFolder();
  const network = adain(['M', 3, 'SH', 'SW']);
  const refused = async (name: string, message: RegExp) =>
    t.rejects(made(network, values({ style: join(folder, name) })), { code: 'model', message });
  const svg = (side: number) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}"><image href="other.png"/></svg>`;
  await writeFile(join(folder, 'svg.png'), svg(8));
  await refused('svg.png', /it is svg, and none of jpeg, png, webp, tiff/);
  const background = { r: 0, g: 0, b: 0 };
  await sharp({ create: { width: 8, height: 8, channels: 3, background } })
    .gif()
    .toFile(join(folder, 'gif.png'));
  await refused('gif.png', /it is gif/);
  await sharp({ create: { width: 5000, height: 5000, channels: 3, background } })
    .png()
    .toFile(join(folder, 'large.png'));
  await refused('large.png', /25000000 pixels are more than 22369621/);
  execFileSync('mkfifo', [join(folder, 'pipe.png')]);
  await refused('pipe.png', /is not a file/);
});

t.test('a picture is upright, and its transparency is left out', async (t) => {
  const folder = newFolder();
  const rgba = Uint8Array.from([255, 0, 0, 255, 0, 0, 255, 0]);
  const plain = join(folder, 'upright.png');
  const turned = join(folder, 'turned.tiff');
  await sharp(rgba, { raw: { width: 1, height: 2, channels: 4 } })
    .png()
    .toFile(plain);
  // EXIF 8: to be turned by 90 degrees against the clock.
  const lying = Uint8Array.from([0, 0, 255, 255, 0, 0]);
  await sharp(lying, { raw: { width: 2, height: 1, channels: 3 } })
    .withMetadata({ orientation: 6 })
    .tiff({ compression: 'lzw' })
    .toFile(turned);
  const network = adain(['M', 3, 'SH', 'SW']);
  t.same(await made(network, values({ style: turned })), await made(network, values({ style: plain })));
});

t.test('a manifest of format 2', async (t) => {
  const folder = newFolder();
  await writeFile(join(folder, 'm.onnx'), noisy(['N', 3, 1, 1]));
  await writeFile(join(folder, 'n.npy'), npy('<f4', [1, 3, 1, 1], float32s([0.1, -0.2, 0.3])));
  const load = async (manifest: Record<string, unknown>, options: Partial<LoadOptions> = {}) => {
    await writeFile(
      join(folder, 'm.json'),
      JSON.stringify({ format: 2, name: 'm', file: 'm.onnx', ...manifest }),
    );
    const model = await loadModel(join(folder, 'm.onnx'), { folder, ...options });
    const frames = [1, 2].map((seed) => colourfulFrame(FORMAT.width, FORMAT.height, FORMAT, seed));
    return { model, out: await runComposed(compose(model, FORMAT, 2), frames) };
  };
  const content = { role: 'frames', channels: 'rgb', range: '0..1' };
  const outputs = { output: { role: 'picture', channels: 'rgb', range: '0..1' } };
  const whole = { inputs: { content, noise: { role: 'constant', npy: 'n.npy' } }, outputs };
  const { model, out } = await load(whole);
  t.same(out, await made(noisy([], floats('noise', [1, 3, 1, 1], [0.1, -0.2, 0.3]))));
  t.match(model, { scale: 1, multiple: 1, notes: [] });
  const same = await load({
    ...whole,
    inputs: { content, noise: { role: 'constant', value: [0.1, -0.2, 0.3] } },
  });
  t.equal(same.model.sha256, model.sha256, 'the value counts, not its form');
  const other = await load(whole, values({ noise: '0.5' }));
  t.not(other.model.sha256, model.sha256, 'another value is another model');
  t.same(other.out, await made(noisy([], floats('noise', [1], [0.5]))), '--input replaces it');

  const bare = { inputs: { content, noise: { role: 'constant' } }, outputs };
  await t.rejects(load(bare), { message: /"noise" has no value/, hint: /--input noise=VALUE/ });
  t.same((await load(bare, values({ noise: '0.5' }))).out, other.out);
  for (const [manifest, message] of [
    [
      { ...whole, inputs: { noise: { role: 'constant', value: 1 } } },
      /"inputs" must have one with the role "frames"/,
    ],
    [{ ...whole, inputs: { ...whole.inputs, mask: { role: 'constant', value: 1 } } }, /no input "mask"/],
    [{ ...whole, inputs: { content } }, /2 inputs without a value/],
    [{ ...whole, outputs: { outputs: outputs.output } }, /no output "outputs": did you mean output\?/],
    [
      { ...whole, inputs: { content: { ...content, range: '?' }, noise: { role: 'constant', value: 1 } } },
      /content\.range" is still "\?"/,
    ],
    [
      { ...whole, inputs: { content, noise: { role: 'constant', value: 1, npy: 'n.npy' } } },
      /noise\.npy" cannot stand beside "value"/,
    ],
    [
      { ...whole, inputs: { content, noise: { role: 'constant', npy: '../n.npy' } } },
      /must be a relative path/,
    ],
    [
      {
        ...whole,
        inputs: { content: { role: 'frames', range: '0..1' }, noise: { role: 'constant', value: 1 } },
      },
      /in which order its colours are/,
    ],
    [
      { ...whole, inputs: { ...whole.inputs, noise: { role: 'magic' } } },
      /noise\.role" must be "frames" or "source" or "state" or "constant"/,
    ],
  ] as const) {
    await t.rejects(load(manifest), { code: 'model', message }, String(message));
  }
  await t.rejects(load(whole, values({ content: '1' })), { message: /"content" takes the frames/ });
});

t.test('inputs without a role: what they look like, and what makes them run', async (t) => {
  await t.rejects(made(noisy([1])), {
    message: /2 inputs without a value \("content" \(float32 \[N, 3, H, W\]\), "noise" \(float32 \[1\]\)\)/,
    hint: /"noise" looks like a number: "noise": \{"role":"constant","value":0\} .* or --input noise=0; .*models inspect/,
  });
  await t.rejects(made(adain(['M', 3, 'SH', 'SW'])), {
    message: /2 inputs without a value/,
    hint: /"style" looks like a picture, or the frame once more .*: .*--input style=FILE\.jpg/,
  });
  await t.rejects(made(noisy([1]), values({ nose: '1' })), {
    message: /no input "nose": did you mean noise\?/,
  });
  await t.rejects(made(noisy([1]), values({ noise: '1', content: '1' })), {
    message: /no input left for the frames/,
  });
});

t.test('an output that is an input is refused', async (t) => {
  const end = { name: 'x', dims: PICTURES };
  const network = modelBytes({ nodes: [node('Identity', ['x'], 'y')], input: end, output: end });
  await t.rejects(made(network), {
    code: 'model',
    message: /output "x" of .* is its input/,
    hint: /Identity/,
  });
});

t.test('values on the command line', async (t) => {
  t.same(constantSource('0.5'), { kind: 'numbers', values: [0.5] });
  t.same(constantSource('-1e-3,2'), { kind: 'numbers', values: [-0.001, 2] });
  t.same(constantSource('a/b.NPY'), { kind: 'tensor', file: 'a/b.NPY' });
  t.same(constantSource('https://a.blob.core.windows.net/c/x.jpeg?sig=1'), {
    kind: 'picture',
    file: 'https://a.blob.core.windows.net/c/x.jpeg?sig=1',
  });
  for (const text of ['', 'x.txt', '1,,2', '1e999', '-']) t.equal(constantSource(text), undefined, text);
});

t.test('numbers of every type', async (t) => {
  t.same(rawNumbers('int64', [-2]), Uint8Array.from([254, 255, 255, 255, 255, 255, 255, 255]));
  t.same(rawNumbers('float16', [1]), Uint8Array.from([0x00, 0x3c]));
  t.same(rawNumbers('bool', [1, 0]), Uint8Array.from([1, 0]));
  for (const [type, value] of [
    ['uint8', 256],
    ['int32', 0.5],
    ['float16', 1e6],
    ['bool', 2],
  ] as const)
    t.ok(isRefusal(rawNumbers(type, [value])), `${type} ${value}`);
  t.match(parseNpy(npy('<i4', [], Uint8Array.from([7, 0, 0, 0]))), { type: 'int32', dims: [] });
});
