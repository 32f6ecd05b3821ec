/** PSNR and SSIM of two frames, as FFmpeg's filters psnr and ssim define them. Pure. */
import type { Samples } from '../formats/frame-format.js';

/** A plane of 8-bit samples, without padding between rows. */
export interface SamplePlane {
  readonly samples: Samples;
  readonly width: number;
  readonly height: number;
}

const LARGEST = 255;
/** SSIM looks at windows of 8x8 samples, which begin at every fourth sample. */
const STEP = 4;
const WINDOW = 64;
/** The constants of Wang et al. 2004, as FFmpeg rounds them for sums over 64 samples of 8 bits. */
const C1 = Math.floor(0.01 * 0.01 * LARGEST * LARGEST * WINDOW + 0.5);
const C2 = Math.floor(0.03 * 0.03 * LARGEST * LARGEST * WINDOW * (WINDOW - 1) + 0.5);

/** Returns the mean squared difference of two planes of one size, in levels of 8 bits, squared. */
export function meanSquaredError(one: SamplePlane, other: SamplePlane): number {
  const [a, b] = [one.samples, other.samples];
  let sum = 0;
  for (let at = 0; at < a.length; at++) {
    const apart = (a[at] ?? 0) - (b[at] ?? 0);
    sum += apart * apart;
  }
  return sum / a.length;
}

/** Returns the PSNR of a mean squared error of 8-bit samples, in dB; infinite if there is none. */
export function psnrOf(error: number): number {
  return 10 * Math.log10((LARGEST * LARGEST) / error);
}

/** Returns the mean of a value of each plane, weighted by the samples of the planes. */
export function overPlanes(planes: readonly SamplePlane[], values: readonly number[]): number {
  const all = planes.reduce((sum, { samples }) => sum + samples.length, 0);
  return planes.reduce((sum, { samples }, at) => sum + ((values[at] ?? 0) * samples.length) / all, 0);
}

/** Returns whether planes of this size hold a window. */
export function holdsWindow({ width, height }: { readonly width: number; readonly height: number }): boolean {
  return Math.min(width, height) >= 2 * STEP;
}

/**
 * Returns the mean structural similarity of two planes of one size, 1 for the same: Wang et al. 2004 over
 * windows without weights, like FFmpeg's filter ssim. (Version 5.1 gives other values on x86 for planes of
 * some widths, unless its assembly is off.) Each side is at least 8 samples.
 */
export function ssimOf(one: SamplePlane, other: SamplePlane): number {
  const [across, down] = [one.width >> 2, one.height >> 2];
  let above = new Float64Array(4 * across);
  let sums = new Float64Array(4 * across);
  let total = 0;
  for (let row = 0; row < down; row++) {
    [above, sums] = [sums, above];
    sumBlocks(one, other, row, sums);
    if (row === 0) continue;
    for (let at = 0; at < 4 * (across - 1); at += 4) {
      const around = (part: number): number =>
        (above[at + part] ?? 0) +
        (above[at + 4 + part] ?? 0) +
        (sums[at + part] ?? 0) +
        (sums[at + 4 + part] ?? 0);
      total += similarity(around(0), around(1), around(2), around(3));
    }
  }
  return total / ((across - 1) * (down - 1));
}

/** Sums samples, their squares and their products over the blocks of 4x4 of a row of blocks. */
function sumBlocks(one: SamplePlane, other: SamplePlane, row: number, sums: Float64Array): void {
  const { width } = one;
  const [a, b] = [one.samples, other.samples];
  for (let at = 0; at < sums.length; at += 4) {
    let [first, second, squares, products] = [0, 0, 0, 0];
    for (let y = 0; y < STEP; y++) {
      const from = (row * STEP + y) * width + at;
      for (let x = from; x < from + STEP; x++) {
        const [p, q] = [a[x] ?? 0, b[x] ?? 0];
        first += p;
        second += q;
        squares += p * p + q * q;
        products += p * q;
      }
    }
    sums[at] = first;
    sums[at + 1] = second;
    sums[at + 2] = squares;
    sums[at + 3] = products;
  }
}

/** Returns the similarity of a window from its sums. */
function similarity(first: number, second: number, squares: number, products: number): number {
  const variances = squares * WINDOW - first * first - second * second;
  const covariance = products * WINDOW - first * second;
  return (
    ((2 * first * second + C1) * (2 * covariance + C2)) /
    ((first * first + second * second + C1) * (variances + C2))
  );
}
