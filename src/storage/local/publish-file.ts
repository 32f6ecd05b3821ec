import * as fs from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { moveIntoPlace, NO_LINKS, syncFolder, temporaryBeside } from '../../system/durable.js';
import { JobError, messageOf } from '../../system/errors.js';
import { codeOf } from '../../system/own-files.js';

/** The calls that decide how it is done. A parameter so that tests can be other file systems. */
export type PublishFiles = Pick<typeof fs, 'link' | 'open' | 'rename'>;

/** Told, before each step, what can be found of it where the process is killed in it. */
export type Announce = (found: {
  /** The output's `stampOf`, once it is in place. */
  readonly stamp: string | null;
  /** Name, in the output's folder, of a copy that has not taken its place. */
  readonly beside: string | null;
}) => Promise<void>;

const UNHEARD: Announce = async () => {};

/**
 * Tells the regular file at `path` from any other, and from what it was before it was written to; a file keeps it when it is
 * renamed or linked. Null where there is no such file.
 */
export async function stampOf(path: string): Promise<string | null> {
  const stats = await fs.lstat(path, { bigint: true }).catch(() => undefined);
  return stats?.isFile() === true ? `${stats.ino}-${stats.size}-${stats.mtimeNs}` : null;
}

/**
 * Puts a finished, flushed file at its destination as one act: readers see nothing (or the old file) or all of it. A file
 * that appeared at the destination since the job began is refused unless `overwrite`. Errors: JobError `output`.
 */
export async function publishFile(
  finished: string,
  output: string,
  overwrite: boolean,
  announce: Announce = UNHEARD,
  files: PublishFiles = fs,
): Promise<void> {
  await announce({ stamp: await stampOf(finished), beside: null });
  try {
    await putInPlace(finished, output, overwrite, files);
  } catch (error) {
    // Another file system, or the same one mounted twice, which only the attempt tells.
    if (codeOf(error) !== 'EXDEV') throw error;
    const beside = temporaryBeside(output);
    await announce({ stamp: null, beside: basename(beside) });
    try {
      await copyBeside(finished, beside, output);
      await announce({ stamp: await stampOf(beside), beside: basename(beside) });
      await putInPlace(beside, output, overwrite, files);
    } finally {
      await fs.rm(beside, { force: true });
    }
  }
}

async function putInPlace(
  from: string,
  output: string,
  overwrite: boolean,
  files: PublishFiles,
): Promise<void> {
  if (!overwrite) {
    try {
      await files.link(from, output); // unlike rename, never replaces
      await syncFolder(dirname(output), files);
      return;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw appeared(output);
      if (!NO_LINKS.includes(codeOf(error))) throw error;
    }
    // Without hard links a file that appears in the moment between these two is replaced.
    if (await exists(output)) throw appeared(output);
  }
  await moveIntoPlace(from, output, files);
}

async function copyBeside(finished: string, beside: string, output: string): Promise<void> {
  try {
    await fs.copyFile(finished, beside, fs.constants.COPYFILE_EXCL);
    const handle = await fs.open(beside, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new JobError('output', `${output} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

function appeared(output: string): JobError {
  return new JobError('output', `${output} appeared while the job ran`, {
    hint: 'move it away, or add --overwrite, and run the same command again: it only has to publish',
  });
}

function exists(path: string): Promise<boolean> {
  return fs.lstat(path).then(
    () => true,
    (error) => {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    },
  );
}
