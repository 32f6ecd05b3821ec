import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { makeClip, SMALL } from './clips.js';
import type { Scattered } from './counting-rank.js';
import { inferenceAlone, jobGraph } from './inference-alone.js';
import { type BenchOptions, type JobTimed, runJob, transcode } from './job.js';
import { spreadText } from './measure.js';
import { pictures } from './pictures.js';
import { CLASSES, classifier, TOP, WINDOW, windowModel } from './port-models.js';
import { type Table, table } from './table.js';

const RANKS = 2;
/** Three full rounds and a short one. */
const WINDOW_FRAMES = 100;
const TABLE_FRAMES = 400;
const PICTURES = 1000;

/** What was measured of a job and of what it is compared with, a value per run. */
interface Found {
  readonly job: number[];
  readonly other: number[];
  readonly bytes: number[];
  /** CPU time from start to end. */
  readonly jobCpu: number[];
  readonly otherCpu: number[];
}

/**
 * Measures jobs of models that look at neighbouring frames or give a table, on two ranks at 360p: frames per
 * second of the pipeline, over those of the same graph in as many processes and threads with as many frames.
 * For the window, ONNX Runtime alone, which encodes nothing; and the limit of the cores, which also decode
 * and encode. For the table, processes that each decode their half by FFmpeg through a pipe. Also the CPU
 * time of the other over that of the job, both from start to end; of pictures, see pictures.ts; and the bytes that rank 0 scatters to other
 * ranks, counted in the job, over those of the frames that these make.
 */
export async function ports({ folder, runs }: BenchOptions): Promise<Table> {
  const threads = Math.max(1, Math.floor(availableParallelism() / RANKS));
  const columns = ['job', 'compared with', 'frames', 'job, fps', 'the other, fps'];
  const bytesColumn = 'bytes to other ranks over their frames';
  const found = table([...columns, bytesColumn, 'CPU time, start to end', 'job over the other', 'n']);
  const over = (part: readonly number[], whole: readonly number[]) =>
    part.map((value, run) => value / (whole[run] ?? Number.NaN));
  const row = (name: string, cells: readonly string[], one: Found) => {
    const { job, other, bytes, jobCpu, otherCpu } = one;
    const cpu = spreadText(over(otherCpu, jobCpu), 3);
    found.ratio(
      name,
      [...cells, spreadText(job), spreadText(other), spreadText(bytes), cpu],
      over(job, other),
    );
  };

  const window = await windowJob(folder, runs, threads);
  const looking = [`a window of ${WINDOW} frames`, 'inference alone', String(WINDOW_FRAMES)];
  row('window', looking, window.alone);
  row('window, cores', looking.with(1, 'the limit of the cores'), window.cores);
  const what = `a table of the ${TOP} best of ${CLASSES} classes`;
  const cells = [what, 'FFmpeg to a pipe and inference', String(TABLE_FRAMES)];
  row('table', cells, await tableJob(folder, runs, threads));
  const one = await pictures(folder, runs, PICTURES, await classifier(folder));
  found.ratio(
    'pictures',
    [
      ...['pictures of 640x480 into a table', 'sharp and inference, a process per core', String(PICTURES)],
      ...[spreadText(one.job), spreadText(one.other), '-', spreadText(over(one.otherCpu, one.jobCpu), 3)],
    ],
    over(one.job, one.other),
  );
  return found.done();
}

async function windowJob(folder: string, runs: number, threads: number) {
  const clip = await makeClip(folder, SMALL, WINDOW_FRAMES);
  const model = await windowModel(folder);
  const graph = await jobGraph(folder, clip, model);
  const [alone, cores] = [nothing(), nothing()];
  for (let run = 0; run < runs; run += 1) {
    const codec = await transcode(clip, join(folder, 'codec.mp4'));
    const bare = await inferenceAlone(RANKS, { graph, threads, frames: WINDOW_FRAMES / RANKS });
    const job = await counted(clip, join(folder, 'window.mp4'), model, threads);
    const all = availableParallelism() / (codec.cpuSeconds / WINDOW_FRAMES + bare.cpuSeconds);
    const limit = { fps: Math.min(bare.fps, all), wholeCpuSeconds: bare.wholeCpuSeconds + codec.cpuSeconds };
    add(alone, job, bare);
    add(cores, job, limit);
  }
  return { alone, cores };
}

async function tableJob(folder: string, runs: number, threads: number): Promise<Found> {
  const clip = await makeClip(folder, SMALL, TABLE_FRAMES);
  const frames = TABLE_FRAMES / RANKS;
  const half = await makeClip(folder, SMALL, frames);
  const model = await classifier(folder);
  const graph = await jobGraph(folder, clip, model);
  const found = nothing();
  for (let run = 0; run < runs; run += 1) {
    const other = await inferenceAlone(RANKS, { graph, threads, frames, clip: half });
    add(found, await counted(clip, join(folder, 'classes.parquet'), model, threads), other);
  }
  return found;
}

function nothing(): Found {
  return { job: [], other: [], bytes: [], jobCpu: [], otherCpu: [] };
}

function counted(clip: string, output: string, model: string, threads: number): Promise<JobTimed> {
  return runJob(RANKS, clip, output, ['--model', model, '--threads', String(threads)], { counted: true });
}

function add(found: Found, job: JobTimed, other: { readonly fps: number; readonly wholeCpuSeconds: number }) {
  const { bytes, frameBytes } = JSON.parse(job.stdout) as Scattered;
  const others = job.ranks.slice(1).reduce((sum, rank) => sum + rank.frames, 0);
  found.job.push(job.frames / job.pipelineSeconds);
  found.other.push(other.fps);
  found.bytes.push(bytes / (others * frameBytes));
  found.jobCpu.push(job.cpuSeconds);
  found.otherCpu.push(other.wholeCpuSeconds);
}
