/**
 * The sequences of pictures that this process reads as videos. FFmpeg may open other files only for these: a
 * path that nobody has declared is always one file.
 */
import { ffmpegPattern, type NumberedNames } from '../../storage/location/numbered-names.js';
import type { Rational } from '../formats/rational.js';

/** A sequence whose files have been checked. */
export interface DeclaredSequence {
  readonly names: NumberedNames;
  /** Frames per second. */
  readonly rate: Rational;
  /** The number of its first picture, and how many there are. */
  readonly first: number;
  readonly count: number;
  /** Size of all of them. */
  readonly bytes: number;
}

const declared = new Map<string, DeclaredSequence>();

/** Makes `path` mean this sequence, wherever ffmpeg and ffprobe read it. */
export function declareSequence(path: string, sequence: DeclaredSequence): void {
  declared.set(path, sequence);
}

/** Returns the sequence that a path means; undefined if it is one file. */
export function declaredSequence(path: string): DeclaredSequence | undefined {
  return declared.get(path);
}

/** Returns ffmpeg's options and URL for a sequence; undefined for one file. */
export function sequenceInput(
  path: string,
): { readonly options: readonly string[]; readonly url: string } | undefined {
  const sequence = declared.get(path);
  if (sequence === undefined) return undefined;
  const { names, rate, first } = sequence;
  return {
    options: [
      ...['-f', 'image2', '-pattern_type', 'sequence', '-framerate', `${rate.num}/${rate.den}`],
      ...['-start_number', String(first), '-start_number_range', '1', '-err_detect', 'crccheck+explode'],
    ],
    url: `file:${ffmpegPattern(names)}`,
  };
}
