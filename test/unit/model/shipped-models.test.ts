/** The models that come with the program, of whichever sizes there are. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import { fixedNodes } from '../../../src/model/graph/graph-reading.js';
import { decodeModel, encodeModel } from '../../../src/model/graph/onnx.js';
import { listModels, type ModelListing } from '../../../src/model/load/catalogue.js';
import type { LoadedModel } from '../../../src/model/load/loaded-model.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { fp16Graph, int8Graph } from '../../../src/model/session/precision.js';
import { modelsFolder } from '../../../src/system/package.js';
import { multipliesInt8 } from '../../../src/system/processor.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { CODINGS, type Coding, largestDifference, planes } from '../../fixtures/float64-reference.js';
import { asGpusCompute } from '../../fixtures/half-arithmetic.js';
import { sha256 } from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';
import { photoLike, psnr } from '../../fixtures/picture.js';
import { runComposed } from '../../fixtures/run-onnx.js';

const STYLES = ['composition-vii', 'shipwreck', 'starry-night', 'the-scream', 'udnie', 'wave'];
/** The most multiply-adds a pixel of each size. */
const MOST = { fast: 15_000, fine: 60_000 } as const;
const BT709: Coding = { matrix: 'bt709', range: 'limited' };
/** Multiples of 16, so that no padding adds to the work. */
const [WIDTH, HEIGHT] = [192, 112];

const shipped = (await listModels(modelsFolder())).filter(({ kind }) => kind === 'style');

const nameOf = ({ name, size }: ModelListing): string => `${name}, ${size}`;

function load({ name, size }: ModelListing, strength = 1): Promise<LoadedModel> {
  return loadModel(name, { folder: modelsFolder(), strength, ...(size && { size }) });
}

function composed(model: LoadedModel, coding: Coding): ComposedGraph {
  return compose(model, { width: WIDTH, height: HEIGHT, sample: I420, ...coding }, 1);
}

async function styled(graph: ComposedGraph, frame: Uint8Array): Promise<Uint8Array> {
  const [result] = await runComposed(graph, [frame]);
  return result ?? new Uint8Array();
}

t.test('every size has the six paintings', async (t) => {
  const sizes = [...new Set(shipped.map(({ size }) => size))];
  t.ok(sizes.includes('fast'), sizes.join());
  for (const size of sizes) {
    t.same(
      shipped.filter((one) => one.size === size).map(({ name }) => name),
      STYLES,
      `the size ${size}`,
    );
  }
});

t.test('manifests tell the SHA-256 of every file', async (t) => {
  for (const path of new Set(shipped.map(({ manifest }) => manifest))) {
    const manifest = JSON.parse(await readFile(path, 'utf8'));
    const files = [
      manifest,
      ...manifest.styles.map((style: Record<string, string>) => ({ ...style, file: style.vector })),
      ...(manifest.int8 === undefined ? [] : [manifest.int8]),
    ];
    for (const { file, sha256: declared } of files) {
      t.equal(sha256(await readFile(join(dirname(path), file))), declared, file);
    }
  }
});

t.test('manifests tell the multiply-adds that the graph has', async (t) => {
  for (const listing of shipped) {
    const graph = composed(await load(listing), { matrix: 'bt601', range: 'full' });
    t.ok(graph.verified, nameOf(listing));
    t.equal(graph.macsPerPixel, listing.macsPerPixel);
    t.ok(
      listing.size && (listing.macsPerPixel ?? Number.NaN) <= MOST[listing.size],
      'within what its size may cost',
    );
    const whole = decodeModel(graph.bytes).graph ?? {};
    const once = fixedNodes(whole); // of them the canvas
    const added = whole.node?.filter((node) => node.opType === 'Mul' && !once.has(node));
    t.same(added, [], 'nothing but the network does arithmetic on every sample');
  }
});

async function blocksOut(model: LoadedModel, threads: number): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(encodeModel(model.proto), {
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
  });
  try {
    const blocks = Float32Array.from(
      { length: (6 * WIDTH * HEIGHT) / 4 },
      (_, at) => 0.5 + 0.4 * Math.sin(at / 37) * Math.cos(at / 1009),
    );
    const { output } = await session.run({
      input: new ort.Tensor('float32', blocks, [1, 6, HEIGHT / 2, WIDTH / 2]),
    });
    return Float32Array.from(output?.data as Float32Array);
  } finally {
    await session.release();
  }
}

t.test('a picture comes out the same in every session, with any number of threads', async (t) => {
  for (const listing of shipped) {
    const model = await load(listing);
    const first = await blocksOut(model, 1);
    const spread = Math.max(...first) - Math.min(...first);
    t.ok(spread > 0.3, `${nameOf(listing)} makes a picture`);
    for (const threads of [1, 2, 3]) {
      const again = await blocksOut(model, threads);
      const worst = again.reduce((most, value, at) => Math.max(most, Math.abs(value - (first[at] ?? 0))), 0);
      t.equal(worst, 0, `${nameOf(listing)} on ${threads} threads: ${worst}`);
    }
  }
});

t.test('strength 0 gives the source back, 1 does not', async (t) => {
  for (const listing of shipped) {
    const source = await load(listing, 0);
    const model = await load(listing);
    for (const coding of CODINGS) {
      const frame = photoLike(WIDTH, HEIGHT, coding);
      const name = `${nameOf(listing)}, ${coding.matrix} ${coding.range}`;
      t.ok(largestDifference(await styled(composed(source, coding), frame), frame) <= 1, name);
      if (coding.matrix !== 'bt709') continue;
      t.ok(psnr(await styled(composed(model, coding), frame), frame) < 30, 'a painting is something else');
    }
  }
});

t.test('fp16, as GPUs compute it, differs by less than can be seen', async (t) => {
  const frame = photoLike(WIDTH, HEIGHT, BT709);
  for (const listing of shipped) {
    const model = await load(listing);
    const graph = composed(model, BT709);
    const { bytes, notes } = fp16Graph(graph, 8, model, { precision: 'auto', provider: 'cuda' });
    t.same(notes, []);
    const full = await styled(graph, frame);
    const onCpu = psnr(full, await styled({ ...graph, bytes: bytes ?? new Uint8Array() }, frame));
    t.ok(onCpu >= 40, `${nameOf(listing)}: ${onCpu} dB`);
    const onGpu = psnr(
      full,
      await styled({ ...graph, bytes: asGpusCompute(bytes ?? new Uint8Array()) }, frame),
    );
    t.ok(onGpu >= 40, `${nameOf(listing)}, every result rounded: ${onGpu} dB`);
  }
});

const noInt8 = multipliesInt8() ? false : 'this processor has neither VNNI nor AMX';

t.test('int8, as CPUs compute it, differs by less than can be seen', { skip: noInt8 }, async (t) => {
  const sizes = [
    { width: WIDTH, height: HEIGHT },
    { width: 161, height: 95 },
    { width: 50, height: 35 },
    { width: 320, height: 180 },
  ];
  for (const { name, size } of shipped) {
    const options = { folder: modelsFolder(), ...(size && { size }) };
    const blend = name === 'wave' ? 'udnie:0.5,starry-night:0.5' : name;
    const cases = [
      await loadModel(blend, options),
      ...(name === 'the-scream' ? [await loadModel(name, { ...options, strength: 0.5 })] : []),
    ];
    for (const model of cases) {
      t.ok(model.int8, `${model.name}, ${size}`);
      if (model.int8 === undefined) continue;
      for (const [at, frameSize] of sizes.entries()) {
        const coding = CODINGS[at % CODINGS.length] ?? BT709;
        const format = { ...frameSize, sample: I420, ...coding };
        const graph = compose(model, format, 1);
        const frame = photoLike(format.width, format.height, coding, at + 1);
        const full = await styled(graph, frame);
        const found = psnr(full, await styled({ ...graph, bytes: int8Graph(graph, model) }, frame));
        t.ok(found >= 40, `${model.name}, ${size}, ${format.width}x${format.height}: ${found} dB`);
        t.ok(found < 90, 'and is not the same');
      }
    }
  }
});

t.test('black comes out darker than white where the network adds its input to its output', async (t) => {
  const mean = (samples: Uint8Array) => samples.reduce((sum, one) => sum + one, 0) / samples.length;
  const flat = (luma: number) =>
    Uint8Array.from({ length: 1.5 * WIDTH * HEIGHT }, (_, at) => (at < WIDTH * HEIGHT ? luma : 128));
  for (const listing of shipped) {
    const model = await load(listing);
    const adds = model.proto.graph?.node?.some(
      ({ opType, input }) => opType === 'Conv' && input?.[0] === model.io.input.name,
    );
    const skip = adds === true ? false : 'its network does not add it';
    await t.test(nameOf(listing), { skip }, async (t) => {
      const graph = composed(model, BT709);
      const [black, white] = await Promise.all(
        [16, 235].map(async (luma) => mean(planes(await styled(graph, flat(luma)), WIDTH, HEIGHT).y)),
      );
      t.ok((black ?? 0) + 20 < (white ?? 0), `${black} and ${white}`);
    });
  }
});
