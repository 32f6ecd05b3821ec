import { join } from 'node:path';
import { identityModel } from '../test/fixtures/identity-model.js';
import { LARGE, makeClip, SMALL } from './clips.js';
import { type BenchOptions, perFrame, runJob, transcode } from './job.js';
import { spread, spreadText } from './measure.js';
import { type Table, table } from './table.js';

/** The time of the device per frame, without using a core. */
const MILLISECONDS = 250;
const ROUNDS = 10;
/** So fast that the encoder holds only a frame or two when it gets the last one. */
const PRESET = 'ultrafast';
const CASES = [
  { size: SMALL, ranks: [1, 2, 4, 8, 16, 32] },
  { size: LARGE, ranks: [8, 32] },
] as const;
/** The frames of a short and a long video for ffmpeg alone: the difference excludes its start. */
const CODEC_FRAMES = [50, 250] as const;

/**
 * Measures frames per second of jobs on devices that sleep, over the limit: the minimum of the speed of the
 * devices and of plain ffmpeg, decoding and encoding on the cores of this machine, which all ranks share.
 */
export async function scaling({ folder, runs }: BenchOptions): Promise<Table> {
  const columns = ['frames', 'ranks', 'devices alone, fps', 'codec alone, fps', 'job, fps'];
  const found = table([...columns, 'job over the minimum', 'n']);
  const model = await identityModel(folder);
  for (const { size, ranks } of CASES) {
    const codec = await codecSpeed(folder, size, runs);
    for (const count of ranks) {
      const devices = (1000 * count) / MILLISECONDS;
      const jobs: number[] = [];
      const clip = await makeClip(folder, size, count * ROUNDS);
      for (let run = 0; run < runs; run += 1) {
        const args = ['--model', model, '--preset', PRESET];
        const options = { standIn: MILLISECONDS };
        const job = await runJob(count, clip, join(folder, 'scaling.mp4'), args, options);
        jobs.push(job.frames / job.pipelineSeconds);
      }
      const limit = Math.min(devices, spread(codec).median);
      found.ratio(
        `${size} on ${count}`,
        [size, String(count), devices.toFixed(0), spreadText(codec, 0), spreadText(jobs, 1)],
        jobs.map((fps) => fps / limit),
      );
    }
  }
  return found.done();
}

async function codecSpeed(folder: string, size: string, runs: number): Promise<readonly number[]> {
  const [few, many] = CODEC_FRAMES;
  const short = await makeClip(folder, size, few);
  const long = await makeClip(folder, size, many);
  const output = join(folder, 'codec.mp4');
  const found: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const cost = perFrame(
      await transcode(short, output, PRESET),
      await transcode(long, output, PRESET),
      many - few,
    );
    found.push(1 / cost.seconds);
  }
  return found;
}
