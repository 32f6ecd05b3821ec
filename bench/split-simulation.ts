/**
 * How `--split segments` scales where devices are the limit: real codecs and hand-out, small frames, and a device that takes
 * a fixed time for a frame without using a core. `--ranks 1,2,4,8,16,32`, `--milliseconds 250`, `--pieces 3` a rank. Prints
 * a table of frames a second over the devices' own.
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
const FRAMES_A_PIECE = 25;
const worker = fileURLToPath(new URL('./split-worker.js', import.meta.url));
const milliseconds = Number(values.milliseconds);
const folder = await mkdtemp(join(tmpdir(), 'framescatter-split-'));

/** A clip of `pieces` closed groups of frames. */
async function clip(pieces: number): Promise<string> {
  const file = join(folder, `clip-${pieces}.mp4`);
  const options = ['-frames:v', String(pieces * FRAMES_A_PIECE), '-c:v', 'libx264', '-preset', 'ultrafast'];
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { lavfi: 'testsrc2=size=160x120:rate=25' } }],
    outputs: [{ to: { file }, options: [...options, '-g', String(FRAMES_A_PIECE), '-pix_fmt', 'yuv420p'] }],
  });
  return file;
}

try {
  process.stdout.write(
    '| ranks | frames | frames a second | of the devices alone |\n| --- | --- | --- | --- |\n',
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
