import { BAR_GREY, geometryOf, placeOf } from '../model/compose/fit.js';
import type { Size } from '../model/load/network.js';
import type { Fit } from '../model/ports/tensors.js';
import { messageOf } from '../system/errors.js';
import type { Geometry } from '../table/geometry.js';
import { formatOfContent } from './formats.js';

/** A picture that cannot be used. The others of its job can. */
export class UnusablePicture extends Error {}

/** A decoded picture: RGB, 8 bits, interleaved, row by row. */
export interface DecodedPicture {
  readonly samples: Uint8Array;
  /** Size of the samples. */
  readonly size: Size;
  /** Size of the picture, upright. */
  readonly source: Size;
  /** How samples of a fitted picture lie in it. */
  readonly geometry: Geometry | undefined;
  /** Pages or frames after the first, which are left out. */
  readonly furtherPages: number;
}

/** The size that a model takes, and how pictures come to it. */
export interface FitTo {
  readonly size: Size;
  readonly fit: Fit;
}

/** The most pixels of a picture. A small file can say that it has many more than memory holds. */
export const MOST_PIXELS = 2 ** 28;
/** libvips' names of the samples that it brings to 8 bits as viewers do. */
const DEPTHS: readonly (string | undefined)[] = ['uchar', 'ushort'];
/** The most pixels of a picture that a model makes, or takes in its own size. */
export const MOST_MODEL_PIXELS = 2 ** 26;

/**
 * Decodes a JPEG, PNG, WebP or TIFF: upright as its EXIF tag says, in sRGB, on white where it is transparent,
 * and the first page of several. With `fit` it is brought to that size; otherwise it keeps its own.
 *
 * @throws {UnusablePicture} when it is damaged, too large or of another kind.
 */
export async function decodePicture(bytes: Uint8Array, fit: FitTo | undefined): Promise<DecodedPicture> {
  if (bytes.length === 0) throw new UnusablePicture('it is empty');
  if (formatOfContent(bytes) === undefined)
    throw new UnusablePicture('it is none of JPEG, PNG, WebP and TIFF');
  const { default: sharp } = await import('sharp');
  try {
    const input = { failOn: 'warning', limitInputPixels: false, sequentialRead: true } as const;
    const { autoOrient, depth, pages = 1 } = await sharp(bytes, input).metadata();
    if (!DEPTHS.includes(depth))
      throw new UnusablePicture(
        `its samples are of type ${depth}: those of 8 and 16 bits without sign are taken`,
      );
    const source = { width: autoOrient.width, height: autoOrient.height };
    refuseTooLarge(source, fit === undefined ? MOST_MODEL_PIXELS : MOST_PIXELS);
    const upright = sharp(bytes, input).autoOrient();
    const sized = fit === undefined ? upright : fitted(upright, source, fit);
    const { data, info } = await sized
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    const size = { width: info.width, height: info.height };
    const wanted = fit?.size ?? source;
    if (info.channels !== 3 || size.width !== wanted.width || size.height !== wanted.height)
      throw new UnusablePicture(`it decodes to ${size.width}x${size.height}x${info.channels}`);
    const geometry = fit && geometryOf(source, source, fit.size, fit.fit);
    return { samples: data, size, source, geometry, furtherPages: pages - 1 };
  } catch (error) {
    throw error instanceof UnusablePicture ? error : new UnusablePicture(reasonOf(error), { cause: error });
  }
}

/** Refuses a picture of more than `most` pixels. */
export function refuseTooLarge({ width, height }: Size, most: number): void {
  if (width * height <= most) return;
  throw new UnusablePicture(`it has ${width}x${height} pixels, and ${most} are the most`);
}

/** Resizes like a frame of a video: with a triangle filter, which is wider when reducing. */
function fitted(picture: import('sharp').Sharp, source: Size, { size, fit }: FitTo): import('sharp').Sharp {
  const { inner, left, top } = placeOf(source, size, fit);
  refuseTooLarge(inner, MOST_PIXELS);
  const resized = picture.resize(inner.width, inner.height, { fit: 'fill', kernel: 'linear' });
  if (fit === 'stretch') return resized;
  if (fit === 'crop') return resized.extract({ left: -left, top: -top, ...size });
  const [right, bottom] = [size.width - inner.width - left, size.height - inner.height - top];
  const background = { r: BAR_GREY, g: BAR_GREY, b: BAR_GREY };
  return resized.extend({ left, top, right, bottom, background });
}

/** Returns a decoder's message on one line. */
function reasonOf(error: unknown): string {
  return messageOf(error).trim().split('\n').join('; ');
}
