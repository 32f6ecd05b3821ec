/** Turns frames as a display matrix says, for showing them. Pure. */
import { type DisplaySigns, signsOf } from '../formats/display-matrix.js';
import { chromaSize, type FrameLayout, type Samples, samplesOf } from '../formats/frame-format.js';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A plane of samples. */
interface Plane extends Size {
  readonly samples: Samples;
}

/**
 * Returns a frame rotated by quarters or mirrored as players show it, and its layout. A frame that the matrix
 * would slant or scale stays as it is.
 */
export function turnFrame<F extends FrameLayout>(
  frame: Uint8Array,
  format: F,
  matrix: readonly number[] | undefined,
): { readonly frame: Uint8Array; readonly format: F } {
  const signs = matrix && signsOf(matrix);
  if (signs === undefined || (signs.a === 1 && signs.d === 1)) return { frame, format };
  const planes = planesOf(frame, format).map((plane) => turnPlane(plane, signs));
  const turned = Buffer.concat(planes.map(({ buffer }) => new Uint8Array(buffer)));
  return { frame: turned, format: { ...format, ...turnedSize(format, matrix) } };
}

/** Returns the size of a frame that is turned so. */
export function turnedSize({ width, height }: Size, matrix: readonly number[] | undefined): Size {
  return isSideways(matrix) ? { width: height, height: width } : { width, height };
}

/** Returns whether the matrix swaps width and height. */
export function isSideways(matrix: readonly number[] | undefined): boolean {
  return (matrix && signsOf(matrix))?.a === 0;
}

/** Returns the planes of a frame: luma, U and V. */
export function planesOf(frame: Uint8Array, format: FrameLayout): readonly Plane[] {
  const { width, height } = format;
  const chroma = chromaSize(format);
  const [luma, each] = [width * height, chroma.width * chroma.height];
  const all = samplesOf(frame, format.sample);
  return [
    { samples: all.subarray(0, luma), width, height },
    { samples: all.subarray(luma, luma + each), ...chroma },
    { samples: all.subarray(luma + each, luma + 2 * each), ...chroma },
  ];
}

/** Moves each sample from x, y to ax + cy, bx + dy, counted from the other side where that is negative. */
function turnPlane({ samples, width, height }: Plane, { a, b, c, d }: DisplaySigns): Samples {
  const across = a === 0 ? height : width;
  const down = a === 0 ? width : height;
  const [left, top] = [a + c < 0 ? across - 1 : 0, b + d < 0 ? down - 1 : 0];
  const turned =
    samples instanceof Uint8Array ? new Uint8Array(samples.length) : new Uint16Array(samples.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = (top + b * x + d * y) * across + left + a * x + c * y;
      turned[to] = samples[y * width + x] ?? 0;
    }
  }
  return turned;
}
