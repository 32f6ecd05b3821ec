import t, { type Test } from 'tap';
import { StageMeter } from '../../../src/pipeline/meter.js';
import { MOST_SPANS, spanLog } from '../../../src/pipeline/spans.js';
import { MOST_BINS, sharesIn, timeBins } from '../../../src/pipeline/time-bins.js';

/** Puts a clock in place of the real one. Returns a function that sets it, in seconds. */
function fakeClock(t: Test): (seconds: number) => void {
  let now = 0;
  const real = performance.now;
  performance.now = () => now;
  t.teardown(() => {
    performance.now = real;
  });
  return (seconds) => {
    now = 1000 * seconds;
  };
}

t.test('time and frames go to the bins in which they were spent', async (t) => {
  const setClock = fakeClock(t);
  setClock(100); // the bins begin when they are made, not with the process
  const bins = timeBins();
  bins.add('infer', 100_050, 100_300);
  setClock(100.25);
  bins.addFrame();
  bins.addFrame();
  const { binSeconds, busy, frames } = bins.read();
  t.equal(binSeconds, 0.1);
  t.same(Object.keys(busy), ['infer'], 'stages that never worked are absent');
  t.same(sharesIn(busy.infer ?? ''), [18 / 35, 1, 1], 'half of the first bin, all of the next two');
  t.same(frames, [0, 0, 2]);
});

t.test('bins merge and double when they are full, and lose nothing', async (t) => {
  const setClock = fakeClock(t);
  const bins = timeBins();
  for (let second = 0; second < 40_000; second += 1) {
    bins.add('encode', 1000 * second, 1000 * second + 500);
    setClock(second + 0.5);
    bins.addFrame();
  }
  const { binSeconds, busy, frames = [] } = bins.read();
  t.ok(frames.length <= MOST_BINS && frames.length > MOST_BINS / 2, `${frames.length} bins after 11 hours`);
  t.equal(Math.log2(binSeconds / 0.1) % 1, 0, 'a whole number of doublings');
  t.equal(
    frames.reduce((sum, count) => sum + count, 0),
    40_000,
  );
  const mean = sharesIn(busy.encode ?? '').slice(0, -1);
  t.ok(
    mean.every((share) => Math.abs(share - 0.5) < 0.02),
    'half of every bin',
  );
  const most = { decode: busy, scatter: busy, infer: busy, gather: busy, encode: busy };
  const wire = JSON.stringify({ busy: Object.values(most).map((one) => one.encode), frames });
  t.ok(wire.length < 4000, `${wire.length} bytes go to rank 0`);
});

t.test('a wait for work counts as that, not as decoding', async (t) => {
  const setClock = fakeClock(t);
  const meter = new StageMeter(undefined, true);
  let end = (): void => {};
  const decoding = meter.time(
    'decode',
    new Promise<void>((resolve) => {
      end = resolve;
    }),
  );
  setClock(0.8);
  meter.waited(200, 'decode');
  setClock(1);
  end();
  await decoding;
  const { seconds, timeline, spans } = meter.read();
  t.match(seconds, { decode: 0.4, scatter: 0.6 });
  t.same(spans, {
    decode: [
      [0, 200_000, 200_000],
      [800_000, 1_000_000, 200_000],
    ],
    scatter: [[200_000, 800_000, 600_000]],
  });
  t.equal(timeline.busy.decode, 'zz000000zz');
  t.equal(timeline.busy.scatter, '00zzzzzz00');
});

t.test(
  'spans are whole microseconds, and merge where they are closest when there are too many',
  async (t) => {
    const setClock = fakeClock(t);
    setClock(100);
    const few = spanLog();
    few.add('infer', 100_000.0004, 100_001.5);
    few.add('infer', 100_001.6, 100_001.6);
    few.add('decode', 100_000, 100_003);
    t.same(few.read(), { decode: [[0, 3000, 3000]], infer: [[0, 1500, 1500]] }, 'none without a length');

    setClock(0);
    const many = spanLog();
    // Pairs of 2 ms, 3 ms apart, every 100 ms.
    for (let pair = 0; pair < 100_000; pair += 1) {
      many.add('encode', 100 * pair, 100 * pair + 2);
      many.add('encode', 100 * pair + 5, 100 * pair + 7);
    }
    const spans = many.read().encode ?? [];
    t.ok(spans.length <= MOST_SPANS && spans.length > MOST_SPANS / 8, `${spans.length} spans`);
    t.same([spans[0]?.[0], spans.at(-1)?.[1]], [0, 9_999_907_000], 'the first and the last are kept');
    t.equal(
      spans.reduce((sum, [, , busy]) => sum + busy, 0),
      400_000_000,
      'no work is lost',
    );
    t.ok(spans.every(([from], at) => at === 0 || from > (spans[at - 1]?.[1] ?? 0)));
  },
);

t.test('without a trace no spans are kept', async (t) => {
  const meter = new StageMeter();
  await meter.time('infer', Promise.resolve());
  t.notOk('spans' in meter.read());
});
