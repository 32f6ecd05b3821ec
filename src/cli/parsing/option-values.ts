import type { JobError } from '../../system/errors.js';

/** Checks of an option's value, for a command whose usage errors `usage` makes. What is not given passes. */
export function optionValues(usage: (message: string) => JobError) {
  return {
    /** A whole number from `least` to `most`. */
    whole<T extends number | undefined>(option: string, value: T, least: number, most: number): T {
      if (value === undefined || (Number.isInteger(value) && isWithin(value, least, most))) return value;
      throw usage(`--${option} takes a whole number from ${least} to ${most}`);
    },

    /** A number from `least` to `most`. */
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
 * @throws what `usage` makes of a text that is none.
 */
export function videoIndexOf(
  usage: (message: string) => JobError,
  text: string | undefined,
): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw usage(`--video takes the number of a stream, from 0, not ${JSON.stringify(text)}`);
}
