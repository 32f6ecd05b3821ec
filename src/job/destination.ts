import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { JobError, messageOf } from '../errors.js';
import { moveIntoPlace, syncFolder } from '../storage/durable.js';

/**
 * Refuses an output that cannot be written before any work is done: it exists and `overwrite` is false, it is the input
 * (under whatever name), a folder, or in a folder that is missing or read-only.
 */
export async function checkDestination(input: string, output: string, overwrite: boolean): Promise<void> {
  const folder = dirname(output);
  const folderStats = await fs.stat(folder).catch(() => undefined);
  if (folderStats?.isDirectory() !== true) {
    throw new JobError('output', `the folder of the output does not exist: ${folder}`, {
      hint: 'make it first',
    });
  }
  await fs.access(folder, fs.constants.W_OK).catch((error) => {
    throw new JobError('output', `nothing can be written in ${folder}: ${messageOf(error)}`);
  });
  const existing = await fs.stat(output).catch(() => undefined);
  if (existing === undefined) return;
  const source = await fs.stat(input).catch(() => undefined);
  if (source !== undefined && source.ino === existing.ino && source.dev === existing.dev) {
    throw new JobError('output', `the output is the input: ${output}`, {
      hint: 'the source is never touched',
    });
  }
  if (!existing.isFile()) throw new JobError('output', `the output is not a file: ${output}`);
  if (!overwrite)
    throw new JobError('output', `the output exists: ${output}`, { hint: '--overwrite replaces it' });
}

/**
 * Puts a finished, flushed file at its destination as one act: readers see nothing (or the old file) or all of it. A file
 * that appeared at the destination since the job began is refused unless `overwrite`.
 */
export async function publish(finished: string, output: string, overwrite: boolean): Promise<void> {
  const beside = await onSameFileSystem(finished, output);
  if (overwrite) {
    await moveIntoPlace(beside, output);
    return;
  }
  try {
    await fs.link(beside, output); // unlike rename, never replaces
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      throw new JobError('output', `${output} appeared while the job ran`, {
        hint: 'move it away, or add --overwrite, and run the same command again: it only has to publish',
      });
    }
    await moveIntoPlace(beside, output); // a file system without hard links
    return;
  }
  await fs.rm(beside);
  await syncFolder(dirname(output));
}

async function onSameFileSystem(finished: string, output: string): Promise<string> {
  const [from, to] = await Promise.all([fs.stat(finished), fs.stat(dirname(output))]);
  if (from.dev === to.dev) return finished;
  const beside = join(dirname(output), `.${basename(output)}.partial`);
  try {
    await fs.copyFile(finished, beside);
    const handle = await fs.open(beside, 'r');
    await handle.sync();
    await handle.close();
  } catch (error) {
    await fs.rm(beside, { force: true });
    throw new JobError('output', `${output} cannot be written: ${messageOf(error)}`, { cause: error });
  }
  return beside;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
