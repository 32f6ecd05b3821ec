/** Times of a video as people write them. Pure. */

/**
 * Returns the seconds of a time such as `90`, `1:30`, `0:01:30.5`; undefined for anything else. Minutes and
 * seconds after a colon are below 60.
 */
export function parseClock(text: string): number | undefined {
  const match = /^(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,7}(?:\.\d{1,6})?)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, hours, minutes, seconds] = match;
  if (minutes !== undefined && Number(seconds) >= 60) return undefined;
  if (hours !== undefined && Number(minutes) >= 60) return undefined;
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds);
}

/** Returns seconds as `1:02:03.5`: hours only if there are any, and no more decimals than hundredths. */
export function clockText(seconds: number): string {
  const hundredths = Math.round(seconds * 100);
  const whole = Math.floor(hundredths / 100);
  const rest = hundredths % 100;
  const decimals = rest === 0 ? '' : `.${String(rest).padStart(2, '0').replace(/0$/, '')}`;
  const [hours, minutes, last] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours === 0
    ? `${minutes}:${two(last)}${decimals}`
    : `${hours}:${two(minutes)}:${two(last)}${decimals}`;
}

/** Returns `count` times spread over a video of this length, to the hundredth below; one of a short one. */
export function spreadTimes(seconds: number | undefined, count: number): readonly number[] {
  if (seconds === undefined || seconds < 0.1) return [0];
  const times = Array.from({ length: count }, (_, at) => (seconds * (2 * at + 1)) / (2 * count));
  return times.map((time) => Math.floor(time * 100) / 100);
}
