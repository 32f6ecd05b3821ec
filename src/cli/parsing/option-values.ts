import type { JobError } from '../../system/errors.js';
import { type Rational, reduced } from '../../video/formats/rational.js';

/** Returns checks of option values, whose errors `usage` makes. Undefined values pass. */
export function optionValues(usage: (message: string) => JobError) {
  return {
    /** Returns a whole number from `least` to `most`. */
    whole<T extends number | undefined>(option: string, value: T, least: number, most: number): T {
      if (value === undefined || (Number.isInteger(value) && isWithin(value, least, most))) return value;
      throw usage(`--${option} takes a whole number from ${least} to ${most}`);
    },

    /** Returns a number from `least` to `most`. */
    inRange<T extends number | undefined>(option: string, value: T, least: number, most: number): T {
      if (value === undefined || isWithin(value, least, most)) return value;
      throw usage(`--${option} takes a number from ${least} to ${most}`);
    },

    /** Returns `auto`, or a whole number from 1 to `most`. */
    autoOrCount(option: string, text: string, most: number): 'auto' | number {
      if (text === 'auto') return 'auto';
      const count = Number(text);
      if (Number.isInteger(count) && count >= 1 && count <= most) return count;
      throw usage(`--${option} takes auto or a whole number from 1 to ${most}, not ${JSON.stringify(text)}`);
    },
  };
}

/**
 * Returns a positive number that a text gives as a decimal or a fraction, in lowest terms: `0.5`,
 * `30000/1001`; undefined for anything else, and for more than nine digits on either side.
 */
export function rationalOf(text: string): Rational | undefined {
  const [, whole = '', decimals = '', over = '1'] =
    /^(\d{1,9})(?:\.(\d{1,9})|\/(\d{1,9}))?$/.exec(text) ?? [];
  const [num, den] = [Number(`${whole}${decimals}`), Number(over) * 10 ** decimals.length];
  return num > 0 && den > 0 && num <= Number.MAX_SAFE_INTEGER ? reduced({ num, den }) : undefined;
}

function isWithin(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}

/**
 * Returns the index of a video stream.
 *
 * @throws {JobError} usage: when the text is not a number from 0.
 */
export function videoIndexOf(
  usage: (message: string) => JobError,
  text: string | undefined,
): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw usage(`--video takes the number of a stream, from 0, not ${JSON.stringify(text)}`);
}
