/** A picture in memory that others are drawn into. */
import type { Size } from '../model/load/network.js';
import { GLYPH, hasDot } from './glyphs.js';

/** RGB, 8 bits, interleaved, row by row. */
export interface RgbPicture extends Size {
  readonly samples: Uint8Array;
}

/** The place of a picture or a text: its left upper corner. */
export interface Corner {
  readonly left: number;
  readonly top: number;
}

/** Pixels from one letter to the next, and from one line to the next, at a scale of 1. */
export const LETTER_STEP = GLYPH.width + 1;
export const LINE_STEP = GLYPH.height + 2;

/** Returns a picture of one grey. */
export function greyPicture({ width, height }: Size, level: number): RgbPicture {
  return { width, height, samples: new Uint8Array(3 * width * height).fill(level) };
}

/** Copies `picture` into `onto`, where it must have room. */
export function drawPicture(onto: RgbPicture, picture: RgbPicture, { left, top }: Corner): void {
  const bytes = 3 * picture.width;
  for (let y = 0; y < picture.height; y++) {
    const row = picture.samples.subarray(y * bytes, (y + 1) * bytes);
    onto.samples.set(row, 3 * ((top + y) * onto.width + left));
  }
}

/** Writes a line of text, each dot as `scale` by `scale` pixels. What has no room is left out. */
export function drawText(
  onto: RgbPicture,
  text: string,
  { left, top }: Corner,
  scale: number,
  level: number,
): void {
  for (const [at, letter] of [...text].entries()) {
    for (let x = 0; x < scale * GLYPH.width; x++) {
      for (let y = 0; y < scale * GLYPH.height; y++) {
        const place = { x: left + at * scale * LETTER_STEP + x, y: top + y };
        if (place.x >= onto.width || place.y >= onto.height) continue;
        if (!hasDot(letter, Math.floor(x / scale), Math.floor(y / scale))) continue;
        const to = 3 * (place.y * onto.width + place.x);
        onto.samples.fill(level, to, to + 3);
      }
    }
  }
}

/** Returns the part of a picture of at most this size around its middle. */
export function middleOf(picture: RgbPicture, most: Size): RgbPicture {
  const [width, height] = [Math.min(picture.width, most.width), Math.min(picture.height, most.height)];
  const left = Math.floor((picture.width - width) / 2);
  const top = Math.floor((picture.height - height) / 2);
  const samples = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((top + y) * picture.width + left);
    samples.set(picture.samples.subarray(from, from + 3 * width), 3 * width * y);
  }
  return { width, height, samples };
}

/** Returns a picture resized to exactly this size; itself if it has it. */
export async function resizedTo(picture: RgbPicture, { width, height }: Size): Promise<RgbPicture> {
  if (picture.width === width && picture.height === height) return picture;
  const { default: sharp } = await import('sharp');
  const raw = { width: picture.width, height: picture.height, channels: 3 } as const;
  const samples = await sharp(picture.samples, { raw, limitInputPixels: false })
    .resize(width, height, { fit: 'fill' })
    .raw()
    .toBuffer();
  return { width, height, samples };
}
