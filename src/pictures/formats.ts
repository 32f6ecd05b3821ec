/** The formats of pictures: by name for outputs, by content for inputs. Pure. */
import { extname } from 'node:path';

export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'tiff';

const SUFFIXES: Readonly<Record<string, PictureFormat>> = {
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.png': 'png',
  '.webp': 'webp',
  '.tif': 'tiff',
  '.tiff': 'tiff',
};

export const CONTENT_TYPES: Readonly<Record<PictureFormat, string>> = {
  jpeg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  tiff: 'image/tiff',
};

/** Returns the format that the suffix of a name says; undefined if it is none of a picture. */
export function formatOfName(name: string): PictureFormat | undefined {
  return SUFFIXES[extname(name).toLowerCase()];
}

/** Bytes that tell the format of a file. */
export const SIGNATURE_BYTES = 12;

/**
 * Returns the format that the first bytes of a file say; undefined if it is none of these. It keeps files of
 * any other kind away from the decoders of others, such as SVG, which can name other files.
 */
export function formatOfContent(bytes: Uint8Array): PictureFormat | undefined {
  const head = Buffer.from(bytes.subarray(0, SIGNATURE_BYTES)).toString('latin1');
  if (head.startsWith('\u00ff\u00d8\u00ff')) return 'jpeg';
  if (head.startsWith('\u0089PNG\r\n\u001a\n')) return 'png';
  if (head.startsWith('RIFF') && head.slice(8) === 'WEBP') return 'webp';
  return /^(?:II[*+]\0|MM\0[*+])/.test(head) ? 'tiff' : undefined;
}
