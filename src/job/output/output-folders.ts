/** Folders of outputs: OUTPUT as a folder, and folders that `--mkdir` makes. */
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { below, displayText, isAddress, parseLocation, textOf } from '../../storage/location/location.js';
import { JobError, messageOf, UNDECODED, undecoded } from '../../system/errors.js';
import { tableFormatOf } from '../../table/write.js';
import { containerNamed } from '../../video/formats/container.js';
import type { JobOptions } from '../context/options.js';
import { missingFolder } from './destination.js';
import { outputName, ownName, tableBeside } from './output-name.js';

/** Returns whether OUTPUT could be a folder: it ends in a slash, or in no suffix of an output. Pure. */
export function mayBeFolder(output: string): boolean {
  const text = displayText(output);
  if (text.endsWith('/')) return true;
  return !isAddress(output) && containerNamed(text) === undefined && tableFormatOf(text) === undefined;
}

/**
 * Returns whether OUTPUT is a folder: an existing one, or an address that ends in a slash.
 *
 * @throws {JobError} output: when it is a path that ends in a slash, and there is no such folder.
 */
export async function isFolder(output: string): Promise<boolean> {
  if (!mayBeFolder(output)) return false;
  if (isAddress(output)) return true;
  const stats = await fs.stat(output).catch(() => undefined);
  if (stats?.isDirectory() !== true && output.endsWith('/')) throw missingFolder(output);
  return stats?.isDirectory() === true;
}

/**
 * Returns the job with an output, and a table beside it, in the folder OUTPUT. They are named as with
 * `--out-dir`. Pure.
 *
 * @throws {JobError} usage: when INPUT has no file name, or --format is neither a container nor a table.
 */
export function inFolder(job: JobOptions): JobOptions {
  const name = outputName(ownName(job.input), job);
  const folder = parseLocation(job.output);
  const output = folder.kind === 'file' ? join(folder.path, name) : textOf(below(folder, name));
  return { ...job, output, table: tableBeside(output, job.table) };
}

/**
 * Makes the folders of files that will be written, with their parents; a path that ends in a slash is a
 * folder itself. Blob storage has none to make.
 *
 * @throws {JobError} output: when one cannot be made.
 */
export async function makeFolders(files: readonly string[]): Promise<void> {
  for (const file of files.filter((one) => !isAddress(one))) {
    if (file.includes(UNDECODED)) throw undecoded('output', file);
    const folder = file.endsWith('/') ? file : dirname(file);
    await fs.mkdir(folder, { recursive: true }).catch((error) => {
      throw new JobError('output', `the folder ${folder} cannot be made: ${messageOf(error)}`);
    });
  }
}
