import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { inferenceOf } from '../../../src/model/session/inference.js';
import { eachOf, type InferenceStreams } from '../../../src/model/session/inference-streams.js';
import { inferenceFailure, sessionFailure } from '../../../src/model/session/session-errors.js';
import { infer } from '../../../src/pipeline/infer-stage.js';
import { StageMeter } from '../../../src/pipeline/meter.js';
import { BufferPool } from '../../../src/pipeline/pool.js';
import type { Shard } from '../../../src/pipeline/rounds.js';
import type { NativeSession } from '../../../src/system/native.js';
import { fakeWorlds } from '../../fixtures/fake-worlds.js';

/** A run that the test ends. */
interface Run {
  readonly stream: number;
  readonly input: number;
  readonly finish: () => void;
  readonly fail: (error: Error) => void;
}

/** Inference over one-byte frames on streams that the test controls: each result is the frame and 100. */
function rig(count: 1 | 2, rounds: number, idle: readonly number[] = [], rank = 0) {
  const runs: Run[] = [];
  const stream = (number: number): NativeSession => ({
    ...{ inputs: [], outputs: [], notes: [], dispose: async () => {} },
    run: ([input], [output]) =>
      new Promise((resolve, reject) => {
        const finish = (): void => {
          output?.fill((input?.[0] ?? 0) + 100);
          resolve();
        };
        runs.push({ stream: number, input: input?.[0] ?? -1, finish, fail: reject });
      }),
  });
  const streams: InferenceStreams = count === 1 ? [stream(0)] : [stream(0), stream(1)];
  const released: number[] = [];
  async function* shards(): AsyncGenerator<Shard> {
    for (let i = 0; i < rounds; i += 1) {
      const data = Uint8Array.of(i);
      yield {
        pts: [i],
        counts: Array.from({ length: rank + 1 }, () => (idle.includes(i) ? 0 : 1)),
        shard: { data, release: () => void released.push(i) },
      };
    }
  }
  const world = fakeWorlds(Array.from({ length: rank + 1 }, (_, at) => at))[rank];
  if (world === undefined) throw new Error('there is such a rank');
  const meter = new StageMeter();
  let made = 0;
  const buffers = new BufferPool(2 + count, () => {
    made += 1;
    return new Uint8Array(1);
  });
  const shape = { batch: 1, frameBytes: 1, styledBytes: 1 };
  const inferences = eachOf(streams, (one) => inferenceOf(one, shape));
  const context = { world, inferences, meter, buffers, batch: 1 };
  return { runs, released, meter, styled: infer(shards(), context), made: () => made };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await turn();
}

t.test('on two streams two runs are under way, and results keep the order of the rounds', async (t) => {
  const { runs, released, meter, styled } = rig(2, 4);
  const first = styled.next();
  await settle();
  t.same(
    runs.map(({ stream, input }) => [stream, input]),
    [
      [0, 0],
      [1, 1],
    ],
  );
  t.same(released, [], 'inputs stay while they are read');
  runs[1]?.finish();
  let given = false;
  first.then(() => {
    given = true;
  });
  await settle();
  t.notOk(given, 'the second is not given before the first');
  runs[0]?.finish();
  t.equal((await first).value?.shard.data[0], 100);
  const second = await styled.next();
  t.equal(second.value?.shard.data[0], 101);
  second.value?.shard.release();
  await settle();
  t.same(
    runs.slice(2).map(({ stream, input }) => [stream, input]),
    [[0, 2]],
    'the third took the place of the first',
  );
  const rest = Promise.all([styled.next(), styled.next(), styled.next()]);
  await settle();
  for (const run of runs.slice(2)) run.finish();
  t.same(
    (await rest).map(({ value }) => value?.shard.data[0]),
    [102, 103, undefined],
  );
  t.same(released, [0, 1, 2, 3]);
  t.equal(meter.read().frames, 4);
});

t.test('on one stream one run is under way', async (t) => {
  const { runs, styled } = rig(1, 2);
  const first = styled.next();
  await settle();
  t.equal(runs.length, 1);
  runs[0]?.finish();
  await first;
  await settle();
  t.equal(runs.length, 1, 'the next begins when its result is asked for');
  const second = styled.next();
  await settle();
  runs[1]?.finish();
  t.equal((await second).value?.shard.data[0], 101);
});

t.test('a round without frames of this rank takes no stream', async (t) => {
  const { runs, styled } = rig(2, 3, [1]);
  const all = Promise.all([styled.next(), styled.next(), styled.next()]);
  await settle();
  runs[0]?.finish();
  await settle();
  t.same(
    runs.map(({ stream, input }) => [stream, input]),
    [
      [0, 0],
      [1, 2],
    ],
  );
  runs[1]?.finish();
  t.equal((await all).at(-1)?.value?.shard.data[0], 102);
});

t.test('a buffer is made for the first frame that needs it', async (t) => {
  const idle = rig(1, 3, [0, 1, 2], 1);
  for (let i = 0; i < 3; i += 1) t.equal((await idle.styled.next()).value?.shard.data.length, 0);
  t.equal(idle.made(), 0, 'a rank without frames makes none');
  const { runs, styled, made } = rig(1, 3, [0, 1], 1);
  for (let i = 0; i < 2; i += 1) (await styled.next()).value?.shard.release();
  const third = styled.next();
  await settle();
  runs[0]?.finish();
  t.equal((await third).value?.shard.data[0], 102);
  t.equal(made(), 1);
  const root = rig(1, 1, [0]);
  await root.styled.next();
  t.equal(root.made(), 1, 'the root has one for what the others make');
});

t.test('a pool makes so many buffers and no more, and says why it cannot make one', async (t) => {
  let made = 0;
  const pool = new BufferPool(2, () => {
    if (made === 2) throw new Error('no memory');
    made += 1;
    return Uint8Array.of(made);
  });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  const third = pool.acquire();
  first.release();
  t.same((await third).data, Uint8Array.of(1));
  second.release();
  t.equal(made, 2);
  const poor = new BufferPool(1, () => {
    throw new Error('no memory');
  });
  await t.rejects(poor.acquire(), { message: 'no memory' });
});

t.test('a failed run is thrown in its turn, and the one after it is left alone', async (t) => {
  const { runs, styled } = rig(2, 3);
  const first = styled.next();
  await settle();
  runs[1]?.fail(new Error('of the second'));
  runs[0]?.finish();
  await first;
  await t.rejects(styled.next(), { message: 'of the second' });
  const other = rig(2, 3);
  const failing = other.styled.next();
  await settle();
  other.runs[0]?.fail(new Error('of the first'));
  other.runs[1]?.fail(new Error('of the second'));
  await t.rejects(failing, { message: 'of the first' });
});

t.test('what failed in a run is said with its frames, and what to do', async (t) => {
  const failing = async (code: string, message: string): Promise<unknown> => {
    const { runs, styled } = rig(1, 3, [1]);
    const results = (async () => {
      for await (const { shard } of styled) shard.release();
    })();
    results.catch(() => {}); // looked at below
    await settle();
    runs[0]?.finish();
    await settle();
    runs[1]?.fail(Object.assign(new Error(message), { code }));
    return results.then(
      () => undefined,
      (error: unknown) => error,
    );
  };
  const at = "at frame 2 of this rank's frames: ";
  t.match(
    await failing('ERR_PROVIDER', 'CUDA cannot be used: CUDA failure 719: unspecified launch failure'),
    {
      ...{ name: 'JobError', code: 'provider', hint: /nvidia-smi/ },
      message: `${at}CUDA cannot be used: CUDA failure 719: unspecified launch failure`,
    },
  );
  const lost = 'inference failed: Failed to allocate memory for requested buffer of size 99';
  t.match(await failing('ERR_ORT', lost), {
    ...{
      name: 'JobError',
      code: 'provider',
      message: `${at}${lost}`,
      hint: /^free memory on that host.*resumes the job$/,
    },
  });
  const little = 'inference failed: there is not enough memory for a block of 99 bytes';
  t.match(await failing('ERR_MEMORY', little), {
    ...{ name: 'JobError', code: 'limit', message: `${at}${little}`, hint: /^free memory on that host/ },
  });
  const before = sessionFailure(Object.assign(new Error(little), { code: 'ERR_MEMORY' }));
  t.match(before, {
    code: 'limit',
    message: `the model cannot run: ${little}`,
    hint: /fewer ranks there/,
  });
  t.match(await failing('ERR_ORT', 'inference failed: no such index'), { name: 'JobError', code: 'model' });
  t.match(await failing('ERR_STATE', 'disposed'), { name: 'Error', message: 'disposed' }, 'our own defect');
  const large = inferenceFailure(Object.assign(new Error('CUDA out of memory'), { code: 'ERR_PROVIDER' }), {
    ...{ first: 5, last: 8, batch: 4 },
  });
  t.match(large, { message: /^at frames 5 to 8 of/, hint: /--batch below 4, with --restart/ });
});

t.test('time that runs overlap is booked once', async (t) => {
  let now = 0;
  const real = performance.now;
  performance.now = () => now;
  t.teardown(() => {
    performance.now = real;
  });
  const meter = new StageMeter();
  const work = (): { readonly booked: Promise<void>; readonly end: () => void } => {
    let end = (): void => {};
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    return { booked: meter.time('infer', done), end };
  };
  const a = work(); // 0 to 10 s
  now = 5000;
  const b = work(); // 5 to 8 s, within the first
  now = 8000;
  b.end();
  await b.booked;
  t.equal(meter.inference().seconds, 8);
  now = 10_000;
  a.end();
  await a.booked;
  t.equal(meter.inference().seconds, 10);
  now = 20_000;
  const c = work(); // 20 to 21 s, after a pause
  now = 21_000;
  c.end();
  await c.booked;
  t.equal(meter.read().seconds.infer, 11);
});
