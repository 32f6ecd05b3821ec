/** Runs jobs, and ffmpeg alone with the settings of a job for comparison. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { codecDefaults } from '../src/video/codecs/codecs.js';
import { jobCommand, nodeCommand } from '../test/fixtures/job.js';
import { type Timed, type TimedOptions, timed } from './measure.js';

export interface BenchOptions {
  /** The folder for files. */
  readonly folder: string;
  /** The number of measurements per ratio. */
  readonly runs: number;
  /** A full-size style network as an ONNX file (RGB, 0..255). Default: one with random weights. */
  readonly model: string | undefined;
}

/** The format of the model in `BenchOptions.model`, as options of a job and for loading it here. */
export const LARGE_MODEL = {
  args: ['--model-range', '0..255', '--model-channels', 'rgb'],
  overrides: { range: '0..255', channels: 'rgb' },
} as const;

export interface JobTimed extends Timed {
  readonly frames: number;
  readonly ranks: readonly { readonly frames: number }[];
  /** From the request for the first frame until the encoder has taken the last one. */
  readonly pipelineSeconds: number;
}

interface JobTimedOptions extends TimedOptions {
  /** Devices that sleep so many milliseconds per frame, and return it unchanged, in place of the CPU. */
  readonly standIn?: number;
  /** Rank 0 prints a `Scattered`: see counting-rank.ts. */
  readonly counted?: boolean;
}

const STAND_IN = fileURLToPath(new URL('./stand-in-rank.js', import.meta.url));
const COUNTING = fileURLToPath(new URL('./counting-rank.js', import.meta.url));

/** Runs a job on `ranks` ranks (0: without mpirun) on the CPU. */
export async function runJob(
  ranks: number,
  clip: string,
  output: string,
  args: readonly string[],
  { standIn, counted = false, ...options }: JobTimedOptions = {},
): Promise<JobTimed> {
  const report = `${output}.json`;
  const always = ['--overwrite', '--quiet', '--provider', 'cpu', '--report', report];
  const job = [clip, output, ...args, ...always];
  const [program, programArgs] = counted
    ? nodeCommand(ranks, [COUNTING, ...job])
    : standIn === undefined
      ? jobCommand(ranks, job)
      : nodeCommand(ranks, [STAND_IN, String(standIn), ...job]);
  const result = await timed(program, programArgs, options);
  const facts = JSON.parse(readFileSync(report, 'utf8')) as JobTimed;
  const { frames, ranks: own, pipelineSeconds } = facts;
  return { ...result, frames, ranks: own, pipelineSeconds };
}

/**
 * Decodes and encodes `clip` with ffmpeg alone, with a job's default quality, threads and, unless given,
 * preset.
 */
export function transcode(clip: string, output: string, preset?: string): Promise<Timed> {
  const defaults = codecDefaults('h264');
  return timed('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-i', clip, '-c:v', 'libx264', '-crf', String(defaults.crf)],
    ...['-preset', preset ?? defaults.preset, '-threads', String(availableParallelism()), output],
  ]);
}

/** The time of a run. */
export interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Returns the time per frame without start and end: the difference between a long and a short run. */
export function perFrame(short: Cost, long: Cost, frames: number): Cost {
  return {
    seconds: (long.seconds - short.seconds) / frames,
    cpuSeconds: (long.cpuSeconds - short.cpuSeconds) / frames,
  };
}
