/** Puts a frame and its result into one frame. Pure. */
import {
  codesPerLevel,
  type FrameFormat,
  frameBytes,
  largestCode,
  neutralChroma,
} from '../../video/formats/frame-format.js';
import { planesOf } from '../../video/frames/turn-frame.js';
import type { ComparisonLayout } from './preview-options.js';

/** Puts frames together, of which both halves have one format. */
export interface Joiner {
  /** Format of the frames that come out: of even size. */
  readonly format: FrameFormat;
  /** Returns a frame that shows `left`, the source, and `right`, in memory that the next call overwrites. */
  join(left: Uint8Array, right: Uint8Array): Uint8Array;
}

/** Pixels of the white line between the halves of a split screen. */
const LINE = 2;

/** Returns what puts frames of this format together. An odd last column or row is left out. */
export function joiner(format: FrameFormat, layout: ComparisonLayout): Joiner {
  const even = { width: format.width & ~1, height: format.height & ~1 };
  const isSplit = layout === 'split-screen';
  const joined = { ...format, height: even.height, width: isSplit ? even.width : 2 * even.width };
  const into = new Uint8Array(frameBytes(joined));
  // In chroma it is one sample less.
  const middle = (even.width / 2) & ~1;
  const white = format.range === 'limited' ? 235 * codesPerLevel(format.sample) : largestCode(format.sample);
  return {
    format: joined,
    join(left, right) {
      const [lefts, rights] = [planesOf(left, format), planesOf(right, format)];
      for (const [at, to] of planesOf(into, joined).entries()) {
        const [from, other] = [lefts[at], rights[at]];
        if (from === undefined || other === undefined) continue;
        const shift = at === 0 ? 0 : 1;
        const own = even.width >> shift;
        const cut = isSplit ? middle >> shift : own;
        for (let y = 0; y < to.height; y++) {
          const row = to.samples.subarray(y * to.width, (y + 1) * to.width);
          const source = from.samples.subarray(y * from.width, y * from.width + own);
          const result = other.samples.subarray(y * other.width, y * other.width + own);
          row.set(source.subarray(0, cut));
          row.set(isSplit ? result.subarray(cut) : result, cut);
          if (isSplit) row.fill(at === 0 ? white : neutralChroma(format.sample), cut, cut + (LINE >> shift));
        }
      }
      return into;
    },
  };
}

/** Returns a frame with each pixel as `scale` by `scale` pixels, and its format. */
export function repeatPixels(
  frame: Uint8Array,
  format: FrameFormat,
  scale: number,
): { readonly frame: Uint8Array; readonly format: FrameFormat } {
  if (scale === 1) return { frame, format };
  const larger = { ...format, width: format.width * scale, height: format.height * scale };
  const made = new Uint8Array(frameBytes(larger));
  const planes = planesOf(frame, format);
  for (const [at, to] of planesOf(made, larger).entries()) {
    const from = planes[at];
    if (from === undefined) continue;
    for (let y = 0; y < to.height; y++) {
      for (let x = 0; x < to.width; x++) {
        const [column, row] = [Math.floor(x / scale), Math.floor(y / scale)];
        to.samples[y * to.width + x] = from.samples[row * from.width + column] ?? 0;
      }
    }
  }
  return { frame: made, format: larger };
}
