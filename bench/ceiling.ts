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

/** A job that leaves the frames as they are. */
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
 * What a job costs beyond decoding and encoding: plain ffmpeg's time for the same video with the same settings over that of
 * jobs that leave the frames as they are, on one rank at 1080p. By a long and a short video in turn: the whole long run, and
 * what it takes more than the short one, which leaves out start and end.
 */
export async function ceiling({ folder, runs }: BenchOptions): Promise<Table> {
  const kinds: readonly Kind[] = [
    { what: 'I420 identity', name: 'i420', model: await identityModel(folder, '0..255') },
    { what: 'RGB identity: what colour costs', name: 'rgb', model: await rgbIdentity(folder) },
    {
      what: 'no graph: pipes, wire and JavaScript alone',
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

  const columns = ['job', 'whole, of 8 s of video', 'processor time, started', 'time, started', 'n'];
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
