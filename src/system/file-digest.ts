import { createHash } from 'node:crypto';
import { openRegular } from './own-files.js';

const PIECE_BYTES = 2 ** 20;

/**
 * Returns the SHA-256 of the regular file at `path`, in hexadecimal. Takes a second per one to two gigabytes.
 * Throws as `openRegular`.
 */
export async function fileDigest(path: string): Promise<string> {
  await using file = await openRegular(path);
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, piece.length);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(piece.subarray(0, bytesRead));
  }
}
