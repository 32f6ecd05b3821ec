/** Jobs, and what they are measured against: ffmpeg alone, with the settings that a job has. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { codecDefaults } from '../src/video/codecs/codecs.js';
import { jobCommand, nodeCommand } from '../test/fixtures/job.js';
import { type Timed, type TimedOptions, timed } from './measure.js';

export interface BenchOptions {
  /** Where files may be made. */
  readonly folder: string;
  /** How often each pair of figures is taken. */
  readonly runs: number;
  /** A style network of full size, as an ONNX file (RGB, 0..255); one with random weights is made where undefined. */
  readonly model: string | undefined;
}

/** What a model that `BenchOptions.model` names takes and gives, in a job's words and as it is loaded. */
export const LARGE_MODEL = {
  words: ['--model-range', '0..255', '--model-channels', 'rgb'],
  overrides: { range: '0..255', channels: 'rgb' },
} as const;

export interface JobTimed extends Timed {
  readonly frames: number;
  /** From the first frame that was asked for to the last one that the encoder took. */
  readonly pipelineSeconds: number;
}

const STAND_IN = fileURLToPath(new URL('./stand-in-rank.js', import.meta.url));

/**
 * Runs a job on `ranks` ranks (0: without mpirun) on the CPU, or on devices that only take `standIn` milliseconds for a
 * frame, and give it back.
 */
export async function runJob(
  ranks: number,
  clip: string,
  output: string,
  args: readonly string[],
  { standIn, ...options }: TimedOptions & { readonly standIn?: number } = {},
): Promise<JobTimed> {
  const report = `${output}.json`;
  const always = ['--overwrite', '--quiet', '--provider', 'cpu', '--report', report];
  const job = [clip, output, ...args, ...always];
  const [program, words] =
    standIn === undefined ? jobCommand(ranks, job) : nodeCommand(ranks, [STAND_IN, String(standIn), ...job]);
  const result = await timed(program, words, options);
  const { frames, pipelineSeconds } = JSON.parse(readFileSync(report, 'utf8')) as JobTimed;
  return { ...result, frames, pipelineSeconds };
}

/** Decodes and encodes `clip` by ffmpeg alone, with a job's default quality and threads, and its preset unless another is said. */
export function transcode(clip: string, output: string, preset?: string): Promise<Timed> {
  const defaults = codecDefaults('h264');
  return timed('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-i', clip, '-c:v', 'libx264', '-crf', String(defaults.crf)],
    ...['-preset', preset ?? defaults.preset, '-threads', String(availableParallelism()), output],
  ]);
}

/** What a run took. */
export interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Seconds a frame, of a program that has been started: those of a long run that a short one has not. */
export function perFrame(short: Cost, long: Cost, frames: number): Cost {
  return {
    seconds: (long.seconds - short.seconds) / frames,
    cpuSeconds: (long.cpuSeconds - short.cpuSeconds) / frames,
  };
}
