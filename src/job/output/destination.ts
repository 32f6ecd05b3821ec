import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { showTransfer } from '../../report/transfer.js';
import { connect } from '../../storage/azure/blob-client.js';
import { checkWritable, uploadBlob, uploadOf } from '../../storage/azure/blob-output.js';
import { type Announce, publishFile, stampOf } from '../../storage/local/publish-file.js';
import { type BlobLocation, type Location, sameBlob } from '../../storage/location/location.js';
import { isTemporary } from '../../system/durable.js';
import { actionable, JobError, messageOf, OutputExists, UNDECODED, undecoded } from '../../system/errors.js';
import { removeFile } from '../../system/own-files.js';
import type { TransferContext } from '../context/storage-context.js';

/** The content type and metadata of a blob. */
export interface BlobLabels {
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The destination of the output: a file or a blob. */
export interface Destination {
  /** The path or URL for messages, without secrets. */
  readonly display: string;
  /** The name, whose suffix gives the container. */
  readonly name: string;
  /**
   * Checks, before any work is done, that the output can be written.
   *
   * @throws {JobError} output: when it cannot. `OutputExists` if something is there and `overwrite` is false.
   */
  check(input: Location, overwrite: boolean): Promise<void>;
  /** Returns a stamp that identifies the file or blob that is there now; null if there is none. */
  stamp(): Promise<string | null>;
  /** Publishes a finished, flushed file atomically. `announce` gets its future stamp first. */
  publish(finished: string, labels: BlobLabels, overwrite: boolean, announce: Announce): Promise<void>;
  /** Removes a temporary copy, announced earlier, that a killed run has left there. */
  removeCopy(name: string): Promise<void>;
}

export async function openDestination(location: Location, storage: TransferContext): Promise<Destination> {
  if (location.kind === 'blob') return blobDestination(location, storage);
  const { path } = location;
  return {
    display: path,
    name: path,
    check: (input, overwrite) =>
      checkDestination(input.kind === 'file' ? input.path : undefined, path, overwrite),
    stamp: () => stampOf(path),
    publish: (finished, _labels, overwrite, announce) => publishFile(finished, path, overwrite, announce),
    async removeCopy(name) {
      if (isTemporary(name)) await removeFile(join(dirname(path), name));
    },
  };
}

async function blobDestination(location: BlobLocation, storage: TransferContext): Promise<Destination> {
  const { name, url } = location;
  const access = await connect(location);
  const options = { code: 'output', signal: storage.stopped } as const;
  return {
    display: url,
    name,
    async check(input, overwrite) {
      if (sameBlob(location, input)) {
        throw new JobError('output', `the output is the input: ${url}`, {
          hint: 'the source is never touched',
        });
      }
      await checkWritable(access, name, { ...options, overwrite });
    },
    stamp: () => uploadOf(access, name, options),
    removeCopy: async () => {},
    async publish(finished, labels, overwrite, announce) {
      const { size } = await fs.stat(finished);
      using transfer = showTransfer(storage.log, 'upload', url, size);
      await uploadBlob(access, name, finished, {
        ...options,
        ...labels,
        overwrite,
        onCommit: (stamp) => announce({ stamp, beside: null }),
        onProgress: transfer.moved,
      });
      transfer.done();
    },
  };
}

/**
 * Checks, before any work is done, that an output file can be written.
 *
 * @throws {JobError} output: when it exists and `overwrite` is false; when it is the input (under any name)
 *   or a folder; when its folder is missing or read-only.
 */
export async function checkDestination(
  input: string | undefined,
  output: string,
  overwrite: boolean,
): Promise<void> {
  if (output.includes(UNDECODED)) throw undecoded('output', output);
  await checkFolder(dirname(output));
  const existing = await fs.stat(output).catch((error) => {
    // Otherwise it would fail only when the finished file is published.
    if (error.code === 'ENAMETOOLONG') throw actionable(error);
    return undefined;
  });
  if (existing === undefined) {
    // A dangling link is in the way too.
    if ((await fs.lstat(output).catch(() => undefined)) !== undefined && !overwrite)
      throw new OutputExists(output);
    return;
  }
  const source = input === undefined ? undefined : await fs.stat(input).catch(() => undefined);
  if (source !== undefined && source.ino === existing.ino && source.dev === existing.dev) {
    throw new JobError('output', `the output is the input: ${output}`, {
      hint: 'the source is never touched',
    });
  }
  if (!existing.isFile()) throw new JobError('output', `the output is not a file: ${output}`);
  if (!overwrite) throw new OutputExists(output);
}

/** Returns the error for a folder of an output that does not exist. */
export function missingFolder(folder: string): JobError {
  return new JobError('output', `the folder of the output does not exist: ${folder}`, {
    hint: 'create it first; a job makes it with --mkdir',
  });
}

/**
 * Checks that the folder of an output is there and can be written.
 *
 * @throws {JobError} output: when not.
 */
export async function checkFolder(folder: string): Promise<void> {
  const folderStats = await fs.stat(folder).catch(() => undefined);
  if (folderStats?.isDirectory() !== true) throw missingFolder(folder);
  await fs.access(folder, fs.constants.W_OK).catch((error) => {
    throw new JobError('output', `the folder ${folder} is not writable: ${messageOf(error)}`);
  });
}
