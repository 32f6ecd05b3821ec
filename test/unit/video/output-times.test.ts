/** When the frames of the finished file are shown. */
import t from 'tap';
import { timescaleFor } from '../../../src/video/mux/mux-command.js';
import { outputTimes, packetTimes } from '../../../src/video/mux/output-times.js';
import type { SourceFacts } from '../../../src/video/source/probe.js';

const MILLISECONDS = { num: 1, den: 1000 };

function source(format: string, startTime: number, subtitlesFrom?: number): SourceFacts {
  return {
    format,
    startTime,
    video: { index: 0, timeBase: MILLISECONDS, averageRate: { num: 25, den: 1 } },
    streams: [
      { index: 0, type: 'video', startTime },
      ...(subtitlesFrom === undefined ? [] : [{ index: 1, type: 'subtitle', startTime: subtitlesFrom }]),
    ],
  } as unknown as SourceFacts;
}

t.test('a clock begins at zero, unless it begins near it', async (t) => {
  const shift = (facts: SourceFacts, first: number) => outputTimes(facts, [first, first + 40], 40).shift;
  t.equal(shift(source('matroska,webm', 0), 0), 0);
  t.equal(shift(source('matroska,webm', 0), 700), 0, 'the video begins after the audio');
  t.equal(shift(source('mov,mp4,m4a,3gp,3g2,mj2', 0.5), 500), 0, 'half a second is somebody’s will');
  t.equal(shift(source('mov,mp4,m4a,3gp,3g2,mj2', 4999.979), 5_000_000), -4_999_979);
  t.equal(shift(source('flv', 5000), 5_000_023), -5_000_000, 'the distance of 23 ms stays');
  t.equal(shift(source('mpegts', 0.7), 720), -700, 'a broadcast’s begins at zero in any case');
  t.equal(shift(source('matroska,webm', 5, 2), 5000), -2000, 'no subtitle is pushed before zero');
  t.equal(shift(source('matroska,webm', 0), -80), 80, 'no frame lies before zero');
  t.match(outputTimes(source('flv', 5000), [5_000_000], 40).notes, [
    /begins at 5000\.000 s.*to begin at zero/,
  ]);
});

t.test('the last frame ends when the source says, and as the others where it rounds', async (t) => {
  const facts = source('matroska,webm', 0);
  const end = (pts: readonly number[], last: number | undefined) => outputTimes(facts, pts, last).end;
  t.equal(end([0, 40, 80], undefined), 120);
  t.equal(end([0, 40, 80], 41), 120, 'rounded');
  t.equal(end([0, 40, 80], 4500), 4580, 'held');
  t.equal(end([0, 40, 80], 20), 100, 'cut short');
  t.equal(end([0, 42, 83], 42), 125);
  t.equal(end([7], 3000), 3007);
  t.equal(end([0, 3000, 8000], undefined), 8040, 'where nothing is known, as the average rate says');
  const held = outputTimes(facts, [0, 40], 9_000_000);
  t.equal(held.end, 40 + 3_600_000);
  t.match(held.notes, ['The file shows its last frame for 9000 s: shortened to 3600 s.']);
});

/** The decoding times as the muxer has them, by the same rules that the filter's expression follows. */
function decoded(frames: number, delay: number, timeOf: (frame: number) => number, lead: number): number[] {
  return Array.from({ length: frames }, (_, packet) =>
    packet < delay ? timeOf(0) - Math.trunc(((delay - packet) * lead) / delay) : timeOf(packet - delay),
  );
}

t.test('packets add up to the track, whatever is decoded last', async (t) => {
  const constant = (frame: number) => 512 * frame;
  const held = (frame: number) => 3600 * frame + (frame > 22 ? 900_000 : 0);
  for (const [name, timeOf, last] of [
    ['constant', constant, 512],
    ['uneven', (frame: number) => 512 * frame + (frame % 3) * 70, 300],
    ['a wait before the last two', held, 8357],
    ['a last frame that is held', constant, 57_600],
    ['a last frame of one tick', constant, 1],
  ] as const) {
    for (const delay of [0, 1, 2, 4]) {
      for (const frames of [1, 2, 3, 5, 25]) {
        for (const lastDecoded of new Set([frames - 1, Math.max(0, frames - 1 - Math.min(delay, 1))])) {
          const end = timeOf(frames - 1) + last;
          const track = { frames, timeOf, end, frameTicks: 512, decodeDelay: delay, lastDecoded };
          const times = packetTimes({ ...track, lastShown: frames - 1 });
          const dts = decoded(frames, delay, timeOf, times.lead);
          const what = `${name}, ${frames} frames, delay ${delay}, last decoded ${lastDecoded}`;
          t.ok(
            dts.every((time, n) => n === 0 || time > (dts[n - 1] ?? time)),
            `${what}: decoding goes on`,
          );
          const sum = (dts.at(-1) ?? 0) - (dts[0] ?? 0) + times.lastDecodedTicks;
          t.equal(sum, end - timeOf(0), `${what}: the sum`);
          t.ok(timeOf(lastDecoded) + times.lastDecodedTicks <= Math.max(end, timeOf(lastDecoded) + 1), what);
          if (name === 'constant' && frames > 1) {
            t.strictSame([times.lead, times.lastDecodedTicks], [delay * 512, 512], what);
          }
        }
      }
    }
  }
});

t.test('an ISO file’s time scale', async (t) => {
  t.equal(timescaleFor({ num: 1, den: 25 }, 1), 12_800);
  t.equal(timescaleFor({ num: 1001, den: 30_000 }, 1), 30_000);
  t.equal(timescaleFor({ num: 1, den: 90_000 }, 10), 90_000);
  t.equal(timescaleFor({ num: 1, den: 1_000_000_000 }, 1), 1_000_000, 'no finer than players reckon');
  const hours = timescaleFor({ num: 1, den: 90_000 }, 3 * 3600);
  t.ok(hours * 3 * 3600 <= 2 ** 28 && hours > 20_000, 'coarser where a frame lasts for hours');
});
