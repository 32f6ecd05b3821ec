/** Composed graphs of 10 and 12 bits: exact, against float64, and as their 8-bit counterparts. */
import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import { decodeModel } from '../../../src/model/graph/onnx.js';
import { type LoadOptions, loadModel } from '../../../src/model/load/registry.js';
import { toFp16 } from '../../../src/model/passes/fp16.js';
import { fp16Graph } from '../../../src/model/session/precision.js';
import { openSession, type SessionFactory } from '../../../src/model/session/session.js';
import { type NativeSession, native } from '../../../src/system/native.js';
import { isRefusal } from '../../../src/system/refusal.js';
import { I010, I012, I420, type SampleFormat, samplesOf } from '../../../src/video/formats/frame-format.js';
import {
  CODINGS,
  type Codes,
  type Coding,
  colourfulPicture,
  frameOf,
  largestDifference,
  pictureOf,
  planes,
  randomWords,
  wordsOf,
} from '../../fixtures/float64-reference.js';
import { asGpusCompute } from '../../fixtures/half-arithmetic.js';
import { blockIdentity, type ModelFixture, modelFolder, pictureIdentity } from '../../fixtures/onnx.js';
import { runComposed } from '../../fixtures/run-onnx.js';
import { amplifier, greyFrame, heldGraph, shownFrames } from '../../fixtures/steady-runs.js';

type Size = readonly [width: number, height: number];

const SIZES: readonly Size[] = [
  [1, 1],
  [17, 9],
  [64, 36],
  [101, 75],
];
const BT2020: Coding = { matrix: 'bt2020', range: 'limited' };

const bytesOf = (codes: Codes): Uint8Array => new Uint8Array(codes.slice().buffer);

async function graphOf(
  test: Test,
  fixture: ModelFixture,
  [width, height]: Size,
  sample: SampleFormat,
  coding: Coding,
  options: Partial<LoadOptions> & { readonly batch?: number } = {},
): Promise<ComposedGraph> {
  const { batch = 1, ...more } = options;
  const folder = test.testdir(modelFolder(fixture));
  const model = await loadModel(`${folder}/model.onnx`, { folder, ...more });
  const { matrix, range } = coding;
  return compose(model, { width, height, sample, matrix, range }, batch);
}

async function styled(graph: ComposedGraph, frames: readonly Codes[]): Promise<readonly Codes[]> {
  const rows = await runComposed(graph, frames.map(bytesOf));
  return rows.map((row) => samplesOf(row, graph.input.sample));
}

t.test('a graph of deep samples takes and gives words, and its rows end with the check byte', async (t) => {
  for (const sample of [I010, I012]) {
    const graph = await graphOf(t, blockIdentity(), [17, 9], sample, BT2020, { batch: 2 });
    const { input, output } = decodeModel(graph.bytes).graph ?? {};
    const [frames, rows] = [input?.[0]?.type?.tensorType, output?.[0]?.type?.tensorType];
    t.same([frames?.elemType, rows?.elemType], [4, 4], 'uint16');
    const samples = 17 * 9 + 2 * 9 * 5;
    t.same([graph.inputBytes, graph.outputBytes], [2 * samples, 2 * samples]);
    t.equal(graph.rowBytes, 2 * samples + 2);
    const session = await native().createSession(graph.bytes, { provider: 'cpu', device: 0, threads: 1 });
    const row = new Uint8Array(native().allocate(2 * graph.rowBytes, session));
    const grey = new Uint8Array(native().allocate(2 * graph.inputBytes, session));
    await session.run([grey], [row]);
    t.same([row[graph.rowBytes - 1], row.at(-1)], [1, 1]);
    await session.dispose();
  }
});

t.test('a block identity gives every sample back, at every size', async (t) => {
  for (const sample of [I010, I012]) {
    for (const size of SIZES) {
      for (const multiple of [1, 4]) {
        const frames = [randomWords(...size, sample.bits, 1), randomWords(...size, sample.bits, 2)];
        const graph = await graphOf(t, blockIdentity({ multiple }), size, sample, BT2020, { batch: 2 });
        t.same(await styled(graph, frames), frames, `${sample.name} ${size.join('x')}, multiple ${multiple}`);
      }
    }
  }
});

t.test('an RGB identity equals the float64 reference, in every matrix and range', async (t) => {
  for (const sample of [I010, I012]) {
    for (const plain of CODINGS) {
      const coding = { ...plain, bits: sample.bits };
      const name = `${sample.name} ${coding.matrix} ${coding.range}`;
      const graph = await graphOf(t, pictureIdentity(), [101, 75], sample, coding);
      const any = randomWords(101, 75, sample.bits, 7);
      const colours = wordsOf(colourfulPicture(101, 75, 11), coding);
      const [anyBack = any] = await styled(graph, [any]);
      const [coloursBack = any] = await styled(graph, [colours]);
      const expected = wordsOf(pictureOf(any, 101, 75, coding), coding);
      t.ok(largestDifference(anyBack, expected) <= 1, `${name}: any codes`);
      t.ok(largestDifference(coloursBack, colours) <= 1, `${name}: colours come back`);
    }
  }
});

t.test('ramps of PQ and HLG codes come back code by code', async (t) => {
  const size: Size = [128, 16];
  const words = new Uint16Array(128 * 16 + 2 * 64 * 8).fill(512);
  for (let at = 0; at < 128 * 16; at++) words[at] = 64 + (at % 877);
  for (const range of ['limited', 'full'] as const) {
    const coding: Coding = { matrix: 'bt2020', range };
    for (const model of [blockIdentity(), pictureIdentity()]) {
      const graph = await graphOf(t, model, size, I010, coding);
      t.same((await styled(graph, [words]))[0], words, range);
    }
  }
});

t.test('a gradient keeps its steps: four times as many as at 8 bits', async (t) => {
  const [width, height] = [512, 8];
  const model = pictureIdentity();
  const steps = async (sample: SampleFormat, strength: number): Promise<number> => {
    const coding = { ...BT2020, bits: sample.bits };
    const graph = await graphOf(t, model, [width, height], sample, coding, { strength });
    const rgb = Float64Array.from({ length: 3 * width * height }, (_, at) => {
      const column = Math.floor(at / 3) % width;
      return 0.2 + (0.3 * column) / width;
    });
    const picture = { width, height, rgb };
    const codes = sample.bits === 8 ? frameOf(picture, coding) : wordsOf(picture, coding);
    const [made = codes] = await styled(graph, [codes]);
    return new Set(planes(made, width, height).y.subarray(0, width)).size;
  };
  for (const strength of [1, 0.5]) {
    const [eight, ten] = [await steps(I420, strength), await steps(I010, strength)];
    t.ok(eight >= 60 && eight <= 70, `${eight} levels at 8 bits`);
    t.ok(ten >= 255 && ten <= 270, `${ten} levels at 10 bits`);
  }
});

t.test('what fp16 costs: nothing of blocks at 10 bits, a code at 12, some of RGB', async (t) => {
  const most = async (sample: SampleFormat, model = blockIdentity()): Promise<number> => {
    const codes = wordsOf(colourfulPicture(101, 75, 5), { ...BT2020, bits: sample.bits });
    const graph = await graphOf(t, model, [101, 75], sample, BT2020);
    const half = toFp16(graph.bytes);
    if (isRefusal(half)) throw new Error(half.refusal);
    const [made = codes] = await styled({ ...graph, bytes: asGpusCompute(half.bytes) }, [codes]);
    return largestDifference(made, codes);
  };
  t.equal(await most(I010), 0);
  t.equal(await most(I012), 1);
  const rgb = await most(I010, pictureIdentity());
  t.ok(rgb >= 1 && rgb <= 2, `${rgb} codes`);

  const asked = { precision: 'auto', provider: 'auto' } as const;
  const model = { file: 'm', precision: 'fp16' } as const;
  const ten = await graphOf(t, blockIdentity(), [16, 16], I010, BT2020);
  const twelve = await graphOf(t, blockIdentity(), [16, 16], I012, BT2020);
  t.ok(fp16Graph(ten, 10, model, asked).bytes);
  t.match(fp16Graph(twelve, 12, model, asked), {
    bytes: undefined,
    notes: ['GPUs run the model in fp32: fp16 does not hold the 12 bits of a sample'],
  });
  t.ok(fp16Graph(twelve, 12, model, { ...asked, precision: 'fp16' }).bytes, 'as asked');
});

t.test('NaN makes the check byte 0, in words too', async (t) => {
  const size: Size = [8, 8];
  const graph = await graphOf(t, pictureIdentity({ type: 'float16' }), size, I010, BT2020);
  t.equal(graph.rowBytes, graph.outputBytes + 2);
  const far = amplifier(Number.POSITIVE_INFINITY);
  const broken = await heldGraph(t, far, { width: 8, height: 8 }, { sample: I010 });
  const session = await native().createSession(broken.bytes, { provider: 'cpu', device: 0, threads: 1 });
  const row = new Uint8Array(native().allocate(broken.rowBytes, session));
  await session.run([new Uint8Array(native().allocate(broken.inputBytes, session)).fill(1)], [row]);
  t.equal(row.at(-1), 0);
  await session.dispose();
});

t.test('frames are held against flicker as at 8 bits', async (t) => {
  const size = { width: 96, height: 64 };
  const eights = Array.from({ length: 6 }, (_, frame) => greyFrame(size, () => 120 + (frame % 2)));
  const tens = eights.map((frame) =>
    bytesOf(Uint16Array.from(frame, (level) => Math.round((level * 1023) / 255))),
  );
  const eight = await shownFrames(await heldGraph(t, amplifier(10), size, { steady: 0.7 }), eights);
  const graph = await heldGraph(t, amplifier(10), size, { steady: 0.7, sample: I010 });
  const ten = (await shownFrames(graph, tens)).map((frame) => samplesOf(frame, I010));
  for (const [at, frame] of eight.entries()) {
    const luma = planes(ten[at] ?? new Uint16Array(0), size.width, size.height).y;
    const wanted = planes(frame, size.width, size.height).y;
    const levels = Float64Array.from(luma, (code) => (code * 255) / 1023);
    // The network multiplies the rounding of codes by ten.
    t.ok(largestDifference(levels, wanted) <= 2, `frame ${at}`);
  }
});

t.test('the dry run is of mid-grey', async (t) => {
  const graph = await graphOf(t, blockIdentity(), [16, 16], I010, BT2020);
  const seen: Uint8Array[] = [];
  const addon = native();
  const real: NativeSession[] = [];
  const spied: SessionFactory = {
    allocate: (bytes) => addon.allocate(bytes, real[0] ?? null),
    runtimeInfo: () => addon.runtimeInfo(),
    vulkanAdapters: () => addon.vulkanAdapters(),
    async createSession(...args) {
      const session = await addon.createSession(...args);
      real.push(session);
      return {
        ...{ inputs: session.inputs, outputs: session.outputs, notes: session.notes },
        run(inputs, outputs) {
          seen.push(...inputs.map((input) => input.slice()));
          return session.run(inputs, outputs);
        },
        dispose: () => session.dispose(),
      };
    },
  };
  const opened = await openSession(
    { fp32: graph.bytes, fp16: undefined, int8: undefined },
    {
      ...{ provider: 'cpu', threads: 1, localRank: 0, localSize: 1, dryRun: true, sample: I010 },
      ...{ inputBytes: graph.inputBytes, outputBytes: graph.rowBytes },
    },
    spied,
  );
  t.same(new Set(samplesOf(seen[0] ?? new Uint8Array(0), I010)), new Set([512]));
  for (const stream of opened.streams) await stream.dispose();
});
