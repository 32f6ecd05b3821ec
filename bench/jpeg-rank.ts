/**
 * One rank of the reference architecture's way of working: its part of the folder of JPEG frames, each read, put through the
 * model and written as a JPEG again. ffmpeg reads and writes them, all of a rank's in one process each. As there, a rank
 * takes the length of the list divided by the number of ranks, and what is left over is lost.
 *
 * Run under mpirun. Arguments: threads, model (RGB, 0..255, NCHW), folders of frames in and out, pattern of their names.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { launcherRank } from '../src/mpi/launcher.js';
import { runFfprobe } from '../src/video/ffmpeg/ffmpeg.js';
import { InferenceSession, Tensor } from '../test/fixtures/onnx-runtime.js';

const [threads, model = '', frames = '', styled = '', pattern = ''] = process.argv.slice(2);
const rank = launcherRank();
const ranks = Number(process.env.OMPI_COMM_WORLD_SIZE);

const names = readdirSync(frames).sort();
const count = Math.floor(names.length / ranks);
const first = 1 + rank * count;
const { width, height } = await sizeOf(join(frames, names[0] ?? ''));
const pixels = width * height;
const session = await InferenceSession.create(model, {
  executionProviders: ['cpu'],
  intraOpNumThreads: Number(threads),
});

const raw = ['-f', 'rawvideo', '-pix_fmt', 'rgb24'];
const from = ['-start_number', String(first), '-i', join(frames, pattern), '-frames:v', String(count)];
const reader = spawn('ffmpeg', ['-nostdin', '-v', 'error', ...from, ...raw, 'pipe:1'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const to = ['-q:v', '2', '-start_number', String(first), join(styled, pattern)];
const writer = spawn('ffmpeg', ['-v', 'error', ...raw, '-s', `${width}x${height}`, '-i', 'pipe:0', ...to], {
  stdio: ['pipe', 'inherit', 'inherit'],
});

let rest = Buffer.alloc(0);
for await (const chunk of reader.stdout) {
  rest = Buffer.concat([rest, chunk as Buffer]);
  for (; rest.length >= 3 * pixels; rest = rest.subarray(3 * pixels)) {
    const input = new Tensor('float32', planes(rest), [1, 3, height, width]);
    const results = await session.run({ [session.inputNames[0] ?? '']: input });
    const output = results[session.outputNames[0] ?? '']?.data as Float32Array;
    if (!writer.stdin.write(samples(output))) await once(writer.stdin, 'drain');
  }
}
writer.stdin.end();
await once(writer, 'close');

/** RGB, RGB, ... to all of red, all of green, all of blue. */
function planes(picture: Uint8Array): Float32Array {
  const values = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel += 1)
    for (let at = 0; at < pixels; at += 1) values[channel * pixels + at] = picture[3 * at + channel] ?? 0;
  return values;
}

/** The inverse, clipped to what a byte holds. */
function samples(values: Float32Array): Uint8Array {
  const picture = new Uint8ClampedArray(3 * pixels);
  for (let channel = 0; channel < 3; channel += 1)
    for (let at = 0; at < pixels; at += 1) picture[3 * at + channel] = values[channel * pixels + at] ?? 0;
  return new Uint8Array(picture.buffer);
}

async function sizeOf(path: string): Promise<{ readonly width: number; readonly height: number }> {
  const { streams } = (await runFfprobe(path, ['-show_entries', 'stream=width,height'])) as {
    readonly streams: readonly [{ readonly width: number; readonly height: number }];
  };
  return streams[0];
}
