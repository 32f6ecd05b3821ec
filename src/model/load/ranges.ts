import { JobError } from '../../system/errors.js';
import type { Int8Entry } from './manifest.js';
import { checkedDigest, readLimited, resolveInside } from './model-files.js';

/** Least and greatest value of each channel. Values beyond them are clipped. */
export interface ChannelRange {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** A convolution that may run in int8: the name of its weights in the network, and its channels' ranges. */
export interface Int8Conv {
  readonly weight: string;
  readonly input: ChannelRange;
  readonly output: ChannelRange;
}

const MOST_BYTES = 2 ** 24;

/**
 * Reads the ranges in the `chosen` rows, out of `rows`, of the file of a manifest's key `int8`. For several
 * rows, of styles that are blended, it takes the least and the greatest values. A row has, for each
 * convolution, the least values of the input channels, their greatest, the least of the output channels and
 * their greatest, as little-endian float32.
 *
 * @throws {JobError} model: when the file is not as the manifest says, or contains invalid ranges.
 */
export async function readRanges(
  manifest: string,
  entry: Int8Entry,
  rows: number,
  chosen: readonly number[],
): Promise<{ readonly convs: readonly Int8Conv[]; readonly sha256: string }> {
  const path = await resolveInside(manifest, entry.file);
  const bytes = await readLimited(path, MOST_BYTES);
  const sha256 = checkedDigest(bytes, entry.sha256, path);
  const length = entry.convolutions.reduce((sum, { inputs, outputs }) => sum + 2 * (inputs + outputs), 0);
  if (bytes.length !== 4 * rows * length) {
    throw new JobError(
      'model',
      `the ranges "${path}" have ${bytes.length} bytes; by the manifest they must have ${4 * rows * length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const across = (at: number, count: number, worst: (...values: number[]) => number) =>
    Array.from({ length: count }, (_, channel) =>
      worst(...chosen.map((row) => view.getFloat32(4 * (row * length + at + channel), true))),
    );
  let from = 0;
  const range = (count: number) => {
    const found = { low: across(from, count, Math.min), high: across(from + count, count, Math.max) };
    from += 2 * count;
    const ordered = found.low.every((low, at) => low <= (found.high[at] ?? Number.NaN));
    if (!ordered || ![...found.low, ...found.high].every(Number.isFinite))
      throw new JobError('model', `"${path}" contains invalid ranges`);
    return found;
  };
  const convs = entry.convolutions.map(({ weight, inputs, outputs }) => ({
    weight,
    input: range(inputs),
    output: range(outputs),
  }));
  return { convs, sha256 };
}
