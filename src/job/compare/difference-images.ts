/** Images of the frames that differ most: both, and their difference. */
import type { Size } from '../../model/load/network.js';
import { encodePicture } from '../../pictures/encode.js';
import { type RgbPicture, resizedTo } from '../../pictures/raster.js';
import { rgbOfFrame } from '../../video/frames/rgb-frame.js';
import { imageBudget, RUN_STILLS } from '../report/stills.js';
import type { ComparedFormats, WorstFrame } from './measure.js';

/** JPEG files of a frame. */
export interface DifferenceImages {
  readonly frame: number;
  readonly seconds: number;
  readonly reference: Buffer;
  readonly other: Buffer;
  readonly difference: Buffer;
  /** Differences are shown so many times as large. */
  readonly gain: number;
}

/** The widest and highest of an image, in pixels. */
const MOST_SIDE = 360;
const MOST_GAIN = 64;
/** The largest part of the samples that may be too large to show. */
const MOST_CUT_OFF = 0.005;
const LARGEST = 255;

/** Makes the images of frames, as many as a page has room for. */
export async function differenceImages(
  frames: readonly WorstFrame[],
  formats: Pick<ComparedFormats, 'reference' | 'other'>,
): Promise<readonly DifferenceImages[]> {
  const budget = imageBudget(RUN_STILLS.mostBytes);
  const made: DifferenceImages[] = [];
  for (const { frame, seconds, ...data } of frames) {
    const { width, height } = formats.reference;
    const [a, b] = [rgbOfFrame(data.reference, formats.reference), rgbOfFrame(data.other, formats.other)];
    const { difference, gain } = amplified(a, b);
    const [reference, other, apart] = await Promise.all(
      [a, b, new Uint8Array(difference.buffer)].map((samples) => jpeg({ width, height, samples })),
    );
    if (reference === undefined || other === undefined || apart === undefined) continue;
    if (budget.fits(reference, other, apart))
      made.push({ frame, seconds, reference, other, difference: apart, gain });
  }
  return made;
}

/** Returns the difference of two pictures, amplified by a power of two: few of its samples are cut off. */
export function amplified(
  one: Uint8Array,
  other: Uint8Array,
): { readonly difference: Uint8ClampedArray; readonly gain: number } {
  const difference = Uint8ClampedArray.from(one, (level, at) => Math.abs(level - (other[at] ?? 0)));
  const counts = new Float64Array(LARGEST + 1);
  for (const level of difference) counts[level] = (counts[level] ?? 0) + 1;
  const cutOff = (gain: number): number =>
    counts.reduce((sum, count, level) => sum + (gain * level > LARGEST ? count : 0), 0);
  let gain = 1;
  while (gain < MOST_GAIN && cutOff(2 * gain) <= MOST_CUT_OFF * difference.length) gain *= 2;
  return { difference: difference.map((level) => level * gain), gain };
}

async function jpeg(picture: RgbPicture): Promise<Buffer> {
  const scale = Math.min(1, MOST_SIDE / Math.max(picture.width, picture.height));
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  const size: Size = { width: side(picture.width), height: side(picture.height) };
  const small = await resizedTo(picture, size);
  return encodePicture(small.samples, size, 'jpeg');
}
