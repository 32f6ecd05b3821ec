/** Has sessions ask for more memory than this process may have, and prints what becomes of it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { native } from '../../src/system/native.js';
import { invert, tooLarge } from './graphs.js';

const GIB = 2 ** 30;
const { createSession, allocate } = native();
const cpu = { provider: 'cpu', device: 0, threads: 1 } as const;

const small = await createSession(invert(64), cpu);
const greedy = await createSession(tooLarge(4 * GIB), cpu);
const size = Number(/VmSize:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
const limited = spawnSync('prlimit', ['--pid', String(process.pid), `--as=${size + GIB}`]);
if (limited.status !== 0) throw new Error(String(limited.stderr));

const said: unknown[] = [];
async function attempt(step: () => Promise<unknown> | unknown): Promise<void> {
  try {
    await step();
    said.push('done');
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message: string };
    said.push({ code, message });
  }
}

const [input, output] = [new Uint8Array(64).fill(5), new Uint8Array(64)];
await attempt(() => greedy.run([input], [output]));
await attempt(() => allocate(2 * GIB, null));
await attempt(() => small.run([input], [output]));
process.stdout.write(`${JSON.stringify([...said, output[0]])}\n`);
