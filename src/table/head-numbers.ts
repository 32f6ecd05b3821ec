/** What heads do with the numbers of their tensors. */
import type { Corners, Geometry } from './geometry.js';
import type { Floats } from './numbers.js';

/** In place of a tensor that is not there. */
export const NOTHING: Floats = new Float32Array(0);
export const MOST_CLASS = 2 ** 31 - 1;

/** Returns whether a number is that of a class: whole, from 0, and within int32. */
export function isClass(label: number): boolean {
  return Number.isInteger(label) && label >= 0 && label <= MOST_CLASS;
}

/** Returns which of `count` numbers is the largest, but for number `without`; NaN only if all are. */
export function largest(tensor: Floats, from: number, step: number, count: number, without = -1): number {
  let best = without === 0 ? 1 : 0;
  let most = Number.NaN;
  for (let each = 0; each < count; each += 1) {
    const value = tensor[from + each * step] ?? Number.NaN;
    if (each === without || Number.isNaN(value) || value <= most) continue;
    best = each;
    most = value;
  }
  return best;
}

/** Returns the softmax of number `of`, rounded to float32; NaN if any of the numbers is. */
export function softmaxOf(tensor: Floats, from: number, count: number, of: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let each = 0; each < count; each += 1) most = Math.max(most, tensor[from + each] ?? Number.NaN);
  let sum = 0;
  for (let each = 0; each < count; each += 1) sum += Math.exp((tensor[from + each] ?? Number.NaN) - most);
  return Math.fround(Math.exp((tensor[from + of] ?? Number.NaN) - most) / sum);
}

/** Returns the sigmoid of a number, rounded to float32. */
export function sigmoidOf(value: number): number {
  return Math.fround(1 / (1 + Math.exp(-value)));
}

/** Gives the corners of centre x, centre y, width and height, which lie `step` numbers apart from `at`. */
export function fromCentre(tensor: Floats, at: number, step: number, into: Corners): void {
  const x = tensor[at] ?? 0;
  const y = tensor[at + step] ?? 0;
  const halfWidth = (tensor[at + 2 * step] ?? 0) / 2;
  const halfHeight = (tensor[at + 3 * step] ?? 0) / 2;
  into[0] = x - halfWidth;
  into[1] = y - halfHeight;
  into[2] = x + halfWidth;
  into[3] = y + halfHeight;
}

/** Turns corners of 0 to 1 across the model's input to pixels of it. */
export function toPixels(corners: Corners, { modelWidth, modelHeight }: Geometry): void {
  for (let at = 0; at < 4; at += 1) {
    corners[at] = (corners[at] ?? 0) * (at % 2 === 0 ? modelWidth : modelHeight);
  }
}
