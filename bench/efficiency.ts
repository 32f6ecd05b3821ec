import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import type { ModelSize } from '../src/model/load/catalogue.js';
import type { ModelOverrides } from '../src/model/load/derive-manifest.js';
import { LARGE, makeClip, SMALL } from './clips.js';
import { inferenceAlone, jobGraph } from './inference-alone.js';
import { type BenchOptions, LARGE_MODEL, runJob, transcode } from './job.js';
import { johnsonModel } from './johnson.js';
import { spread, spreadText } from './measure.js';
import { type Table, table } from './table.js';

/**
 * A model and a frame size, with enough frames for a run of about ten seconds: the first and the last take
 * longer.
 */
interface Case {
  readonly model: string;
  readonly name: string;
  /** The job's options for the model, and the same when it is loaded here. */
  readonly args: readonly string[];
  readonly overrides: ModelOverrides;
  readonly modelSize?: ModelSize;
  readonly size: string;
  readonly frames: number;
  readonly ranks: readonly number[];
  readonly runs: number;
}

const SECONDS_ALONE = 3;

/**
 * Measures frames per second of a job's pipeline over those of the same graph in a loop of ONNX Runtime
 * alone, with as many processes and threads; and over the limit of the cores, which also decode and encode:
 * the minimum of inference alone and of cores / (CPU time per frame of decoding, inference and encoding).
 */
export async function efficiency(options: BenchOptions): Promise<Table> {
  const { folder, runs } = options;
  const file = options.model ?? (await johnsonModel(folder));
  const large = { model: file, name: basename(file, '.onnx'), ...LARGE_MODEL };
  const ours = (size: ModelSize) => ({
    model: 'wave',
    name: size,
    args: ['--size', size],
    overrides: {},
    modelSize: size,
  });
  const [fast, fine] = [ours('fast'), ours('fine')];
  const cases: readonly Case[] = [
    { ...large, size: SMALL, frames: 32, ranks: [1, 2], runs },
    { ...large, size: LARGE, frames: 6, ranks: [2], runs: Math.min(runs, 3) },
    { ...fast, size: SMALL, frames: 160, ranks: [1, 2], runs },
    { ...fast, size: LARGE, frames: 24, ranks: [1, 2], runs },
    { ...fine, size: SMALL, frames: 64, ranks: [1, 2], runs },
    { ...fine, size: LARGE, frames: 8, ranks: [2], runs },
  ];
  const columns = [
    'model',
    'frames',
    'ranks',
    'job fps',
    'over the limit of the cores',
    'over inference alone',
  ];
  const found = table([...columns, 'n']);
  for (const each of cases) {
    for (const ranks of each.ranks) {
      const { speeds, overCores, overInference } = await measure(folder, each, ranks);
      const cells = [each.name, each.size, String(ranks), spreadText(speeds), spreadText(overCores, 3)];
      found.ratio(`${each.name} ${each.size} on ${ranks}`, cells, overInference);
    }
  }
  return found.done();
}

async function measure(folder: string, one: Case, ranks: number) {
  const { model, args, overrides, modelSize, size, frames, runs } = one;
  const clip = await makeClip(folder, size, frames);
  const threads = Math.max(1, Math.floor(availableParallelism() / ranks));
  const graph = await jobGraph(folder, clip, model, { overrides, ...(modelSize && { size: modelSize }) });
  const codec: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    codec.push((await transcode(clip, join(folder, 'codec.mp4'))).cpuSeconds / frames);
  }
  const speeds: number[] = [];
  const overCores: number[] = [];
  const overInference: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const alone = await inferenceAlone(ranks, { graph, threads, seconds: SECONDS_ALONE });
    const options = ['--model', model, ...args, '--threads', String(threads)];
    const job = await runJob(ranks, clip, join(folder, 'efficiency.mp4'), options);
    const speed = job.frames / job.pipelineSeconds;
    const cores = availableParallelism() / (spread(codec).median + alone.cpuSeconds);
    speeds.push(speed);
    overCores.push(speed / Math.min(alone.fps, cores));
    overInference.push(speed / alone.fps);
  }
  return { speeds, overCores, overInference };
}
