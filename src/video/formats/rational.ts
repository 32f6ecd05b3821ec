import { JobError } from '../../system/errors.js';

/** Thrown for a time that has no exact value in another time base, or none that a JavaScript number holds. */
export class InexactTime extends JobError {
  constructor(message: string) {
    super('internal', message);
  }
}

/** A ratio of whole numbers: a time base (seconds per tick), a frame rate or a sample aspect ratio. */
export interface Rational {
  readonly num: number;
  readonly den: number;
}

/** Returns `ratio` in lowest terms. Both parts must be whole numbers above zero. */
export function reduced(ratio: Rational): Rational {
  let [a, b] = [ratio.num, ratio.den];
  while (b !== 0) [a, b] = [b, a % b];
  return { num: ratio.num / a, den: ratio.den / a };
}

/**
 * Returns `ratio` in lowest terms if both parts are at most `most`; otherwise the last approximation of its
 * continued fraction with such parts. Both parts must be whole numbers above zero, and are in the result.
 */
export function approximated(ratio: Rational, most: number): Rational {
  let { num: a, den: b } = reduced(ratio);
  let before = { num: 0, den: 1 };
  let last = { num: 1, den: 0 };
  while (b !== 0) {
    const whole = Math.floor(a / b);
    const next = { num: whole * last.num + before.num, den: whole * last.den + before.den };
    if (next.num > most || next.den > most) break;
    [before, last] = [last, next];
    [a, b] = [b, a % b];
  }
  if (last.den === 0) return { num: most, den: 1 };
  return last.num === 0 ? { num: 1, den: most } : last;
}

/**
 * Returns a time of `ticks` in time base `from`, in ticks of `to`.
 *
 * @throws {InexactTime} when it is not a whole number of ticks, or not one that a JavaScript number holds
 *   exactly.
 */
export function rescaleExact(ticks: number, from: Rational, to: Rational): number {
  const result = rescaleDown(ticks, from, to);
  if (
    BigInt(result) * BigInt(from.den) * BigInt(to.num) !==
    BigInt(ticks) * BigInt(from.num) * BigInt(to.den)
  ) {
    throw new InexactTime(
      `time ${ticks} at ${from.num}/${from.den} has no exact value at ${to.num}/${to.den}`,
    );
  }
  return result;
}

/**
 * Returns the same, rounded down, for times from 0 on.
 *
 * @throws {InexactTime} when a JavaScript number does not hold it exactly.
 */
export function rescaleDown(ticks: number, from: Rational, to: Rational): number {
  const result = Number(
    (BigInt(ticks) * BigInt(from.num) * BigInt(to.den)) / (BigInt(from.den) * BigInt(to.num)),
  );
  if (!Number.isSafeInteger(result)) throw new InexactTime(`time ${ticks} is too large`);
  return result;
}
