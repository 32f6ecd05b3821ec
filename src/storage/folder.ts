import * as fs from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { writeAtomically } from '../system/durable.js';
import { readRegular } from '../system/own-files.js';
import type { BlobAccess, Purpose } from './azure/blob-access.js';
import { ask, connect } from './azure/blob-client.js';
import { isAbsent } from './azure/blob-errors.js';
import { readText } from './azure/blob-input.js';
import { atName, isAddress, type Location, nameBelow, parseLocation } from './location/location.js';

/** A folder on a file system or in a container. It holds small files, and outputs go to it. */
export interface Folder {
  /** Returns the address of `name`, for messages and as a job's OUTPUT. */
  address(name: string): string;
  /** Returns the name that has this address; undefined if none in this folder has. */
  nameOf(address: string): string | undefined;
  /** Makes the folder that `name` belongs in. */
  prepare(name: string): Promise<void>;
  /** Returns a stamp that differs between two contents of `name`; null if there is none. */
  stamp(name: string): Promise<string | null>;
  /** Reads the text of `name`; undefined if there is none. */
  readText(name: string): Promise<string | undefined>;
  /** Writes the text whole or not at all. */
  writeText(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}

export async function openFolder(location: Location): Promise<Folder> {
  return location.kind === 'file' ? localFolder(resolve(location.path)) : blobFolder(await connect(location));
}

function localFolder(folder: string): Folder {
  const path = (name: string): string => join(folder, name);
  const prepare = async (name: string): Promise<void> => {
    await fs.mkdir(dirname(path(name)), { recursive: true });
  };
  return {
    address: path,
    nameOf(address) {
      const name = relative(folder, address);
      return name !== '' && path(name) === address && isBelow(name) ? name : undefined;
    },
    prepare,
    stamp: (name) =>
      fs
        .stat(path(name), { bigint: true })
        .then(({ ino, size, mtimeNs }) => `${ino}-${size}-${mtimeNs}`, absentFile),
    readText: (name) => readRegular(path(name)).catch((error) => absentFile(error) ?? undefined),
    async writeText(name, text) {
      await prepare(name);
      await writeAtomically(path(name), text);
    },
    remove: (name) => fs.rm(path(name), { force: true }),
  };
}

/** Returns whether a relative path stays in its folder. */
function isBelow(name: string): boolean {
  return !isAbsolute(name) && name.split(sep)[0] !== '..';
}

function absentFile(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

function blobFolder(access: BlobAccess): Folder {
  const { location, container } = access;
  const full = (name: string): string => nameBelow(location, name);
  const address = (name: string): string => atName(location, full(name)).url;
  const purpose = (verb: Purpose['verb'], name: string): Purpose => ({
    verb,
    name: full(name),
    code: 'output',
  });
  return {
    address,
    nameOf(text) {
      const prefix = full('');
      const whole = blobNameOf(text);
      if (whole?.startsWith(prefix) !== true) return undefined;
      const name = whole.slice(prefix.length);
      return name !== '' && address(name) === text ? name : undefined;
    },
    prepare: async () => {},
    stamp: (name) =>
      ask(access, purpose('read', name), ({ signal: abortSignal }) =>
        container
          .getBlobClient(full(name))
          .getProperties({ abortSignal })
          .then(({ etag }) => etag ?? '', absentBlob),
      ),
    readText: (name) =>
      ask(access, purpose('read', name), (attempt) =>
        readText(access, full(name), attempt).catch((error) => absentBlob(error) ?? undefined),
      ),
    async writeText(name, text) {
      await ask(access, purpose('write', name), ({ signal: abortSignal }) =>
        container.getBlockBlobClient(full(name)).upload(text, Buffer.byteLength(text), {
          abortSignal,
          blobHTTPHeaders: { blobContentType: 'application/json' },
        }),
      );
    },
    async remove(name) {
      await ask(access, purpose('delete', name), ({ signal: abortSignal }) =>
        container.getBlockBlobClient(full(name)).deleteIfExists({ abortSignal }),
      );
    },
  };
}

/** Returns the name in the address of a blob; undefined if `text` is none. */
function blobNameOf(text: string): string | undefined {
  if (!isAddress(text)) return undefined;
  try {
    const location = parseLocation(text);
    return location.kind === 'blob' ? location.name : undefined;
  } catch {
    return undefined; // a person may have written it
  }
}

function absentBlob(error: unknown): null {
  if (isAbsent(error)) return null;
  throw error;
}
