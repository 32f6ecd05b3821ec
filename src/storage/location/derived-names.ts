/** Names that are made from the user's own, and that file systems and Blob storage still accept. Pure. */
import { createHash } from 'node:crypto';
import { atName, type Location } from './location.js';

/** The longest name that file systems accept, in bytes. */
const LONGEST_FILE_NAME = 255;
/** Characters of a whole blob name, less those that a job's files add to the name of its folder. */
const LONGEST_BLOB_NAME = 1024 - 32;
/** Hexadecimal digits that distinguish shortened names. */
const DIGITS = 16;
const WORK = '.framescatter';

/**
 * Returns `name` between `prefix` and `suffix`. If that is longer than a file's name may be, a digest of the
 * whole replaces the end of `name`: always the same one, so that what was made under the name is found again.
 */
export function derivedName(name: string, suffix: string, prefix = ''): string {
  return fitted(name, suffix, prefix, LONGEST_FILE_NAME);
}

/** Returns the same for a path: only its last part changes. */
export function derivedPath(path: string, suffix: string, prefix = ''): string {
  const at = path.lastIndexOf('/') + 1;
  return path.slice(0, at) + derivedName(path.slice(at), suffix, prefix);
}

/** Returns the default location of a job's work: beside its output. */
export function workBeside(output: Location): Location {
  if (output.kind === 'file') return { kind: 'file', path: derivedPath(output.path, WORK) };
  const at = output.name.lastIndexOf('/') + 1;
  return atName(
    output,
    output.name.slice(0, at) + fitted(output.name.slice(at), WORK, '', LONGEST_BLOB_NAME - at),
  );
}

/** Returns the name of the folder in `--work-dir` that the job with the output `name` gets, of many. */
export function workFolderName(name: string): string {
  return derivedName(name, WORK);
}

function fitted(name: string, suffix: string, prefix: string, longest: number): string {
  const whole = `${prefix}${name}${suffix}`;
  if (Buffer.byteLength(whole) <= longest) return whole;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGITS);
  const room = Math.max(0, longest - Buffer.byteLength(`${prefix}~${digest}${suffix}`));
  let kept = '';
  let bytes = 0;
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    kept += character;
  }
  return `${prefix}${kept}~${digest}${suffix}`;
}
