import type { Size } from '../model/load/network.js';
import { messageOf } from '../system/errors.js';
import { MOST_MODEL_PIXELS, refuseTooLarge, UnusablePicture } from './decode.js';
import type { PictureFormat } from './formats.js';

/** Of JPEG and WebP. */
const QUALITY = 95;

/**
 * Encodes RGB samples as a file of sRGB: PNG and TIFF without loss, JPEG and WebP at quality 95, JPEG without
 * subsampling of chroma. The header is read back.
 *
 * @throws {UnusablePicture} when the format cannot hold such a picture.
 */
export async function encodePicture(samples: Uint8Array, size: Size, format: PictureFormat): Promise<Buffer> {
  refuseTooLarge(size, MOST_MODEL_PIXELS);
  const { default: sharp } = await import('sharp');
  try {
    const raw = sharp(samples, { raw: { ...size, channels: 3 }, limitInputPixels: false });
    const file = await encoded(raw, format).toBuffer();
    const found = await sharp(file, { limitInputPixels: false }).metadata();
    if (found.format === format && found.width === size.width && found.height === size.height) return file;
    throw new UnusablePicture(`its output reads back as ${found.format}, ${found.width}x${found.height}`);
  } catch (error) {
    if (error instanceof UnusablePicture) throw error;
    throw new UnusablePicture(`it cannot be written as ${format}: ${messageOf(error).trim()}`, {
      cause: error,
    });
  }
}

function encoded(picture: import('sharp').Sharp, format: PictureFormat): import('sharp').Sharp {
  switch (format) {
    case 'jpeg':
      return picture.jpeg({ quality: QUALITY, chromaSubsampling: '4:4:4' });
    case 'png':
      return picture.png();
    case 'webp':
      return picture.webp({ quality: QUALITY });
    case 'tiff':
      return picture.tiff({ compression: 'deflate', predictor: 'horizontal' });
  }
}
