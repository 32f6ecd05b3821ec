/** Files that a job writes beside its output. Nothing but an earlier one of the same kind is replaced. */
import { access, constants, lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeAtomically } from '../../system/durable.js';
import { JobError, messageOf } from '../../system/errors.js';
import { openRegular } from '../../system/own-files.js';

/** A kind of such files. */
export interface OwnKind {
  /** Its name in messages. */
  readonly what: 'report' | 'trace';
  /** Returns whether a file that begins so is one. */
  readonly isOwn: (beginning: string) => boolean;
}

const BEGINNING_BYTES = 64;

/**
 * Checks that nothing but an earlier file of this kind or an empty file is at `path`, and that its folder is
 * writable.
 *
 * @throws {JobError} output: otherwise.
 */
export async function refuseForeign(path: string, { what, isOwn }: OwnKind): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) {
    await access(dirname(path), constants.W_OK).catch((error: unknown) => {
      throw new JobError('output', `the ${what} ${path} cannot be written: ${messageOf(error)}`, {
        hint: 'give a file in a writable folder; --mkdir makes a missing one',
      });
    });
    return;
  }
  if (stats.isFile() && (stats.size === 0 || isOwn(await beginningOf(path)))) return;
  throw new JobError('output', `${path} exists and is not a ${what}, so it is not replaced`, {
    hint: `give another --${what} file, or move it away`,
  });
}

/**
 * Writes a file of this kind atomically: a reader sees the old one or the new one.
 *
 * @throws {JobError} output: when it cannot be written, or would replace something else.
 */
export async function writeOwn(path: string, kind: OwnKind, text: () => Promise<string>): Promise<void> {
  await refuseForeign(path, kind);
  const content = await text();
  try {
    await writeAtomically(path, content);
  } catch (error) {
    throw new JobError('output', `the ${kind.what} ${path} cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function beginningOf(path: string): Promise<string> {
  await using file = await openRegular(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
  return buffer.toString('utf8', 0, bytesRead);
}
