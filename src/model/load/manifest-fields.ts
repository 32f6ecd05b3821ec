/** What all manifests have in common: how they name things, files and numbers. */
import { posix } from 'node:path';
import { NAMED_RANGES, type ValueRange } from '../ports/tensors.js';
import type { Fields } from './json-fields.js';

/** The precision of a GPU. */
export type Precision = 'fp32' | 'fp16';
export const PRECISIONS: readonly Precision[] = ['fp32', 'fp16'];
export const MAX_SCALE = 4;
export const MAX_MULTIPLE = 256;
/** Largest mix of the model with its source: past 1 it exaggerates. */
export const MAX_STRENGTH = 1.5;

/** Limits of numbers that stand for black and white: those of float16, twice over. */
const SAMPLE = { min: -131_072, max: 131_072 };

/** Reads a range: a name, the numbers of black and white, or mean and std of each channel. */
export function valueRange(tensor: Fields, channels: number): ValueRange {
  if (!tensor.isObject('range')) return tensor.choice('range', NAMED_RANGES);
  return tensor.object('range', (range) => {
    if (range.has('black') || range.has('white')) {
      const [black, white] = [range.number('black', SAMPLE), range.number('white', SAMPLE)];
      if (black === white) range.fail('white', 'must differ from "black"');
      // x = (value - black) / (white - black).
      const [mean, std] = [-black / (white - black), 1 / (white - black)];
      return { mean: Array<number>(channels).fill(mean), std: Array<number>(channels).fill(std) };
    }
    const mean = range.numbers('mean', channels);
    const std = range.numbers('std', channels);
    if (std.some((value) => value <= 0)) range.fail('std', 'must hold positive numbers');
    return { mean, std };
  });
}

/** Reads a name that can be typed on a command line. */
export function name(object: Fields): string {
  const value = object.string('name');
  // Names are typed on a command line, where `:` and `,` separate weights and styles.
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/i.test(value)) {
    object.fail(
      'name',
      'must be letters, digits, ".", "_" and "-", 64 at most, and start with a letter or digit',
    );
  }
  return value;
}

/** Reads a SHA-256. */
export function digest(object: Fields, key: string): string {
  const value = object.string(key).toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(value)) object.fail(key, 'must be a SHA-256 in hexadecimal');
  return value;
}

/**
 * Reads a path. A manifest is untrusted: its files must lie in its own folder (links: see `resolveInside`).
 */
export function fileReference(object: Fields, key: string): string {
  const value = object.string(key);
  const inside = !posix.isAbsolute(value) && !value.split('/').includes('..') && !/[\0\\]/.test(value);
  if (!inside || value === '' || value.endsWith('/')) {
    object.fail(key, 'must be a relative path inside the manifest\'s own folder, without ".."');
  }
  return value;
}

/** Returns an object with a key, or an empty one without a value. */
export function optional<K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: T });
}
