import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { JobError } from '../../system/errors.js';
import type { Identity } from './identity.js';

const SAMPLE_BYTES = 2 ** 20;
/** Key, in a journal's identity, of the time of the input's last change. */
export const MODIFIED = 'input modified';

/** Key, in a journal's identity, of the digest of the whole input. Journals of early versions have none. */
export const DIGEST = 'input digest';
/** The largest input that is read whole for its digest: about a tenth of a second. */
const WHOLE_BYTES = 2 ** 25;

/**
 * Returns the identity of the file at `path`, whose size was found to be `bytes`: its size, a hash of its two
 * ends and the time of its last change, to the nanosecond; and, of a small one, the digest of all of it. The
 * inode is not part of it: the same file has another one on another mount, and on some network file systems
 * from one look to the next.
 *
 * @throws {JobError} input: when the file has another size by now.
 */
export async function fileIdentity(path: string, bytes: number): Promise<Identity> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  if (size !== BigInt(bytes)) {
    throw new JobError(
      'input',
      `${path} is still being written: it had ${bytes} bytes, and has ${size} now`,
      {
        hint: 'run the job when the file is complete',
      },
    );
  }
  return {
    'input size': bytes,
    'input content': await fingerprint(path, bytes),
    [MODIFIED]: dateOf(mtimeNs),
    ...(bytes > WHOLE_BYTES ? {} : { [DIGEST]: sha256(await readFile(path)) }),
  };
}

/** Returns a hint for an input of which only the time has changed; it was `earlier`. */
export function sameContentHint(earlier: unknown): string {
  return `if it is the same video, copied or touched: touch -d ${String(earlier)} FILE, and run the same command again`;
}

/** Returns a time in nanoseconds since 1970 in the format of `touch -d`. */
function dateOf(nanoseconds: bigint): string {
  const second = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${second}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z`;
}

/**
 * Returns the SHA-256 of the first and the last mebibyte, in hexadecimal. It does not notice a change in the
 * middle of the file only.
 */
async function fingerprint(path: string, bytes: number): Promise<string> {
  await using file = await open(path, 'r');
  const hash = createHash('sha256');
  const sample = Buffer.alloc(Math.min(SAMPLE_BYTES, bytes));
  for (const position of [0, Math.max(0, bytes - sample.byteLength)]) {
    const { bytesRead } = await file.read(sample, 0, sample.byteLength, position);
    hash.update(sample.subarray(0, bytesRead));
  }
  return hash.digest('hex');
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
