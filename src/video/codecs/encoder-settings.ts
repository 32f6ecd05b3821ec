/**
 * Options of encoders that a user may set: each codec of the table lists its own. Nothing that decides
 * frames, keyframes, threads, formats or files is among them. Pure.
 */

/** An option that an encoder takes. */
export interface EncoderSetting {
  /** ffmpeg's own option, or one of x265's or SVT-AV1's list of parameters. */
  readonly place: 'option' | 'parameter';
  /** The values that it takes, for messages. */
  readonly takes: string;
  allows(value: string): boolean;
}

/** Those of a codec, by their names. */
export type EncoderSettings = Readonly<Record<string, EncoderSetting>>;

/** Names and values that were chosen, in the order of the names. */
export type ChosenSettings = readonly (readonly [name: string, value: string])[];

/** Returns an option that takes one of these words. */
export function oneOf(words: readonly string[], place: EncoderSetting['place'] = 'option'): EncoderSetting {
  return { place, takes: words.join(', '), allows: (value) => words.includes(value) };
}

/** Returns an option that takes a decimal number within bounds, without an exponent. */
export function decimal(
  least: number,
  most: number,
  place: EncoderSetting['place'] = 'option',
): EncoderSetting {
  const allows = (value: string): boolean =>
    /^-?\d{1,4}(?:\.\d{1,4})?$/.test(value) && Number(value) >= least && Number(value) <= most;
  return { place, takes: `a number from ${least} to ${most}`, allows };
}

/** Returns an option that takes a whole number within bounds. */
export function whole(
  least: number,
  most: number,
  place: EncoderSetting['place'] = 'option',
): EncoderSetting {
  const { allows } = decimal(least, most, place);
  return {
    ...{ place, takes: `a whole number from ${least} to ${most}` },
    allows: (value) => !value.includes('.') && allows(value),
  };
}

/** Returns the chosen options of a place, as ffmpeg's words: `-name:v value`, or `name=value` of a list. */
export function settingWords(
  chosen: ChosenSettings,
  settings: EncoderSettings,
  place: EncoderSetting['place'],
): readonly string[] {
  const own = chosen.filter(([name]) => settings[name]?.place === place);
  return own.flatMap(([name, value]) => (place === 'option' ? [`-${name}:v`, value] : [`${name}=${value}`]));
}

/** Returns the chosen options as a line, for the journal and for messages. */
export function settingsText(chosen: ChosenSettings): string {
  return chosen.map(([name, value]) => `${name}=${value}`).join(' ');
}
