import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jobCommand } from '../test/fixtures/job.js';
import { spreadText, timed } from './measure.js';

export interface ManyVideosOptions {
  readonly folder: string;
  readonly runs: number;
  readonly model: string;
}

const VIDEOS = 20;
const SECONDS = 5;
const SIZE = '320x180';
const RANKS = 2;

/** Time of a job for each of many short videos over the time of one job with all of them. Gives a line of text. */
export async function manyVideos({ folder, runs, model }: ManyVideosOptions): Promise<string> {
  const videos = await makeVideos(join(folder, 'short'));
  const out = join(folder, 'short-out');
  const options = ['--model', model, '--provider', 'cpu', '--quiet'];
  const ratios: number[] = [];
  const perVideo: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    let apart = 0;
    for (const [number, video] of videos.entries())
      apart += await jobSeconds([video, join(folder, `short-${run}-${number}.mp4`), ...options]);
    const together = await jobSeconds([...videos, '--out-dir', out, ...options]);
    await rm(out, { recursive: true });
    ratios.push(apart / together);
    perVideo.push(together / VIDEOS);
  }
  const what = `${VIDEOS} videos of ${SECONDS} s at ${SIZE}, ${RANKS} ranks (${model}): separate jobs over one job`;
  return `${what}: ratio ${spreadText(ratios)}; ${spreadText(perVideo, 1)} s a video in one job`;
}

async function jobSeconds(args: readonly string[]): Promise<number> {
  const [program, words] = jobCommand(RANKS, args);
  return (await timed(program, words)).seconds;
}

async function makeVideos(folder: string): Promise<readonly string[]> {
  await mkdir(folder);
  const names = Array.from({ length: VIDEOS }, (_, number) => join(folder, `${number}.mp4`));
  const [first = '', ...others] = names;
  const picture = `testsrc2=size=${SIZE}:rate=25:duration=${SECONDS}`;
  await timed('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-f', 'lavfi', '-i', picture],
    ...['-c:v', 'libx264', '-pix_fmt', 'yuv420p', first],
  ]);
  for (const other of others) await copyFile(first, other);
  return names;
}
