import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { type Channel, type FromRank, localChannel, type ToRank } from '../../../src/job/split/channel.js';
import { deal } from '../../../src/job/split/deal.js';
import { estimate, type Facts } from '../../../src/job/split/estimate.js';
import { JobError } from '../../../src/system/errors.js';
import type { CutPiece } from '../../../src/video/split/cut.js';

const FACTS: Facts = {
  ...{ ranks: 8, localRanks: 1, cores: 16, inferred: 100, sharesHostCores: false },
  ...{ codec: 'h264', preset: 'medium', decodedPixels: 2e6, encodedPixels: 2e6 },
};

t.test('the estimate: GPUs outrun the root, CPUs of one node do not', async (t) => {
  const gpus = estimate(FACTS);
  t.ok(gpus.segments > 4 * gpus.frames, 'eight fast GPUs on eight nodes');
  const slow = estimate({ ...FACTS, inferred: 1 });
  t.same(slow, { frames: 8, segments: 8 }, 'slow devices are the limit themselves');
  const node = estimate({ ...FACTS, localRanks: 8, sharesHostCores: true, inferred: 5 });
  t.ok(Math.abs(node.segments / node.frames - 1) < 1e-9, 'the cores of one node are the same cores');
  const small = estimate({ ...FACTS, encodedPixels: 2e5, decodedPixels: 2e5, inferred: 10 });
  t.equal(small.frames, 80, 'a root that keeps up');
});

async function* pieces(count: number): AsyncGenerator<CutPiece, void, undefined> {
  for (let index = 0; index < count; index += 1) {
    const own = {
      index,
      from: index,
      to: index + 1,
      bytes: 1,
      firstFrame: index,
      frames: 1,
      before: 0,
      behind: 0,
      after: undefined,
    };
    yield { piece: own, data: Uint8Array.of(index) };
  }
}

/** A rank that takes `milliseconds` for a piece, one at a time, and fails at piece `bad`. Gives how many it did. */
async function rank(channel: Channel<FromRank, ToRank>, milliseconds: number, bad = -1): Promise<number> {
  const waiting: (ToRank & { readonly kind: 'piece' })[] = [];
  let over = false;
  let closed = false;
  const listening = (async () => {
    while (!closed) {
      const { value } = await channel.receive();
      if (value.kind === 'piece') waiting.push(value);
      else over = true;
      if (value.kind === 'stop') waiting.length = 0;
      closed = value.kind === 'close';
    }
  })();
  let done = 0;
  for (;;) {
    const order = waiting.shift();
    if (order === undefined && over) break;
    await sleep(order === undefined ? 1 : milliseconds);
    if (order === undefined) continue;
    if (order.index === bad) {
      await channel.send({ kind: 'failed', code: 'input', message: 'bad', hint: null });
      await listening;
      return done;
    }
    done += 1;
    await channel.send(
      { kind: 'done', index: order.index, videoBytes: [1], began: 0, warnings: [], nonFinite: [] },
      Uint8Array.of(order.index),
    );
  }
  await channel.send({ kind: 'ended' });
  await listening;
  return done;
}

/** Of ranks that take so many milliseconds for a piece; those that take for ever stand still from when they are told to. */
function dealt(count: number, speeds: readonly number[], bad = -1, stopped = new AbortController().signal) {
  const looks = new Set<() => void>();
  let frozen = false;
  const channels = speeds.map(() => localChannel());
  const recorded: number[] = [];
  const dealing = deal({
    channels: channels.map(({ root }) => root),
    pieces: pieces(count),
    count,
    again: async function* (indexes) {
      for await (const piece of pieces(count)) if (indexes.has(piece.piece.index)) yield piece;
    },
    isStalled: (rank) => frozen && speeds[rank] === Number.POSITIVE_INFINITY,
    repeat(look) {
      looks.add(look);
      return () => looks.delete(look);
    },
    describe: ({ index }) => ({
      kind: 'piece',
      index,
      framesBefore: index,
      pts: [index],
      before: 0,
      frames: 1,
      after: null,
    }),
    record: async ({ index }, data) => {
      t.equal(data[0], index);
      recorded.push(index);
    },
    stopped,
  });
  const moving = channels.filter((_, i) => speeds[i] !== Number.POSITIVE_INFINITY);
  const ranks = Promise.all(moving.map((channel, i) => rank(channel.rank, speeds[i] ?? 0, bad)));
  const beat = (): void => {
    frozen = true;
    for (const look of looks) look();
  };
  return { dealing, ranks, recorded, beat };
}

t.test('every piece is dealt once, more of them to the faster ranks', async (t) => {
  for (const count of [0, 1, 3, 40]) {
    const { dealing, ranks, recorded } = dealt(count, [2, 2, 30]);
    t.same(await dealing, { failure: undefined, lost: [] });
    t.strictSame(
      recorded.toSorted((a, b) => a - b),
      Array.from({ length: count }, (_, i) => i),
    );
    const [fast = 0, , slow = 0] = await ranks;
    if (count === 40) t.ok(fast > slow, `${fast} and ${slow}`);
  }
});

t.test('a rank that fails ends the dealing, and so does a stop', async (t) => {
  const failed = dealt(40, [1, 1, 1], 5);
  t.match(await failed.dealing, { failure: { error: new JobError('input', 'bad') }, lost: [] });
  await failed.ranks;
  t.ok(failed.recorded.length < 40);

  const controller = new AbortController();
  const stopped = dealt(1000, [1, 1], -1, controller.signal);
  while (stopped.recorded.length < 4) await sleep(1);
  controller.abort();
  t.same(await stopped.dealing, { failure: undefined, lost: [] });
  await stopped.ranks;
  t.ok(stopped.recorded.length < 1000);
});

t.test('what a rank holds that stands still is made by others', async (t) => {
  const never = Number.POSITIVE_INFINITY;
  const { dealing, ranks, recorded, beat } = dealt(12, [1, 1, never, never, never, never, never]);
  const beating = setInterval(beat, 20);
  t.teardown(() => clearInterval(beating));
  t.same(await dealing, { failure: undefined, lost: [2, 3, 4, 5, 6] });
  t.strictSame(
    recorded.toSorted((a, b) => a - b),
    Array.from({ length: 12 }, (_, i) => i),
    'each once',
  );
  await ranks;
});

t.test('ranks that stand still do not keep a failure or a stop back', async (t) => {
  const never = Number.POSITIVE_INFINITY;
  const failed = dealt(12, [1, never], 3);
  const controller = new AbortController();
  const stopped = dealt(12, [1, never], -1, controller.signal);
  controller.abort();
  const beating = setInterval(() => {
    failed.beat();
    stopped.beat();
  }, 20);
  t.teardown(() => clearInterval(beating));
  t.match(await failed.dealing, { failure: { error: new JobError('input', 'bad') }, lost: [1] });
  t.same(await stopped.dealing, { failure: undefined, lost: [1] });
});
