import type { JobError } from '../../system/errors.js';

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
  };
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
