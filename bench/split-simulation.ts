/**
 * Measures how `--split segments` scales if devices are the limit: with real codecs and scheduling, small
 * frames, and a device that takes a fixed time per frame without using a core. `--ranks 1,2,4,8,16,32`,
 * `--milliseconds 250`, `--pieces 3` per rank. Prints a table of frames per second relative to the devices.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runFfmpeg } from '../src/video/ffmpeg/ffmpeg.js';
import { mpirun } from '../test/fixtures/mpirun.js';
import type { SplitResult } from './split-worker.js';

const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '1,2,4,8,16,32' },
    milliseconds: { type: 'string', default: '250' },
    pieces: { type: 'string', default: '3' },
  },
});
const FRAMES_PER_PIECE = 25;
const worker = fileURLToPath(new URL('./split-worker.js', import.meta.url));
const milliseconds = Number(values.milliseconds);
const folder = await mkdtemp(join(tmpdir(), 'framescatter-split-'));

/** Creates a clip of `pieces` closed GOPs. */
async function clip(pieces: number): Promise<string> {
  const file = join(folder, `clip-${pieces}.mp4`);
  const options = ['-frames:v', String(pieces * FRAMES_PER_PIECE), '-c:v', 'libx264', '-preset', 'ultrafast'];
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { lavfi: 'testsrc2=size=160x120:rate=25' } }],
    outputs: [{ to: { file }, options: [...options, '-g', String(FRAMES_PER_PIECE), '-pix_fmt', 'yuv420p'] }],
  });
  return file;
}

try {
  process.stdout.write(
    '| ranks | frames | frames per second | over devices alone |\n| --- | --- | --- | --- |\n',
  );
  for (const ranks of values.ranks.split(',').map(Number)) {
    const input = await clip(ranks * Number(values.pieces));
    const work = await mkdtemp(join(folder, 'run-'));
    const { code, stdout, stderr } = await mpirun(ranks, [worker, input, values.milliseconds, '1', work]);
    if (code !== 0) throw new Error(stderr);
    const { frames, seconds } = JSON.parse(stdout) as SplitResult;
    const fps = frames / seconds;
    const share = (fps * milliseconds) / 1000 / ranks;
    process.stdout.write(`| ${ranks} | ${frames} | ${fps.toFixed(1)} | ${share.toFixed(3)} |\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
