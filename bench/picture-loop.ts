/**
 * Sharp and bare inference: decodes the JPEGs of a folder, every so many from a first one, to the size that a
 * composed graph takes, and runs it on each. The next picture is decoded while one is inferred. Prints pictures
 * per second. Arguments: graph file, width, height, threads, folder, first, and every how many.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { native } from '../src/system/native.js';

const [graph = '', wide, high, threads, folder = '', first, every] = process.argv.slice(2);
const [width, height] = [Number(wide), Number(high)];
const session = await native().createSession(readFileSync(graph), {
  provider: 'cpu',
  device: 0,
  threads: Number(threads),
});
const allocate = (bytes: number): Uint8Array => new Uint8Array(native().allocate(bytes, session));
const outputs = session.outputs.map(({ bytes }) => allocate(bytes));
const input = allocate(session.inputs[0]?.bytes ?? 0).fill(100);
await session.run([input], outputs);
const names = readdirSync(folder)
  .sort()
  .filter((_, at) => at % Number(every) === Number(first));
await decoded(names[0] ?? '');

const start = performance.now();
let next = decoded(names[0] ?? '');
for (const at of names.keys()) {
  input.set(await next);
  const following = names[at + 1];
  if (following !== undefined) next = decoded(following);
  await session.run([input], outputs);
}
process.stdout.write(`${names.length / ((performance.now() - start) / 1000)}\n`);
await session.dispose();

async function decoded(name: string): Promise<Buffer> {
  const file = await readFile(join(folder, name));
  return sharp(file).resize(width, height, { fit: 'fill', kernel: 'linear' }).raw().toBuffer();
}
