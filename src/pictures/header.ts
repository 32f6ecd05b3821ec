/** Looks at files of pictures without decoding them for a model. */
import { open } from 'node:fs/promises';
import { formatOfContent, type PictureFormat, SIGNATURE_BYTES } from './formats.js';

/** What the end of a whole file holds. FFmpeg decodes a JPEG that is cut off, and says so in a warning. */
const ENDS: Readonly<Partial<Record<PictureFormat, Buffer>>> = {
  png: Buffer.from('IEND', 'latin1'),
  jpeg: Buffer.of(0xff, 0xd9),
};
/** Bytes in which the end is looked for: cameras append to it. */
const MOST_TAIL = 65_536;

/**
 * Returns what the header of a picture says, for comparison with others: `png 1920x1080, 3 x uchar`.
 *
 * @throws {Error} when the file is none of JPEG, PNG, WebP and TIFF, is cut off, or its header is damaged.
 */
export async function pictureHeader(path: string): Promise<string> {
  const format = await wholeFormat(path);
  const { default: sharp } = await import('sharp');
  const { width, height, channels, depth } = await sharp(path, { limitInputPixels: false }).metadata();
  return `${format} ${width}x${height}, ${channels} x ${depth}`;
}

/**
 * Decodes a picture and drops the result.
 *
 * @throws {Error} when it is damaged.
 */
export async function decodeWhole(path: string): Promise<void> {
  const { default: sharp } = await import('sharp');
  await sharp(path, { failOn: 'warning', limitInputPixels: false, sequentialRead: true }).stats();
}

async function wholeFormat(path: string): Promise<PictureFormat> {
  await using file = await open(path);
  const { size } = await file.stat();
  const head = Buffer.alloc(SIGNATURE_BYTES);
  const { bytesRead } = await file.read(head, 0, SIGNATURE_BYTES, 0);
  // It keeps files of any other kind away from the decoders of others.
  const format = formatOfContent(head.subarray(0, bytesRead));
  if (format === undefined) throw new Error('it is none of JPEG, PNG and TIFF');
  const end = ENDS[format];
  const tail = Buffer.alloc(Math.min(size, MOST_TAIL));
  const { bytesRead: read } = await file.read(tail, 0, tail.length, size - tail.length);
  if (end !== undefined && !tail.subarray(0, read).includes(end)) throw new Error('it is cut off');
  return format;
}
