import { JobError } from '../errors.js';

/** A ratio of whole numbers: a time base (seconds a tick), a frame rate or a sample aspect ratio. */
export interface Rational {
  readonly num: number;
  readonly den: number;
}

/** `ratio` in lowest terms. Both parts must be whole numbers above zero. */
export function reduced(ratio: Rational): Rational {
  let [a, b] = [ratio.num, ratio.den];
  while (b !== 0) [a, b] = [b, a % b];
  return { num: ratio.num / a, den: ratio.den / a };
}

/**
 * A time of `ticks` in time base `from`, in ticks of `to`. Errors: JobError('internal') where it is not a whole number
 * of ticks, or not one that a JavaScript number holds exactly.
 */
export function rescaleExact(ticks: number, from: Rational, to: Rational): number {
  const result = rescaleDown(ticks, from, to);
  if (
    BigInt(result) * BigInt(from.den) * BigInt(to.num) !==
    BigInt(ticks) * BigInt(from.num) * BigInt(to.den)
  ) {
    throw new JobError(
      'internal',
      `time ${ticks} at ${from.num}/${from.den} has no exact value at ${to.num}/${to.den}`,
    );
  }
  return result;
}

/** As `rescaleExact`, of times from 0 on, rounded down. */
export function rescaleDown(ticks: number, from: Rational, to: Rational): number {
  const result = Number(
    (BigInt(ticks) * BigInt(from.num) * BigInt(to.den)) / (BigInt(from.den) * BigInt(to.num)),
  );
  if (!Number.isSafeInteger(result)) throw new JobError('internal', `time ${ticks} is too large`);
  return result;
}
