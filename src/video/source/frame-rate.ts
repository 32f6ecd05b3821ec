/** What is taken for a video's frame rate: for rate control and segment lengths, never for timestamps. */
import { JobError } from '../../system/errors.js';
import { approximated, type Rational } from '../formats/rational.js';
import { listPackets } from './compressed-packets.js';
import type { SourceFacts } from './source-facts.js';

/** Where a video does not tell its rate. */
export const UNKNOWN_RATE: Rational = { num: 25, den: 1 };
/** ffmpeg replaces rates of larger terms by others, unasked. */
const MOST_RATE_TERM = 1_001_000;
/** Packets whose times tell the rate. */
const PACKETS = 100;
/** A gap between two times that is so much longer than the others is a pause, or where another recording begins. */
const LONGEST_GAP = 10;
/** A guess that is off by a larger part than this is another rate, not the same one without its rounding. */
const MOST_DIFFERENCE = 0.05;
/** Frames a second beyond which a guess is none: of uneven times it is often a thousand, one for each tick. */
const MOST_GUESSED = 240;

/** The rate that a video is encoded at by name: its own, as near as ffmpeg's options can say it. */
export function nominalRate(averageRate: Rational | undefined): Rational {
  return approximated(averageRate ?? UNKNOWN_RATE, MOST_RATE_TERM);
}

/**
 * The average rate of a video whose container tells none, by the times of its first packets; ffprobe's guess where that is
 * near. Undefined where neither says anything. Never rejects: what is wrong with the file shows when it is decoded.
 */
export async function measuredRate(
  source: SourceFacts,
  guess: Rational | undefined,
): Promise<Rational | undefined> {
  const times: number[] = [];
  try {
    for await (const { pts, dts } of listPackets(source)) {
      const time = pts ?? dts;
      if (time !== undefined) times.push(time);
      if (times.length === PACKETS) break;
    }
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
  }
  return rateOfTimes(times, source.video.timeBase, guess);
}

/** The same, given the times in ticks of `timeBase`. Pure. */
export function rateOfTimes(
  times: readonly number[],
  timeBase: Rational,
  guess: Rational | undefined,
): Rational | undefined {
  const ordered = [...times].sort((a, b) => a - b);
  const gaps = ordered.map((time, n) => time - (ordered[n - 1] ?? time)).filter((gap) => gap > 0);
  gaps.sort((a, b) => a - b);
  const median = gaps[Math.floor(gaps.length / 2)];
  if (median === undefined)
    return guess !== undefined && perSecond(guess) <= MOST_GUESSED ? guess : undefined;
  const steady = gaps.filter((gap) => gap <= LONGEST_GAP * median);
  const ticks = steady.reduce((sum, gap) => sum + gap, 0);
  const exact = { num: steady.length * timeBase.den, den: ticks * timeBase.num };
  const measured = approximated(exact, MOST_RATE_TERM);
  const near = guess !== undefined && Math.abs(perSecond(guess) / perSecond(measured) - 1) <= MOST_DIFFERENCE;
  return near ? guess : measured;
}

function perSecond({ num, den }: Rational): number {
  return num / den;
}
