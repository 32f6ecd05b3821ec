// What each rank of world.test.ts runs: `world-worker.js SCENARIO...`. Prints one line of JSON, or lets an error end it.
import { strict as assert } from 'node:assert';
import { type Native, native, type WorldInfo } from '../../src/system/native.js';

const frameBytes = 37;

/** A frame whose every byte tells which one it is. */
const frame = (round: number, index: number) => (round * 31 + index * 7 + 1) % 256;

function frames(round: number, from: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * frameBytes);
  for (let i = 0; i < count; i += 1) {
    bytes.fill(frame(round, from + i), i * frameBytes, (i + 1) * frameBytes);
  }
  return bytes;
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

async function broadcast({ broadcast }: Native, { rank }: WorldInfo): Promise<void> {
  const pattern = Uint8Array.from({ length: 100_003 }, (_, i) => (i * i) % 251);
  const buffers = [pattern, new Uint8Array(0), pattern.subarray(5, 6)].map((bytes) =>
    rank === 0 ? bytes.slice() : new Uint8Array(bytes.length),
  );
  await Promise.all(buffers.map((buffer) => broadcast(buffer)));
  assert.deepEqual(buffers, [pattern, new Uint8Array(0), pattern.subarray(5, 6)]);
}

/** Scatters and gathers one round, all frames plus one on the way. */
async function round(world: Native, { rank, size }: WorldInfo, k: number, counts: number[]): Promise<void> {
  assert.equal(counts.length, size);
  const all = frames(k, 0, sum(counts));
  const mine = new Uint8Array((counts[rank] ?? 0) * frameBytes);
  await world.scatter(rank === 0 ? all : null, counts, frameBytes, mine);
  assert.deepEqual(mine, frames(k, sum(counts.slice(0, rank)), counts[rank] ?? 0));
  const back = rank === 0 ? new Uint8Array(all.length) : null;
  await world.gather(
    mine.map((byte) => byte + 1),
    counts,
    frameBytes,
    back,
  );
  if (back) {
    assert.deepEqual(
      back,
      all.map((byte) => byte + 1),
    );
  }
}

async function uneven(world: Native, info: WorldInfo): Promise<void> {
  const { size } = info;
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  await round(
    world,
    info,
    0,
    ranks.map(() => 3),
  );
  await round(
    world,
    info,
    1,
    ranks.map((rank) => (rank % 2 === 0 ? rank + 2 : 0)),
  );
  // Fewer frames than ranks; then only for the last rank; then none at all.
  await round(
    world,
    info,
    2,
    ranks.map((rank) => (rank === 0 ? 1 : 0)),
  );
  await round(
    world,
    info,
    3,
    ranks.map((rank) => (rank === size - 1 ? 4 : 0)),
  );
  await round(
    world,
    info,
    4,
    ranks.map(() => 0),
  );
}

/** Many rounds under way at once, and the order of scatters and gathers different on each rank. */
async function outstanding(world: Native, { rank, size }: WorldInfo): Promise<void> {
  const rounds = 12;
  const counts = Array.from({ length: size }, (_, r) => (r % 3) + 1);
  const count = counts[rank] ?? 0;
  const from = sum(counts.slice(0, rank));
  const received = Array.from({ length: rounds }, () => new Uint8Array(count * frameBytes));
  const gathered = Array.from({ length: rounds }, () => new Uint8Array(sum(counts) * frameBytes));
  const scatters = () =>
    received.map((buffer, k) =>
      world.scatter(rank === 0 ? frames(k, 0, sum(counts)) : null, counts, frameBytes, buffer),
    );
  const gathers = () =>
    gathered.map((buffer, k) =>
      world.gather(frames(k + 100, from, count), counts, frameBytes, rank === 0 ? buffer : null),
    );
  const order = rank % 2 === 0 ? [scatters, gathers] : [gathers, scatters];
  await Promise.all(order.flatMap((start) => start()));
  received.forEach((buffer, k) => {
    assert.deepEqual(buffer, frames(k, from, count));
  });
  if (rank === 0) {
    gathered.forEach((buffer, k) => {
      assert.deepEqual(buffer, frames(k + 100, 0, sum(counts)));
    });
  }
}

/** As the pipeline does it: rank 0's own frames, the first of each round, stay where they are. */
async function inPlace(world: Native, { rank, size }: WorldInfo): Promise<void> {
  for (const own of [3, 0]) {
    const counts = Array.from({ length: size }, (_, r) => (r === 0 ? own : r % 3));
    const from = sum(counts.slice(0, rank));
    if (rank === 0) {
      const all = frames(own, 0, sum(counts));
      await world.scatter(all, counts, frameBytes, null);
      assert.deepEqual(all, frames(own, 0, sum(counts)));
      const back = new Uint8Array(all.length);
      back.set(all.subarray(0, own * frameBytes));
      await world.gather(null, counts, frameBytes, back);
      assert.deepEqual(back, all);
    } else {
      const mine = new Uint8Array((counts[rank] ?? 0) * frameBytes);
      await world.scatter(null, counts, frameBytes, mine);
      assert.deepEqual(mine, frames(own, from, counts[rank] ?? 0));
      await world.gather(mine, counts, frameBytes, null);
    }
  }
}

/** Messages of several lengths between rank 0 and each other rank, both ways at once; each pair keeps its order. */
async function messages(world: Native, { rank, size }: WorldInfo): Promise<void> {
  const peers = rank === 0 ? Array.from({ length: size - 1 }, (_, i) => i + 1) : [0];
  const pattern = (from: number, to: number, k: number) => frames(from * 5 + to * 3 + k, k, 20 * k * k);
  await Promise.all(
    peers.map(async (peer) => {
      const sends = [1, 0, 9, 4].map((k) => world.send(pattern(rank, peer, k), peer));
      for (const k of [1, 0, 9, 4]) {
        const expected = pattern(peer, rank, k);
        const received = new Uint8Array(expected.length);
        await world.receive(received, peer);
        assert.deepEqual(received, expected);
      }
      await Promise.all(sends);
    }),
  );
}

async function rules(world: Native, { rank, size }: WorldInfo): Promise<void> {
  const counts = Array.from({ length: size }, () => 1);
  const all = new Uint8Array(size * frameBytes);
  const one = new Uint8Array(frameBytes);
  const refused = { code: 'ERR_ARGUMENT' };
  const root = rank === 0;
  await assert.rejects(world.scatter(root ? null : all, counts, frameBytes, one), refused);
  await assert.rejects(world.gather(one, counts, frameBytes, root ? null : all), refused);
  await assert.rejects(world.scatter(root ? all : null, counts, frameBytes, one.subarray(1)), refused);
  if (!root) {
    await assert.rejects(world.scatter(null, counts, frameBytes, null), refused);
    await assert.rejects(world.gather(null, counts, frameBytes, null), refused);
  }
  await assert.rejects(world.scatter(root ? all : null, [...counts, 1], frameBytes, one), refused);
  await assert.rejects(world.send(one, rank), refused);
  await assert.rejects(world.receive(one, size), refused);
}

/** The share of a core that this rank used while it waited a while for frames: rank 0 sends late. */
async function idle(world: Native, { rank, size }: WorldInfo): Promise<{ share: number }> {
  const counts = Array.from({ length: size }, () => 1);
  const receive = new Uint8Array(frameBytes);
  await world.broadcast(new Uint8Array(1));
  const cpu = process.cpuUsage();
  const start = performance.now();
  if (rank === 0) await new Promise((resolve) => setTimeout(resolve, 2000));
  await world.scatter(rank === 0 ? new Uint8Array(size * frameBytes) : null, counts, frameBytes, receive);
  const used = process.cpuUsage(cpu);
  return { share: (used.user + used.system) / 1000 / (performance.now() - start) };
}

/** Rank 1 ends in its own way while the others wait for a broadcast that never comes. */
const disasters: Record<string, (world: Native) => void> = {
  abort: (world) => world.abortWorld(3),
  kill: () => process.kill(process.pid, 'SIGKILL'),
  exit: () => process.exit(7),
  throw: () => {
    throw new Error('disaster');
  },
};

const scenarios: Record<string, (world: Native, info: WorldInfo) => Promise<unknown>> = {
  broadcast,
  uneven,
  outstanding,
  inPlace,
  messages,
  rules,
  idle,
};

const names = process.argv.slice(2);
const world = native();
const info = await world.initWorld();
const disaster = disasters[names[0] ?? ''];
if (disaster !== undefined) {
  await world.broadcast(new Uint8Array(1));
  if (info.rank === 1) disaster(world);
  await world.scatter(
    info.rank === 0 ? new Uint8Array(info.size) : null,
    Array(info.size).fill(1),
    1,
    new Uint8Array(1),
  );
  await world.gather(
    new Uint8Array(1),
    Array(info.size).fill(1),
    1,
    info.rank === 0 ? new Uint8Array(info.size) : null,
  );
  await world.finalizeWorld();
} else {
  let result: unknown;
  for (const name of names) {
    const scenario = scenarios[name];
    assert(scenario, `no scenario ${name}`);
    result = await scenario(world, info);
  }
  await world.finalizeWorld();
  process.stdout.write(`${JSON.stringify({ ...info, result })}\n`);
}
