/** Luma at several resolutions, each half the one before. Pure. */
import type { Extent } from './small-frame.js';

/** A plane of luma, in levels of 8 bits. */
export interface Luma extends Extent {
  readonly luma: Float32Array;
}

/** A frame goes on for so many pixels beyond its edges. */
export const MARGIN = 16;

/** A resolution of a frame, with a margin around it. */
export interface Level extends Extent {
  /** Samples of a row, with the margins. */
  readonly stride: number;
  readonly padded: Float32Array;
}

/** Returns a frame at its resolutions of at least so many pixels a side: first itself, in any case. */
export function levelsOf(frame: Luma, coarsest: number): readonly Level[] {
  const levels: Level[] = [];
  let { luma, width, height } = frame;
  for (;;) {
    levels.push(withMargin(luma, { width, height }));
    const half = { width: width >> 1, height: height >> 1 };
    if (Math.min(half.width, half.height) < coarsest) return levels;
    luma = halved(luma, width, half);
    ({ width, height } = half);
  }
}

function halved(luma: Float32Array, stride: number, { width, height }: Extent): Float32Array {
  const made = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 2 * y * stride + 2 * x;
      made[y * width + x] =
        ((luma[at] ?? 0) + (luma[at + 1] ?? 0) + (luma[at + stride] ?? 0) + (luma[at + stride + 1] ?? 0)) / 4;
    }
  }
  return made;
}

function withMargin(luma: Float32Array, { width, height }: Extent): Level {
  const stride = width + 2 * MARGIN;
  const padded = new Float32Array(stride * (height + 2 * MARGIN));
  for (let y = 0; y < height + 2 * MARGIN; y++) {
    const row = Math.min(height - 1, Math.max(0, y - MARGIN)) * width;
    for (let x = 0; x < stride; x++)
      padded[y * stride + x] = luma[row + Math.min(width - 1, Math.max(0, x - MARGIN))] ?? 0;
  }
  return { width, height, stride, padded };
}
