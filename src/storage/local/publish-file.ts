import * as fs from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { moveIntoPlace, NO_LINKS, syncFile, syncFolder, temporaryBeside } from '../../system/durable.js';
import { JobError, messageOf, OutputExists } from '../../system/errors.js';
import { codeOf } from '../../system/own-files.js';

/**
 * The calls that decide how a file is published. A parameter, so that tests can simulate other file systems.
 */
export type PublishFiles = Pick<typeof fs, 'link' | 'open' | 'rename'>;

/** Called before each step with what could be found of it if the process were killed in it. */
export type Announce = (found: {
  /** The output's `stampOf`, once it is in place. */
  readonly stamp: string | null;
  /** Name, in the output's folder, of a copy that has not taken its place. */
  readonly beside: string | null;
}) => Promise<void>;

const UNANNOUNCED: Announce = async () => {};

/**
 * Returns a stamp that identifies the regular file at `path` and its content. A write changes it; a rename or
 * a link does not. Null if there is no such file.
 */
export async function stampOf(path: string): Promise<string | null> {
  const stats = await fs.lstat(path, { bigint: true }).catch(() => undefined);
  return stats?.isFile() === true ? `${stats.ino}-${stats.size}-${stats.mtimeNs}` : null;
}

/**
 * Puts a finished, flushed file at its destination as one act: readers see nothing (or the old file) or all
 * of it. A file that appeared there since the job began is refused unless `overwrite`.
 *
 * @throws {JobError} output: when the file cannot be put there; `OutputExists` when one appeared.
 */
export async function publishFile(
  finished: string,
  output: string,
  overwrite: boolean,
  announce: Announce = UNANNOUNCED,
  files: PublishFiles = fs,
): Promise<void> {
  await announce({ stamp: await stampOf(finished), beside: null });
  try {
    await putInPlace(finished, output, overwrite, files);
  } catch (error) {
    // The destination is on another file system, or on the same one mounted twice: only the attempt shows it.
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
    // Without hard links, a file that appears between these two calls is replaced.
    if (await exists(output)) throw appeared(output);
  }
  await moveIntoPlace(from, output, files);
}

async function copyBeside(finished: string, beside: string, output: string): Promise<void> {
  try {
    await fs.copyFile(finished, beside, fs.constants.COPYFILE_EXCL);
    await syncFile(beside);
  } catch (error) {
    throw new JobError('output', `${output} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

function appeared(output: string): OutputExists {
  return new OutputExists(
    output,
    `${output} appeared while the job ran`,
    'move it away, or add --overwrite, and run the same command again: it only has to publish the output',
  );
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
