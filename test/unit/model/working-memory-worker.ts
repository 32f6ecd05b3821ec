/** Prints the bytes of memory that a run of a composed graph (the file) takes, beside its input and output. */
import { readFileSync } from 'node:fs';
import { native } from '../../../src/system/native.js';

const session = await native().createSession(readFileSync(process.argv[2] ?? ''), {
  ...{ provider: 'cpu', device: 0, threads: 1 },
});
const [input, output] = [session.inputs[0], session.outputs[0]].map((tensor) =>
  new Uint8Array(tensor?.bytes ?? 0).fill(128),
);
const before = process.memoryUsage.rss();
if (input !== undefined && output !== undefined) await session.run([input], [output]);
process.stdout.write(String(process.resourceUsage().maxRSS * 1024 - before));
process.exit();
