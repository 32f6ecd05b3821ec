import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { identity, invert } from './graphs.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const { allocate, createSession } = native();
const cpu = { provider: 'cpu', device: 0, threads: 1 } as const;

/** Lets go of what is unreachable, finalizers and all. */
async function collect(): Promise<void> {
  for (let i = 0; i < 5; i += 1) {
    gc();
    await setImmediate();
  }
}

t.test('allocates zeroed memory of the size asked for', (t) => {
  for (const bytes of [0, 1, 63, 64, 4097, 3_110_400]) {
    const buffer = allocate(bytes, null);
    t.ok(buffer instanceof ArrayBuffer);
    t.equal(buffer.byteLength, bytes);
    t.ok(new Uint8Array(buffer).every((byte) => byte === 0));
  }
  t.end();
});

t.test('refuses sizes that are none or too large, and what is no session', (t) => {
  for (const bytes of [-1, 1.5, Number.NaN, '5', undefined, 2 ** 53]) {
    t.throws(() => allocate(bytes as number, null), { code: 'ERR_ARGUMENT' });
  }
  t.throws(() => allocate(2 ** 32 + 1, null), {
    code: 'ERR_MEMORY',
    message: 'a buffer of 4294967297 bytes exceeds the limit of 4294967296',
  });
  t.throws(() => allocate(8, {} as never), { code: 'ERR_ARGUMENT' });
  t.throws(() => allocate(8, undefined as never), { code: 'ERR_ARGUMENT' });
  t.end();
});

t.test('serves runs, and outlives its session', async (t) => {
  const session = await createSession(invert(100), cpu);
  const input = new Uint8Array(allocate(100, session));
  const output = new Uint8Array(allocate(100, session));
  await session.run([input.fill(5)], [output]);
  t.ok(output.every((byte) => byte === 250));
  await session.dispose();
  t.throws(() => allocate(100, session), { code: 'ERR_STATE' });
  await collect();
  t.ok(output.every((byte) => byte === 250));
});

t.test('V8 knows how much memory the buffers hold, and gets it back', async (t) => {
  const bytes = 32 * 2 ** 20;
  await collect();
  const before = process.memoryUsage().external;
  let buffers: ArrayBuffer[] = [allocate(bytes, null), allocate(bytes, null)];
  t.ok(process.memoryUsage().external >= before + 2 * bytes);
  t.equal(buffers.length, 2);
  buffers = [];
  await collect();
  t.ok(process.memoryUsage().external < before + bytes);
});

t.test('memory goes back to the system when buffers are collected', async (t) => {
  const bytes = 64 * 2 ** 20;
  await collect();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 16; i += 1) {
    allocate(bytes, null);
    await collect();
  }
  t.ok(process.memoryUsage().rss < before + 4 * bytes, 'of 16 buffers, fewer than 4 are still there');
});

t.test('buffers and sessions in use survive a collection', async (t) => {
  const bytes = 2 ** 20;
  const run = async (): Promise<Uint8Array> => {
    const session = await createSession(identity(1, bytes), cpu);
    const output = new Uint8Array(allocate(bytes, session));
    const runs = Array.from({ length: 20 }, () => {
      // Nothing but the run refers to this one.
      return session.run([new Uint8Array(allocate(bytes, null)).fill(3)], [output]);
    });
    await Promise.all([...runs, collect()]);
    return output;
  };
  const outputs = await Promise.all([run(), run(), collect()]);
  t.ok(outputs[0].every((byte) => byte === 3));
  t.ok(outputs[1].every((byte) => byte === 3));
});

t.test('sessions that nobody disposed of are freed', async (t) => {
  const make = async () => new WeakRef(await createSession(identity(1, 16), cpu));
  const references = await Promise.all(Array.from({ length: 10 }, make));
  await setImmediate();
  await collect();
  t.ok(references.filter((reference) => reference.deref() !== undefined).length <= 1);
});
