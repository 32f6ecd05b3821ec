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

/** What is said of a blob beside its bytes. */
export interface BlobLabels {
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where the output goes. */
export interface Destination {
  /** What may be shown of it. */
  readonly display: string;
  /** Its name, to tell the container by. */
  readonly name: string;
  /** Refuses before any work is done what could not be written in the end. */
  check(input: Location, overwrite: boolean): Promise<void>;
  /** Tells what is there from anything else that could be; null where there is nothing. */
  stamp(): Promise<string | null>;
  /** Puts a finished, flushed file there as one act. `announce` is told what it will be known by. */
  publish(finished: string, labels: BlobLabels, overwrite: boolean, announce: Announce): Promise<void>;
  /** Removes a copy that a killed run has left there, of which `announce` was told. */
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
      const transfer = showTransfer(storage.log, 'upload', url, size);
      try {
        await uploadBlob(access, name, finished, {
          ...options,
          ...labels,
          overwrite,
          onCommit: (stamp) => announce({ stamp, beside: null }),
          onProgress: transfer.moved,
        });
        transfer.done();
      } finally {
        transfer.stop();
      }
    },
  };
}

/**
 * Refuses an output that cannot be written before any work is done: it exists and `overwrite` is false, it is the input
 * (under whatever name), a folder, or in a folder that is missing or read-only.
 */
export async function checkDestination(
  input: string | undefined,
  output: string,
  overwrite: boolean,
): Promise<void> {
  if (output.includes(UNDECODED)) throw undecoded('output', output);
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
  const existing = await fs.stat(output).catch((error) => {
    // It would come to light only when the finished file is put in place.
    if (error.code === 'ENAMETOOLONG') throw actionable(error);
    return undefined;
  });
  if (existing === undefined) {
    // A link that leads nowhere is in the way as well.
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
