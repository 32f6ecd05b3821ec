/** Names of sequences: `frames/%06d.png` stands for numbered pictures in a folder, as in FFmpeg. Pure. */
import { basename, dirname } from 'node:path';

/** The kinds of pictures that a sequence is read or written as. */
export type SequenceFormat = 'png' | 'tiff' | 'jpeg';

/** The names of a sequence. */
export interface NumberedNames {
  readonly folder: string;
  readonly format: SequenceFormat;
  /** The text before and after the number. */
  readonly before: string;
  readonly after: string;
  /** The least digits of a number, filled with zeros. */
  readonly digits: number;
}

/** The largest number of a picture: FFmpeg counts in 32 bits. */
export const MOST_NUMBER = 2 ** 31 - 1;

const FORMATS: Readonly<Record<string, SequenceFormat>> = {
  png: 'png',
  tif: 'tiff',
  tiff: 'tiff',
  jpg: 'jpeg',
  jpeg: 'jpeg',
};
/** One `%d` or `%06d`, between text whose own percent signs are doubled. */
const PATTERN = /^((?:[^%]|%%)*)%(?:0(\d{1,2}))?d((?:[^%]|%%)*\.(\w+))$/s;
/** The most digits of a name. */
const MOST_DIGITS = 20;

/** Returns the names that a path stands for; undefined if it is not a pattern of numbered pictures. */
export function numberedNames(path: string): NumberedNames | undefined {
  const [, before, digits = '1', after, suffix = ''] = PATTERN.exec(basename(path)) ?? [];
  const known = suffix.toLowerCase();
  const format = Object.hasOwn(FORMATS, known) ? FORMATS[known] : undefined;
  const least = Math.max(1, Number(digits));
  if (before === undefined || after === undefined || format === undefined || least > MOST_DIGITS)
    return undefined;
  const plain = (text: string): string => text.replaceAll('%%', '%');
  return { folder: dirname(path), format, before: plain(before), after: plain(after), digits: least };
}

/** Returns whether a path is a pattern of numbered pictures. */
export function isSequence(path: string): boolean {
  return numberedNames(path) !== undefined;
}

/** Returns the name of the picture with this number, without its folder. */
export function nameOfNumber({ before, after, digits }: NumberedNames, number: number): string {
  return `${before}${String(number).padStart(digits, '0')}${after}`;
}

/** Returns the number of the picture with this name; undefined if the name is not one of the sequence. */
export function numberOfName(names: NumberedNames, name: string): number | undefined {
  const text = name.slice(names.before.length, name.length - names.after.length);
  if (!/^\d{1,10}$/.test(text.replace(/^0+(?=\d)/, ''))) return undefined;
  const number = Number(text);
  return number <= MOST_NUMBER && nameOfNumber(names, number) === name ? number : undefined;
}

/** Returns the pattern as FFmpeg takes it: percent signs in the folder's name are doubled, too. */
export function ffmpegPattern({ folder, before, after, digits }: NumberedNames): string {
  const doubled = (text: string): string => text.replaceAll('%', '%%');
  return `${doubled(folder)}/${doubled(before)}%0${digits}d${doubled(after)}`;
}
