import { readFile } from 'node:fs/promises';
import { compose } from '../src/model/compose/compose.js';
import type { ModelSize } from '../src/model/load/catalogue.js';
import { loadModel } from '../src/model/load/registry.js';
import { int8Graph } from '../src/model/session/precision.js';
import { modelsFolder } from '../src/system/package.js';
import { multipliesInt8 } from '../src/system/processor.js';
import { I420 } from '../src/video/formats/frame-format.js';
import * as ort from '../test/fixtures/onnx-runtime.js';
import { type BenchOptions, LARGE_MODEL } from './job.js';
import { johnsonModel } from './johnson.js';
import { spreadText } from './measure.js';
import { type Table, table } from './table.js';

const FRAME = { width: 640, height: 360, sample: I420, matrix: 'bt709', range: 'limited' } as const;
/** Rounds per requested run: a round takes a second or two. */
const ROUNDS = 4;
const SETTINGS = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableMemPattern: false,
} as const;

/** A graph to be measured. */
interface Network {
  readonly name: string;
  readonly macsPerPixel: number;
  readonly session: ort.InferenceSession;
  readonly feeds: Readonly<Record<string, ort.Tensor>>;
}

/**
 * Measures the CPU time of a 640x360 frame on one thread: of the graphs of jobs, including colour and layout
 * conversion, and of Johnson's network alone, with float RGB in and out, as in the reference architecture.
 * All alternately in one process.
 */
export async function networks({ folder, runs }: BenchOptions): Promise<Table> {
  const file = await johnsonModel(folder);
  const composedJohnson = compose(
    await loadModel(file, { folder, overrides: LARGE_MODEL.overrides }),
    FRAME,
    1,
  );
  const macs = composedJohnson.macsPerPixel ?? Number.NaN;
  const pixels = new ort.Tensor('float32', new Float32Array(3 * FRAME.width * FRAME.height).fill(100), [
    ...[1, 3, FRAME.height, FRAME.width],
  ]);
  const johnson: Network = {
    name: "Johnson's network alone",
    macsPerPixel: macs,
    session: await ort.InferenceSession.create(await readFile(file), SETTINGS),
    feeds: { input: pixels },
  };
  const all = [
    johnson,
    await composed("Johnson's network", composedJohnson.bytes, composedJohnson.inputBytes, macs),
    ...(await bundled('fine')),
    ...(await bundled('fast')),
  ];

  const seconds = all.map((): number[] => []);
  for (let round = 0; round <= runs * ROUNDS; round += 1) {
    for (const [at, { session, feeds }] of all.entries()) {
      const before = process.cpuUsage();
      await session.run(feeds);
      const { user, system } = process.cpuUsage(before);
      if (round > 0) seconds[at]?.push((user + system) / 1e6);
    }
  }
  for (const { session } of all) await session.release();

  const columns = ['graph', 'MACs/pixel of the network', 'ms per megapixel'];
  const found = table([...columns, "speed relative to Johnson's alone", 'n']);
  const megapixels = (FRAME.width * FRAME.height) / 1e6;
  for (const [at, { name, macsPerPixel }] of all.entries()) {
    const own = seconds[at] ?? [];
    const milliseconds = own.map((one) => (1000 * one) / megapixels);
    const ratios = own.map((one, round) => (seconds[0]?.[round] ?? Number.NaN) / one);
    found.ratio(
      name,
      [name, Math.round(macsPerPixel).toLocaleString('en'), spreadText(milliseconds, 0)],
      ratios,
    );
  }
  return found.done();
}

/** Returns a bundled network, and also in int8 if it has ranges and this processor supports it. */
async function bundled(size: ModelSize): Promise<readonly Network[]> {
  const model = await loadModel('wave', { folder: modelsFolder(), size });
  const graph = compose(model, FRAME, 1);
  const macs = graph.macsPerPixel ?? Number.NaN;
  const network = (name: string, bytes: Uint8Array) => composed(name, bytes, graph.inputBytes, macs);
  const float = await network(`\`${size}\``, graph.bytes);
  if (model.int8 === undefined || !multipliesInt8()) return [float];
  return [float, await network(`\`${size}\`, int8`, int8Graph(graph, model))];
}

async function composed(
  name: string,
  bytes: Uint8Array,
  inputBytes: number,
  macsPerPixel: number,
): Promise<Network> {
  const frames = new ort.Tensor('uint8', new Uint8Array(inputBytes).fill(100), [1, inputBytes]);
  const session = await ort.InferenceSession.create(bytes, SETTINGS);
  return { name, macsPerPixel, session, feeds: { frames } };
}
