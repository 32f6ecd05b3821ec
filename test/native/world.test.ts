import t from 'tap';
import { native } from '../../src/system/native.js';

// A process has one MPI world, once: these tests are steps of one story.
const world = native();
const frameBytes = 5;
const frames = (count: number) => Uint8Array.from({ length: count * frameBytes }, (_, i) => i + 1);

t.test('refuses all verbs before the world is initialised', async (t) => {
  const refused = { code: 'ERR_STATE' };
  await t.rejects(world.broadcast(frames(1)), refused);
  await t.rejects(world.scatter(frames(1), [1], frameBytes, frames(1)), refused);
  await t.rejects(world.gather(frames(1), [1], frameBytes, frames(1)), refused);
  await t.rejects(world.finalizeWorld(), refused);
  t.throws(() => world.abortWorld(1), refused);
});

t.test('initialises once, with no mpirun', async (t) => {
  const starting = world.initWorld();
  await t.rejects(world.broadcast(frames(1)), { code: 'ERR_STATE' });
  await t.rejects(world.initWorld(), { code: 'ERR_STATE' });
  const info = await starting;
  t.match(info, { rank: 0, size: 1, localRank: 0, localSize: 1, host: /./, library: /^[^\n]+$/ });
  await t.rejects(world.initWorld(), { code: 'ERR_STATE' });
});

t.test('scatters and gathers to itself', async (t) => {
  const received = new Uint8Array(4 * frameBytes);
  await world.scatter(frames(3), [3], frameBytes, received);
  t.strictSame(received.subarray(0, 3 * frameBytes), frames(3));
  t.strictSame(received.subarray(3 * frameBytes), new Uint8Array(frameBytes), 'the rest is left alone');
  const gathered = new Uint8Array(3 * frameBytes);
  await world.gather(received, [3], frameBytes, gathered);
  t.strictSame(gathered, frames(3));
});

t.test('rank 0 may keep its own frames where they are', async (t) => {
  const [send, receive] = [frames(3), frames(3).map((byte) => byte + 100)];
  await world.scatter(send, [2], frameBytes, null);
  t.strictSame(send, frames(3));
  await world.gather(null, [2], frameBytes, receive);
  t.strictSame(
    receive,
    frames(3).map((byte) => byte + 100),
  );
});

t.test('moves no frames', async () => {
  await world.scatter(new Uint8Array(0), [0], frameBytes, new Uint8Array(0));
  await world.gather(new Uint8Array(0), [0], frameBytes, new Uint8Array(0));
  await world.broadcast(new Uint8Array(0));
});

t.test('takes views and Buffers', async (t) => {
  const pool = Buffer.alloc(100);
  await world.scatter(frames(2), [2], frameBytes, pool.subarray(7, 7 + 2 * frameBytes));
  t.strictSame(new Uint8Array(pool.subarray(7, 17)), frames(2));
  t.equal(pool[6], 0);
  t.equal(pool[17], 0);
});

t.test('refuses arguments that do not fit', async (t) => {
  const two = frames(2);
  const detached = frames(2);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const shared = new Uint8Array(new SharedArrayBuffer(100));
  type Resizable = new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
  const resizable = new Uint8Array(new (ArrayBuffer as Resizable)(100, { maxByteLength: 200 }));
  const good: [unknown, unknown, unknown, unknown] = [two, [2], frameBytes, frames(2)];
  const bad: [position: number, value: unknown][] = [
    ...[null, undefined, 'text', {}, new Uint16Array(50), new DataView(two.buffer), frames(1)].map(
      (value): [number, unknown] => [0, value],
    ),
    ...[null, 2, [], [1, 1], [-1], [1.5], ['2'], [Number.NaN], [2 ** 31], [2 ** 53]].map(
      (value): [number, unknown] => [1, value],
    ),
    ...[null, 0, -5, 2.5, 2 ** 31, Number.POSITIVE_INFINITY].map((value): [number, unknown] => [2, value]),
    ...[undefined, frames(1), detached, shared, resizable, two].map((value): [number, unknown] => [3, value]),
  ];
  for (const [position, value] of bad) {
    const call = [...good];
    call[position] = value;
    await t.rejects(world.scatter(...(call as Parameters<typeof world.scatter>)), { code: 'ERR_ARGUMENT' });
  }
  for (const buffer of [null, detached, shared, resizable]) {
    await t.rejects(world.broadcast(buffer as Uint8Array), { code: 'ERR_ARGUMENT' });
  }
  await t.rejects(world.sendStatus(two), {
    code: 'ERR_ARGUMENT',
    message: /rank 0 cannot exchange messages with itself/,
  });
  await t.rejects(world.receiveStatus(detached), { code: 'ERR_ARGUMENT' });
  await t.rejects(world.gather(two, [2], frameBytes, null), { code: 'ERR_ARGUMENT' });
  await t.rejects(world.gather(two, [2], frameBytes, two), { code: 'ERR_ARGUMENT', message: /overlap/ });
  for (const code of [-1, 256, 1.5, '3', undefined]) {
    t.throws(() => world.abortWorld(code as number), { code: 'ERR_ARGUMENT' });
  }
});

t.test('a refusal says what was wrong', async (t) => {
  const call = world.scatter(frames(1), [2], frameBytes, frames(2));
  await t.rejects(call, { message: 'scatter: send must hold at least 10 bytes, not 5' });
});

t.test('finalises after what is outstanding, and refuses all verbs then', async (t) => {
  const received = frames(0x20);
  const calls = Array.from({ length: 100 }, () =>
    world.scatter(new Uint8Array(32 * frameBytes), [32], frameBytes, received),
  );
  const finalised = world.finalizeWorld();
  await t.rejects(world.broadcast(frames(1)), { code: 'ERR_STATE' });
  await Promise.all([...calls, finalised]);
  t.strictSame(received, new Uint8Array(32 * frameBytes));
  await t.rejects(world.broadcast(frames(1)), { code: 'ERR_STATE' });
  await t.rejects(world.finalizeWorld(), { code: 'ERR_STATE' });
  await t.rejects(world.initWorld(), { code: 'ERR_STATE' });
  t.throws(() => world.abortWorld(1), { code: 'ERR_STATE' });
});
