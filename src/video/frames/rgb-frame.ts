/** Converts frames in wire format to RGB, for showing them. Pure. */
import {
  type ColourMatrix,
  chromaSize,
  codesPerLevel,
  type FrameFormat,
  frameBytes,
  largestCode,
  neutralChroma,
  samplesOf,
} from '../formats/frame-format.js';

/** Weights of red and blue in luma (ITU-R BT.601, BT.709, BT.2020). */
const WEIGHTS: Readonly<Record<ColourMatrix, { readonly red: number; readonly blue: number }>> = {
  bt601: { red: 0.299, blue: 0.114 },
  bt709: { red: 0.2126, blue: 0.0722 },
  bt2020: { red: 0.2627, blue: 0.0593 },
};

/** Fixed point: so many bits after the point. */
const BITS = 14;

/**
 * Returns a frame as RGB: 8 bits, interleaved, row by row. Each chroma sample counts for all of its pixels.
 *
 * @throws {RangeError} when the frame is not one of this size.
 */
export function rgbOfFrame(frame: Uint8Array, format: FrameFormat): Uint8Array {
  const { width, height, sample } = format;
  if (frame.length !== frameBytes(format))
    throw new RangeError(`a frame of ${frame.length} bytes is not one of ${width}x${height}`);
  const { luma, chroma, black, redOfV, greenOfU, greenOfV, blueOfU } = factorsOf(format);
  const [codes, neutral] = [samplesOf(frame, sample), neutralChroma(sample)];
  const colours = chromaSize(format);
  const shift = sample.chromaShift;
  const planeU = width * height;
  const planeV = planeU + colours.width * colours.height;
  const rgb = new Uint8ClampedArray(3 * width * height);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = (y >> shift.y) * colours.width;
    for (let x = 0; x < width; x++) {
      const at = row + (x >> shift.x);
      const grey = ((codes[y * width + x] ?? 0) - black) * luma + (1 << (BITS - 1));
      const u = ((codes[planeU + at] ?? 0) - neutral) * chroma;
      const v = ((codes[planeV + at] ?? 0) - neutral) * chroma;
      rgb[to] = (grey + v * redOfV) >> BITS;
      rgb[to + 1] = (grey - u * greenOfU - v * greenOfV) >> BITS;
      rgb[to + 2] = (grey + u * blueOfU) >> BITS;
      to += 3;
    }
  }
  return new Uint8Array(rgb.buffer);
}

function factorsOf({ matrix, range, sample }: FrameFormat) {
  const { red, blue } = WEIGHTS[matrix];
  const green = 1 - red - blue;
  const one = 2 ** BITS;
  const limited = range === 'limited';
  const [step, full] = [codesPerLevel(sample), (one * 255) / largestCode(sample)];
  return {
    luma: limited ? (one * 255) / (219 * step) : full,
    chroma: limited ? (one * 255) / (224 * step) : full,
    black: limited ? 16 * step : 0,
    redOfV: 2 * (1 - red),
    greenOfU: (2 * blue * (1 - blue)) / green,
    greenOfV: (2 * red * (1 - red)) / green,
    blueOfU: 2 * (1 - blue),
  };
}
