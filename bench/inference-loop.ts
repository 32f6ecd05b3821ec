/**
 * Inference alone: runs a composed graph on the same frame repeatedly in one session. Prints frames per
 * second and CPU seconds per frame. Arguments: graph file, bytes in, bytes out, threads, seconds.
 */
import { readFileSync } from 'node:fs';
import { native } from '../src/system/native.js';

const [file = '', inputBytes, outputBytes, threads, seconds] = process.argv.slice(2);
const session = await native().createSession(readFileSync(file), {
  provider: 'cpu',
  device: 0,
  threads: Number(threads),
});
const input = new Uint8Array(native().allocate(Number(inputBytes), session)).fill(100);
const output = new Uint8Array(native().allocate(Number(outputBytes), session));
await session.run([input], [output]);
const cpu = process.cpuUsage();
const start = performance.now();
let frames = 0;
while (performance.now() - start < Number(seconds) * 1000) {
  await session.run([input], [output]);
  frames += 1;
}
const fps = frames / ((performance.now() - start) / 1000);
const { user, system } = process.cpuUsage(cpu);
process.stdout.write(`${fps} ${(user + system) / 1e6 / frames}\n`);
await session.dispose();
