import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityModel } from '../test/fixtures/identity-model.js';
import { pictureIdentity } from '../test/fixtures/onnx.js';
import { LARGE, makeClip } from './clips.js';
import { type BenchOptions, type Cost, perFrame, runJob, transcode } from './job.js';
import { spreadText } from './measure.js';
import { type Table, table } from './table.js';

const SHORT = 50;
const LONG = 200;

/** A job that does not change the frames. */
interface Kind {
  readonly what: string;
  readonly name: string;
  readonly model: string;
  readonly standIn?: number;
}

interface Ratios {
  readonly whole: number[];
  readonly steady: number[];
  readonly cpu: number[];
}

/**
 * Measures the cost of a job beyond decoding and encoding, on one rank at 1080p: the time of plain ffmpeg
 * with the same video and settings over that of jobs that do not change the frames. Takes a long and a short
 * video alternately: for the whole long run, and for the difference between both, which excludes start and
 * end.
 */
export async function ceiling({ folder, runs }: BenchOptions): Promise<Table> {
  const kinds: readonly Kind[] = [
    { what: 'I420 identity', name: 'i420', model: await identityModel(folder, '0..255') },
    { what: 'RGB identity: the cost of colour conversion', name: 'rgb', model: await rgbIdentity(folder) },
    {
      what: 'no graph: only pipes, wire format and JavaScript',
      name: 'pipes',
      model: await identityModel(folder),
      standIn: 0,
    },
  ];
  const short = await makeClip(folder, LARGE, SHORT);
  const long = await makeClip(folder, LARGE, LONG);
  const output = join(folder, 'ceiling.mp4');
  const found = kinds.map((): Ratios => ({ whole: [], steady: [], cpu: [] }));
  for (let run = 0; run < runs; run += 1) {
    const plain = await both((clip) => transcode(clip, output));
    for (const [at, { model, standIn }] of kinds.entries()) {
      const options = standIn === undefined ? {} : { standIn };
      const job = await both((clip) => runJob(1, clip, output, ['--model', model], options));
      found[at]?.whole.push(plain.long.seconds / job.long.seconds);
      found[at]?.steady.push(plain.frame.seconds / job.frame.seconds);
      found[at]?.cpu.push(plain.frame.cpuSeconds / job.frame.cpuSeconds);
    }
  }

  async function both(program: (clip: string) => Promise<Cost>) {
    const costs = { short: await program(short), long: await program(long) };
    return { ...costs, frame: perFrame(costs.short, costs.long, LONG - SHORT) };
  }

  const columns = ['job', 'whole job, 8 s of video', 'CPU time, steady state', 'time, steady state', 'n'];
  const rows = table(columns);
  for (const [at, { what, name }] of kinds.entries()) {
    const { whole = [], steady = [], cpu = [] } = found[at] ?? {};
    rows.ratio(name, [what, spreadText(whole, 3), spreadText(cpu, 3)], steady);
  }
  return rows.done();
}

async function rgbIdentity(folder: string): Promise<string> {
  const { bytes, manifest } = pictureIdentity({}, { name: 'rgb', file: 'rgb.onnx' });
  const file = join(folder, 'rgb.onnx');
  await writeFile(file, bytes);
  await writeFile(join(folder, 'rgb.json'), JSON.stringify(manifest));
  return file;
}
