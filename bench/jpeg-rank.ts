/**
 * One rank with the method of the reference architecture: reads each JPEG file of its share of a folder, runs
 * the model, and writes a JPEG file. One ffmpeg process reads and one writes all frames of a rank. As in the
 * original, each rank takes the number of frames divided by the number of ranks, and the remainder is lost.
 *
 * Run under mpirun. Arguments: threads, model (RGB, 0..255, NCHW), folders of frames in and out, pattern of
 * file names.
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

/** Converts interleaved RGB to planar float32. */
function planes(frame: Uint8Array): Float32Array {
  const values = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel += 1)
    for (let at = 0; at < pixels; at += 1) values[channel * pixels + at] = frame[3 * at + channel] ?? 0;
  return values;
}

/** Converts planar float32 to interleaved RGB, clamped to 0..255. */
function samples(values: Float32Array): Uint8Array {
  const frame = new Uint8ClampedArray(3 * pixels);
  for (let channel = 0; channel < 3; channel += 1)
    for (let at = 0; at < pixels; at += 1) frame[3 * at + channel] = values[channel * pixels + at] ?? 0;
  return new Uint8Array(frame.buffer);
}

async function sizeOf(path: string): Promise<{ readonly width: number; readonly height: number }> {
  const { streams } = (await runFfprobe(path, ['-show_entries', 'stream=width,height'])) as {
    readonly streams: readonly [{ readonly width: number; readonly height: number }];
  };
  return streams[0];
}
