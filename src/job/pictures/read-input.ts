/** Reads the files of pictures, on the root. Their contents are not looked at. */
import * as fs from 'node:fs/promises';
import type { BlobAccess } from '../../storage/azure/blob-access.js';
import { connect } from '../../storage/azure/blob-client.js';
import { blobFactsIfThere, readBlob } from '../../storage/azure/blob-input.js';
import type { BlobLocation } from '../../storage/location/location.js';
import { messageOf } from '../../system/errors.js';
import { codeOf } from '../../system/own-files.js';
import type { SourceStamp } from '../journal/picture-record.js';
import type { PictureInput } from './find.js';

/** The bytes of a picture's file, or why it cannot be read. */
export type ReadInput =
  | { readonly stamp: SourceStamp; readonly bytes: Uint8Array }
  | { readonly refused: string };

/** Reads pictures. Throws only what fails for others too: a lost disk or network. */
export interface InputReader {
  /** Returns the state of a file now; undefined if it cannot be told. */
  stamp(input: PictureInput): Promise<SourceStamp | undefined>;
  read(input: PictureInput): Promise<ReadInput>;
}

/** The largest file of a picture. It is in memory on its way, and MPI carries 2 GiB at most. */
export const MOST_FILE_BYTES = 2 ** 28;

/** Errors of the file system that are due to one file. */
const OF_ONE_FILE: readonly string[] = [
  ...['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENXIO', 'ENAMETOOLONG', 'EISDIR'],
];

export function inputReader(signal: AbortSignal): InputReader {
  const accesses = new Map<string, Promise<BlobAccess>>();

  /** Opens each container once. */
  function accessTo(location: BlobLocation): Promise<BlobAccess> {
    const key = `${location.service} ${location.container} ${location.sas?.reveal() ?? ''}`;
    const access = accesses.get(key) ?? connect(location);
    accesses.set(key, access);
    return access;
  }

  async function blobStamp(input: PictureInput, location: BlobLocation): Promise<SourceStamp | undefined> {
    const facts =
      input.listed ??
      (await blobFactsIfThere(await accessTo(location), location.name, { code: 'input', signal }));
    return facts && { bytes: facts.bytes, changed: facts.etag };
  }

  async function readFrom(input: PictureInput, location: BlobLocation): Promise<ReadInput> {
    const stamp = await blobStamp(input, location);
    if (stamp === undefined) return { refused: 'there is no such blob' };
    if (stamp.bytes > MOST_FILE_BYTES) return { refused: tooLarge(stamp.bytes) };
    const facts = { etag: stamp.changed, bytes: stamp.bytes };
    const bytes = await readBlob(await accessTo(location), location.name, facts, { code: 'input', signal });
    return bytes === undefined
      ? { refused: 'it was changed or removed while the job ran' }
      : { stamp, bytes };
  }

  return {
    async stamp(input) {
      if (input.location.kind === 'blob') return blobStamp(input, input.location);
      const stats = await fs.stat(input.location.path, { bigint: true }).catch(() => undefined);
      return stats && { bytes: Number(stats.size), changed: String(stats.mtimeNs) };
    },
    async read(input) {
      if (input.refused !== undefined) return { refused: input.refused };
      const { location } = input;
      if (location.kind === 'blob') return readFrom(input, location);
      return readFile(location.path).catch((error: unknown) => {
        if (OF_ONE_FILE.includes(codeOf(error))) return { refused: `it cannot be read: ${messageOf(error)}` };
        throw error;
      });
    },
  };
}

async function readFile(path: string): Promise<ReadInput> {
  // Never waits for a pipe. Unlike files of ours, a source may be a link.
  await using file = await fs.open(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  const before = await file.stat({ bigint: true });
  if (!before.isFile()) return { refused: 'it is not a file' };
  if (before.size > BigInt(MOST_FILE_BYTES)) return { refused: tooLarge(Number(before.size)) };
  const bytes = await file.readFile();
  const after = await file.stat({ bigint: true });
  if (BigInt(bytes.length) !== before.size || after.mtimeNs !== before.mtimeNs)
    return { refused: 'it changed while it was read' };
  return { stamp: { bytes: bytes.length, changed: String(before.mtimeNs) }, bytes };
}

function tooLarge(bytes: number): string {
  return `it has ${Math.ceil(bytes / 2 ** 20)} MiB, and ${MOST_FILE_BYTES / 2 ** 20} MiB are the most`;
}
