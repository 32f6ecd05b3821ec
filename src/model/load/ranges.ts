import { JobError } from '../../system/errors.js';
import type { Int8Entry } from './manifest.js';
import { checkedDigest, readLimited, resolveInside } from './model-files.js';

/** Least and greatest value of each channel. What lies beyond is clipped. */
export interface ChannelRange {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** A convolution that may run in int8: the network's name of its weights, and what goes in and comes out. */
export interface Int8Conv {
  readonly weight: string;
  readonly before: ChannelRange;
  readonly behind: ChannelRange;
}

const MOST_BYTES = 2 ** 24;

/**
 * The ranges for `chosen` rows, out of `rows`, of the file that a manifest's key `int8` names: for several, which are
 * blended, the least and the greatest of them. A row holds for each convolution the least values of its inputs' channels,
 * their greatest, the outputs' least and their greatest, as little-endian float32.
 *
 * @throws {JobError} model: when the file is not what the manifest says, or holds what are no ranges.
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
      `the ranges "${path}" have ${bytes.length} bytes; the manifest tells of ${4 * rows * length}`,
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
    const sound = found.low.every((low, at) => low <= (found.high[at] ?? Number.NaN));
    if (!sound || ![...found.low, ...found.high].every(Number.isFinite))
      throw new JobError('model', `"${path}" holds numbers that are no ranges`);
    return found;
  };
  const convs = entry.convolutions.map(({ weight, inputs, outputs }) => ({
    weight,
    before: range(inputs),
    behind: range(outputs),
  }));
  return { convs, sha256 };
}
