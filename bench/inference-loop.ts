/**
 * Inference alone: runs a composed graph over the same frames again and again in one session and prints frames a second
 * once a line. Arguments: graph file, frames in a batch, bytes in, bytes out, threads, seconds.
 */
import { readFileSync } from 'node:fs';
import { native } from '../src/native.js';

const [file = '', batch, inputBytes, outputBytes, threads, seconds] = process.argv.slice(2);
const session = await native().createSession(readFileSync(file), {
  provider: 'cpu',
  device: 0,
  threads: Number(threads),
});
const input = new Uint8Array(native().allocate(Number(inputBytes), session)).fill(100);
const output = new Uint8Array(native().allocate(Number(outputBytes), session));
await session.run(input, output);
const start = performance.now();
let frames = 0;
while (performance.now() - start < Number(seconds) * 1000) {
  await session.run(input, output);
  frames += Number(batch);
}
process.stdout.write(`${frames / ((performance.now() - start) / 1000)}\n`);
await session.dispose();
