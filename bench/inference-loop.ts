/**
 * Inference alone: runs a composed graph in one session, on the same frame repeatedly, or on the frames of a
 * clip as FFmpeg decodes them to a pipe. Prints frames per second and CPU seconds per frame, without those of
 * FFmpeg. Arguments: graph file, threads, most seconds, most frames, and the clip, if any.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { native } from '../src/system/native.js';

const [file = '', threads, seconds, most, clip] = process.argv.slice(2);
const session = await native().createSession(readFileSync(file), {
  provider: 'cpu',
  device: 0,
  threads: Number(threads),
});
const inputBytes = session.inputs[0]?.bytes ?? 0;
const allocate = (bytes: number): Uint8Array => new Uint8Array(native().allocate(bytes, session));
const outputs = session.outputs.map(({ bytes }) => allocate(bytes));
const grey = allocate(inputBytes).fill(100);
// FFmpeg starts before the clock does, as it does in a job.
const source = clip === undefined ? same() : decoded(clip);
await session.run([grey], outputs);
const cpu = process.cpuUsage();
const start = performance.now();
let frames = 0;
let run: Promise<void> = Promise.resolve();
for await (const input of source) {
  await run;
  if (frames === Number(most) || performance.now() - start >= Number(seconds) * 1000) break;
  run = session.run([input], outputs);
  frames += 1;
}
await run;
if (clip !== undefined && frames < Number(most)) throw new Error(`${clip} gave only ${frames} frames`);
const fps = frames / ((performance.now() - start) / 1000);
const { user, system } = process.cpuUsage(cpu);
process.stdout.write(`${fps} ${(user + system) / 1e6 / frames}\n`);
await session.dispose();

function* same(): Generator<Uint8Array> {
  for (;;) yield grey;
}

/** Reads a frame while the one before it is inferred: two buffers take turns. */
function decoded(video: string): AsyncGenerator<Uint8Array> {
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', 'pipe:1'];
  const ffmpeg = spawn('ffmpeg', ['-nostdin', '-v', 'error', '-i', video, ...raw], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return (async function* () {
    let [input, other] = [allocate(inputBytes), grey];
    let filled = 0;
    for await (const chunk of ffmpeg.stdout as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + inputBytes - filled);
        input.set(part, filled);
        at += part.length;
        filled += part.length;
        if (filled < inputBytes) continue;
        yield input;
        filled = 0;
        [input, other] = [other, input];
      }
    }
  })();
}
