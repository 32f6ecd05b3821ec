import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jobCommand } from '../test/fixtures/job.js';
import { makeClip, RATE } from './clips.js';
import type { BenchOptions } from './job.js';
import { spreadText, timed } from './measure.js';
import { type Table, table } from './table.js';

const VIDEOS = 20;
const SECONDS = 5;
const SIZE = '320x180';
const RANKS = 2;
/** Each run takes minutes. */
const MAX_RUNS = 2;

/** Measures the time of separate jobs for many short videos over the time of one job with all of them. */
export async function manyVideos({ folder, runs }: BenchOptions): Promise<Table> {
  const videos = await makeVideos(folder);
  const out = join(folder, 'many-out');
  const options = ['--provider', 'cpu', '--quiet'];
  const ratios: number[] = [];
  const seconds: number[] = [];
  for (let run = 0; run < Math.min(runs, MAX_RUNS); run += 1) {
    let separate = 0;
    for (const [number, video] of videos.entries())
      separate += await jobSeconds([video, join(folder, `many-${run}-${number}.mp4`), ...options]);
    const together = await jobSeconds([...videos, '--out-dir', out, ...options]);
    await rm(out, { recursive: true });
    ratios.push(separate / together);
    seconds.push(together / VIDEOS);
  }
  const found = table(['videos', 'ranks', 'seconds per video in one job', 'separate jobs over one job', 'n']);
  const what = `${VIDEOS} of ${SECONDS} s at ${SIZE}, \`wave\``;
  found.ratio('one job', [what, String(RANKS), spreadText(seconds, 1)], ratios);
  return found.done();
}

async function jobSeconds(args: readonly string[]): Promise<number> {
  return (await timed(...jobCommand(RANKS, args))).seconds;
}

async function makeVideos(folder: string): Promise<readonly string[]> {
  const clip = await makeClip(folder, SIZE, SECONDS * RATE);
  const inputs = join(folder, 'many-in');
  await mkdir(inputs);
  const videos = Array.from({ length: VIDEOS }, (_, number) => join(inputs, `${number}.mp4`));
  for (const video of videos) await copyFile(clip, video);
  return videos;
}
