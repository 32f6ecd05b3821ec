/** Small copies of frames, in which motion and flicker are measured. Pure. */
import { chromaSize, type FrameFormat, frameBytes, type Samples } from '../formats/frame-format.js';
import { rgbOfFrame } from '../frames/rgb-frame.js';
import { planesOf } from '../frames/turn-frame.js';

/** Pixels of a plane of numbers. */
export interface Extent {
  readonly width: number;
  readonly height: number;
}

/** A small frame: luma in levels of 8 bits, and R'G'B' from 0 to 1, interleaved. Row by row. */
export interface SmallFrame extends Extent {
  readonly luma: Float32Array;
  readonly rgb: Float32Array;
}

/** The longest side of a small frame, in pixels. */
export const SMALL_SIDE = 320;

/** Returns the size of small copies of frames: at most `SMALL_SIDE` a side, and never larger than they. */
export function smallSize({ width, height }: Extent): Extent {
  const scale = Math.min(1, SMALL_SIDE / Math.max(width, height));
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  return { width: side(width), height: side(height) };
}

/** Makes small copies of frames of one format. */
export function smallFrames(format: FrameFormat, size: Extent): (frame: Uint8Array) => SmallFrame {
  const chroma = chromaSize(format);
  const small = { ...format, ...size };
  const smallChroma = chromaSize(small);
  const reduceLuma = areaAverage(format, size);
  const reduceChroma = areaAverage(chroma, smallChroma);
  const [pixels, each] = [size.width * size.height, smallChroma.width * smallChroma.height];
  return (frame) => {
    const planes = planesOf(frame, format).map(({ samples }) => samples);
    const luma = reduceLuma(planes[0] ?? frame);
    const samples = new Uint8ClampedArray(frameBytes(small)); // rounds
    samples.set(luma);
    for (const [at, plane] of planes.slice(1).entries()) samples.set(reduceChroma(plane), pixels + at * each);
    const rgb = Float32Array.from(rgbOfFrame(new Uint8Array(samples.buffer), small), (level) => level / 255);
    return { ...size, luma, rgb };
  };
}

/** The samples from `first` on whose weighted sum makes one. */
interface Share {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Returns what makes a plane smaller: each sample becomes the mean of the area that it stands for. */
function areaAverage(from: Extent, to: Extent): (samples: Samples) => Float32Array {
  const [columns, rows] = [sharesOf(from.width, to.width), sharesOf(from.height, to.height)];
  const sums = new Float64Array(from.width);
  return (samples) => {
    const made = new Float32Array(to.width * to.height);
    for (const [y, row] of rows.entries()) {
      sums.fill(0);
      for (const [at, weight] of row.weights.entries()) {
        const start = (row.first + at) * from.width;
        for (let x = 0; x < from.width; x++) sums[x] = (sums[x] ?? 0) + weight * (samples[start + x] ?? 0);
      }
      for (const [x, { first, weights }] of columns.entries()) {
        let sum = 0;
        for (let at = 0; at < weights.length; at++) sum += (weights[at] ?? 0) * (sums[first + at] ?? 0);
        made[y * to.width + x] = sum;
      }
    }
    return made;
  };
}

function sharesOf(from: number, to: number): readonly Share[] {
  return Array.from({ length: to }, (_, at) => {
    const [start, end] = [(at * from) / to, ((at + 1) * from) / to];
    const first = Math.floor(start);
    const weights = Array.from({ length: Math.min(from, Math.ceil(end - 1e-9)) - first }, (_, next) => {
      const covered = Math.min(end, first + next + 1) - Math.max(start, first + next);
      return covered / (end - start);
    });
    return { first, weights };
  });
}
