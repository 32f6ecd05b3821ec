import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { JobError } from '../../system/errors.js';
import type { Identity } from './identity.js';

const SAMPLE_BYTES = 2 ** 20;
/** In a journal's identity: when the input was last written to. */
export const MODIFIED = 'input modified';

/**
 * Tells the file at `path`, of which `bytes` bytes have been found, from any other, and from what it was before it was written to:
 * by its size, its two ends and the time of its last change, to the nanosecond. Not by its inode: the same file has another one on
 * another mount, and on some network file systems from one look to the next. JobError `input` where it has another size by now.
 */
export async function fileIdentity(path: string, bytes: number): Promise<Identity> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  if (size !== BigInt(bytes)) {
    throw new JobError(
      'input',
      `${path} is still being written: it had ${bytes} bytes, and has ${size} now`,
      {
        hint: 'run the job when it is whole',
      },
    );
  }
  return {
    'input size': bytes,
    'input content': await fingerprint(path, bytes),
    [MODIFIED]: dateOf(mtimeNs),
  };
}

/** What a user can do about an input whose time alone has changed since it was `earlier`. */
export function sameContentHint(earlier: unknown): string {
  return `if it is the same video, copied or touched: touch -d ${String(earlier)} FILE, and run the same command again`;
}

/** A time in nanoseconds since 1970 as `touch -d` takes it. */
function dateOf(nanoseconds: bigint): string {
  const second = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${second}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z`;
}

/**
 * Tells one input from another without reading all of it: SHA-256 of the first and the last mebibyte, in hexadecimal.
 * A file changed only in its middle is not noticed by it.
 */
async function fingerprint(path: string, bytes: number): Promise<string> {
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
