import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const SAMPLE_BYTES = 2 ** 20;

/**
 * Tells one input from another without reading all of it: SHA-256 of the first and the last mebibyte, in hexadecimal.
 * Size goes with it in the journal's identity. A file changed only in its middle is not noticed.
 */
export async function fingerprint(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const sample = Buffer.alloc(Math.min(SAMPLE_BYTES, bytes));
    for (const position of [0, Math.max(0, bytes - sample.byteLength)]) {
      const { bytesRead } = await file.read(sample, 0, sample.byteLength, position);
      hash.update(sample.subarray(0, bytesRead));
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}
