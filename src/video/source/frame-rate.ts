/** Finds a video's frame rate for rate control and segment lengths; timestamps never depend on it. */
import { JobError } from '../../system/errors.js';
import { approximated, type Rational } from '../formats/rational.js';
import { listPackets } from './compressed-packets.js';
import type { SourceFacts } from './source-facts.js';

/** The rate of a video without a known one. */
export const UNKNOWN_RATE: Rational = { num: 25, den: 1 };
/** ffmpeg silently replaces rates of larger terms by others. */
const MOST_RATE_TERM = 1_001_000;
/** Packets whose times are measured. */
const PACKETS = 100;
/** A gap that is so many times longer than the others is a pause, or another recording begins there. */
const LONGEST_GAP = 10;
/** A guess that is off by a larger part is another rate, not the same one without its rounding. */
const MOST_DIFFERENCE = 0.05;
/**
 * Frames per second above which a guess is ignored: for uneven times it is often a thousand, one per tick.
 */
const MOST_GUESSED = 240;

/** Returns the rate to encode a video at: its own, as close as ffmpeg's options can express it. */
export function nominalRate(averageRate: Rational | undefined): Rational {
  return approximated(averageRate ?? UNKNOWN_RATE, MOST_RATE_TERM);
}

/**
 * Measures the average rate of a video whose container gives none, by the times of its first packets; returns
 * ffprobe's guess if that is close. Undefined if neither is known. Never rejects: faults of the file show
 * when it is decoded.
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

/** Returns the same from times in ticks of `timeBase`. Pure. */
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
