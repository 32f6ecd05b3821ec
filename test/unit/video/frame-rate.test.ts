/** Which rate is taken for a video's. */
import t from 'tap';
import { approximated } from '../../../src/video/formats/rational.js';
import { nominalRate, rateOfTimes } from '../../../src/video/source/frame-rate.js';

const MILLISECONDS = { num: 1, den: 1000 };
const NTSC = { num: 30_000, den: 1001 };

t.test('usual rates stay as they are, others come as near as two numbers of six digits can', async (t) => {
  for (const rate of [NTSC, { num: 25, den: 1 }, { num: 1, den: 10 }, { num: 450_000, den: 15_017 }]) {
    t.strictSame(nominalRate(rate), rate);
  }
  t.strictSame(nominalRate({ num: 100, den: 4 }), { num: 25, den: 1 });
  t.strictSame(nominalRate(undefined), { num: 25, den: 1 });
  for (const [num, den] of [
    [1_260_000, 41_999],
    [9_600_000, 320_543],
    [2_147_483_647, 71_582_789],
    [1001, 500_000_009],
  ] as const) {
    const rate = nominalRate({ num, den });
    t.ok(Math.max(rate.num, rate.den) <= 1_001_000, `${num}/${den} as ${rate.num}/${rate.den}`);
    t.ok(Math.abs((rate.num / rate.den / num) * den - 1) < 1e-3, 'and near');
  }
});

t.test('a ratio that is too large or too small for its terms becomes the last one that is not', async (t) => {
  t.strictSame(approximated({ num: 12_345, den: 2 }, 1000), { num: 1000, den: 1 });
  t.strictSame(approximated({ num: 2, den: 12_345 }, 1000), { num: 1, den: 1000 });
  t.strictSame(approximated({ num: 31_415_927, den: 10_000_000 }, 1000), { num: 355, den: 113 });
});

t.test('what ffprobe guesses is believed where the times agree', async (t) => {
  const times = Array.from({ length: 60 }, (_, n) => Math.round((n * 1001) / 30));
  t.strictSame(rateOfTimes(times, MILLISECONDS, NTSC), NTSC);
  t.strictSame(rateOfTimes(times, MILLISECONDS, { num: 1000, den: 1 }), { num: 59_000, den: 1969 });
  t.strictSame(rateOfTimes(times, MILLISECONDS, undefined), { num: 59_000, den: 1969 });
  const shuffled = [0, 120, 40, 80];
  t.strictSame(rateOfTimes(shuffled, MILLISECONDS, undefined), { num: 25, den: 1 }, 'decoding order');
  const paused = [0, 40, 80, 5000, 5040, 5080, 5120];
  t.strictSame(rateOfTimes(paused, MILLISECONDS, undefined), { num: 25, den: 1 }, 'a pause is none of it');
});

t.test('without times a guess is believed up to what a camera does', async (t) => {
  for (const times of [[], [7], [7, 7]]) {
    t.strictSame(rateOfTimes(times, MILLISECONDS, NTSC), NTSC);
    t.equal(rateOfTimes(times, MILLISECONDS, { num: 1000, den: 1 }), undefined);
    t.equal(rateOfTimes(times, MILLISECONDS, undefined), undefined);
  }
});
