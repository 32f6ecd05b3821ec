import t from 'tap';
import { BufferPool } from '../../../src/pipeline/pool.js';
import { prefetch } from '../../../src/pipeline/prefetch.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('prefetch keeps order, runs ahead by its depth and no further', async (t) => {
  let made = 0;
  async function* source(): AsyncGenerator<number> {
    for (let i = 0; i < 6; i += 1) {
      made += 1;
      yield i;
    }
  }
  const seen: number[] = [];
  const ahead: number[] = [];
  for await (const item of prefetch(source(), 2)) {
    await turn();
    ahead.push(made - seen.length - 1);
    seen.push(item);
  }
  t.same(seen, [0, 1, 2, 3, 4, 5]);
  t.equal(Math.max(...ahead), 2);
});

t.test('an error comes after the items before it', async (t) => {
  async function* source(): AsyncGenerator<number> {
    yield 1;
    throw new Error('broken');
  }
  const seen: number[] = [];
  await t.rejects(
    (async () => {
      for await (const item of prefetch(source(), 3)) seen.push(item);
    })(),
    { message: 'broken' },
  );
  t.same(seen, [1]);
});

t.test('leaving early does not wait for a source that is stuck', async (t) => {
  async function* source(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => {});
  }
  for await (const item of prefetch(source(), 1)) {
    t.equal(item, 1);
    break;
  }
  t.pass('left');
});

t.test('a pool lends each buffer to one borrower at a time', async (t) => {
  const pool = new BufferPool(2, () => new Uint8Array(1));
  const a = await pool.acquire();
  const b = await pool.acquire();
  t.not(a.data, b.data);
  let third: Uint8Array | undefined;
  const waiting = pool.acquire().then((lease) => {
    third = lease.data;
  });
  await turn();
  t.equal(third, undefined, 'waits while all are lent');
  a.release();
  a.release();
  await waiting;
  t.equal(third, a.data);
  const fourth = pool.acquire();
  b.release();
  t.equal((await fourth).data, b.data, 'giving back twice does not lend one buffer twice');
});
