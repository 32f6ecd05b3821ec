/** Which frames --every and --fps take: a function of their numbers and times alone. */
import t from 'tap';
import { framesTaken, samplingOf, samplingText } from '../../../src/job/context/sampling.js';
import { sampledDecoder, samplerOf } from '../../../src/job/split/sampled-decoder.js';
import type { Rational } from '../../../src/video/formats/rational.js';
import type { Decoder } from '../../../src/video/frames/decode.js';
import { randomNumbers } from '../../fixtures/random.js';

/** A decoder of frames with these PTS. */
function fakeDecoder(pts: readonly number[]): Decoder {
  let next = 0;
  return {
    async read() {
      next += 1;
      return pts[next - 1];
    },
    warnings: ['a warning'],
    concealed: { messages: 0, timestampsMoved: 0, timestampJumps: 0 },
    async [Symbol.asyncDispose]() {},
  };
}

interface Taken {
  readonly number: number;
  readonly pts: number;
}

/** The frames that are taken, as a job takes them that resumes after `before`. */
async function taken(
  fps: Rational,
  timeBase: Rational,
  pts: readonly number[],
  before: readonly Taken[] = [],
): Promise<Taken[]> {
  const [first, last] = [before[0], before.at(-1)];
  const position = last === undefined ? 0 : last.number + 1;
  const earlier =
    first === undefined || last === undefined ? undefined : { first: first.pts, last: last.pts };
  const sampler = samplerOf({ kind: 'fps', fps }, timeBase, earlier);
  const decoder = sampledDecoder(fakeDecoder(pts.slice(position)), sampler, position);
  const all = [...before];
  for (;;) {
    const time = await decoder.read(new Uint8Array());
    if (time === undefined) return all;
    all.push({ number: decoder.numberOf(time), pts: time });
    t.throws(() => decoder.numberOf(time), RangeError, 'each number is given once');
  }
}

/** The rule as its words say: for each multiple of 1 / fps, the first frame at or after it. */
function plainTaken(fps: Rational, timeBase: Rational, pts: readonly number[]): Taken[] {
  const [first = 0] = pts;
  const numbers = new Set<number>();
  for (let multiple = 0n; ; multiple += 1n) {
    const isAtOrAfter = (time: number): boolean =>
      BigInt(time - first) * BigInt(timeBase.num) * BigInt(fps.num) >=
      multiple * BigInt(fps.den) * BigInt(timeBase.den);
    const found = pts.findIndex(isAtOrAfter);
    if (found < 0) break;
    numbers.add(found);
  }
  return [...numbers].map((number) => ({ number, pts: pts[number] ?? 0 }));
}

t.test('--fps takes the first frame at or after each multiple, wherever a job resumes', async (t) => {
  const random = randomNumbers(11);
  const rates = [
    ...[1, 2, 7, 24, 50].map((num) => ({ num, den: 1 })),
    ...[
      { num: 1, den: 2 },
      { num: 30000, den: 1001 },
      { num: 1, den: 10 },
    ],
  ];
  for (const timeBase of [
    { num: 1, den: 90000 },
    { num: 1, den: 1000 },
    { num: 1001, den: 30000 },
  ]) {
    for (const fps of rates) {
      // Uneven times of some 12 to 60 frames per second with a gap, from below zero.
      let time = -3000;
      const pts = Array.from({ length: 60 }, (_, at) => {
        const step = (at === 30 ? 2.7 : 0.016 + 0.06 * random()) * (timeBase.den / timeBase.num);
        time += Math.max(1, Math.round(step));
        return time;
      });
      const what = `${fps.num}/${fps.den} of ${timeBase.num}/${timeBase.den}`;
      const whole = await taken(fps, timeBase, pts);
      t.same(whole, plainTaken(fps, timeBase, pts), what);
      for (const stop of [1, 2, Math.ceil(whole.length / 2), whole.length]) {
        t.same(
          await taken(fps, timeBase, pts, whole.slice(0, stop)),
          whole,
          `${what}, resumed after ${stop}`,
        );
      }
    }
  }
});

t.test('times that are multiples exactly, at any distance', async (t) => {
  const ntsc = { num: 30000, den: 1001 };
  const timeBase = { num: 1, den: 90000 };
  // A day of NTSC, of which some frames are looked at: 3003 ticks each.
  const pts = Array.from({ length: 50 }, (_, at) => 3003 * (2_589_000 + at));
  t.equal((await taken(ntsc, timeBase, pts)).length, 50, 'its own rate takes each frame');
  t.same(
    (await taken({ num: 15000, den: 1001 }, timeBase, pts)).map(({ number }) => number),
    Array.from({ length: 25 }, (_, at) => 2 * at),
    'half of it every second one',
  );
});

t.test('a video with fewer frames gives each of them once', async (t) => {
  const pts = [0, 40, 5000, 5040, 60000];
  const all = await taken({ num: 60, den: 1 }, { num: 1, den: 1000 }, pts);
  t.same(
    all.map(({ number }) => number),
    [0, 1, 2, 3, 4],
  );
});

t.test('what the journal and the progress say', async (t) => {
  const fps = { num: 1, den: 2 };
  t.equal(samplingOf({ every: 1, fps: undefined }), undefined);
  const [every, perSecond] = [samplingOf({ every: 3, fps: undefined }), samplingOf({ every: 1, fps })];
  t.same(
    [every, perSecond].map((one) => one && samplingText(one)),
    ['every 3', '1/2 per second'],
  );
  const rate = { num: 25, den: 1 };
  t.same(
    [undefined, every, perSecond].map((one) => framesTaken(one, 100, rate)),
    [100, 34, 2],
  );
  t.equal(framesTaken({ kind: 'fps', fps: { num: 60, den: 1 } }, 100, rate), 100, 'no more than there are');
});
