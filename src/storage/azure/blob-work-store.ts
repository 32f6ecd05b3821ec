import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { JobError } from '../../system/errors.js';
import { gate, inParallel } from '../../system/parallel.js';
import { HEADER, isKept, PUBLICATION, refuseForeignFiles } from '../local/work-names.js';
import type { WorkStore } from '../local/work-store.js';
import type { BlobLocation } from '../location/location.js';
import type { BlobAccess, Purpose } from './blob-access.js';
import { ask, connect } from './blob-client.js';
import { isAbsent } from './blob-errors.js';
import { blobFacts, downloadBlob, readText } from './blob-input.js';
import { type BlobLock, lockBlob } from './blob-lock.js';
import { uploadBlob } from './blob-output.js';
import type { RetryPolicy } from './retry.js';

export interface BlobStoreOptions {
  /** An empty local folder of this process, for files that are being written and copies of finished ones. */
  readonly scratch: string;
  readonly onWait?: (holder: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryPolicy;
  readonly leaseSeconds?: number;
}

/** Files that are downloaded at once, each in ranges of its own. */
const DOWNLOADS_AT_ONCE = 4;
const REMOVALS_AT_ONCE = 16;
const LOCK = 'lock';
const TRIAL = 'trial';
const COPIES = 'finished';
const BINARY = 'application/octet-stream';
const TEXT = 'application/json';

/**
 * Opens a work store in a folder of a container, locked against other jobs by a lease. Finished files are
 * uploaded, and a local copy is kept, so that muxing downloads only what an earlier run made on another
 * machine. Files that are still being written (the spool, too) stay in local scratch: a successor on another
 * machine begins after the last finished segment. An aborted `signal` ends waiting and downloads, but not
 * uploads and removals, which end a job in order.
 *
 * @throws {JobError} output: when another job works there.
 * @throws {JobError} journal: when the folder holds files that are not a journal's.
 */
export async function openBlobStore(location: BlobLocation, options: BlobStoreOptions): Promise<WorkStore> {
  const access = await connect(location, options.retry === undefined ? {} : { retry: options.retry });
  const prefix = folderPrefix(location);
  const lock = await lockBlob(access, `${prefix}${LOCK}`, {
    what: location.url,
    code: 'journal',
    ...(options.onWait === undefined ? {} : { onWait: options.onWait }),
    ...(options.leaseSeconds === undefined ? {} : { leaseSeconds: options.leaseSeconds }),
    signal: options.signal,
  });
  const copies = join(options.scratch, COPIES);
  const store = blobStore(access, prefix, { ...options, copies, lock });
  try {
    const names = await store.list();
    refuseForeignFiles(
      location.url,
      names,
      names.filter((name) => !isKept(name)),
    );
    await fs.mkdir(copies, { recursive: true });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  return store;
}

/**
 * Finds out before any work whether a work store could be kept at `location`: lists, writes and deletes
 * there. Leaves nothing behind.
 *
 * @throws {JobError} journal: when it could not.
 */
export async function checkBlobStore(location: BlobLocation, signal?: AbortSignal): Promise<void> {
  const access = await connect(location);
  const name = `${folderPrefix(location)}${TRIAL}`;
  const blob = access.container.getBlockBlobClient(name);
  const purpose = (verb: Purpose['verb']): Purpose => ({ verb, name, code: 'journal' });
  await ask(access, purpose('list'), ({ signal }) => listed(access, name, signal), signal);
  await ask(access, purpose('write'), ({ signal }) => blob.upload('', 0, { abortSignal: signal }), signal);
  await ask(access, purpose('delete'), ({ signal }) => blob.deleteIfExists({ abortSignal: signal }), signal);
}

/** Returns the names of the container's blobs that begin with `prefix`. */
async function listed(access: BlobAccess, prefix: string, abortSignal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of access.container.listBlobsFlat({ prefix, abortSignal })) names.push(name);
  return names;
}

function folderPrefix(location: BlobLocation): string {
  if (location.name === '') {
    throw new JobError(
      'usage',
      `${location.url} is a whole container, and the work needs a folder of its own`,
      {
        hint: `for example ${location.url}/work/JOB`,
      },
    );
  }
  return `${location.name}/`;
}

interface StoreParts extends BlobStoreOptions {
  readonly copies: string;
  readonly lock: BlobLock;
}

function blobStore(access: BlobAccess, prefix: string, parts: StoreParts): WorkStore {
  const { copies, lock, signal } = parts;
  const copied = new Set<string>();
  const limited = gate(DOWNLOADS_AT_ONCE);
  const blob = (name: string) => access.container.getBlockBlobClient(`${prefix}${name}`);
  const purpose = (verb: Purpose['verb'], name: string): Purpose => ({
    verb,
    name: `${prefix}${name}`,
    code: 'journal',
  });

  async function list(): Promise<readonly string[]> {
    const names = await ask(access, { verb: 'list', name: prefix, code: 'journal' }, ({ signal }) =>
      listed(access, prefix, signal),
    );
    return names.map((name) => name.slice(prefix.length)).filter((name) => name !== LOCK && name !== TRIAL);
  }

  async function remove(name: string): Promise<void> {
    await lock.check();
    copied.delete(name);
    await fs.rm(join(copies, name), { force: true });
    await ask(access, purpose('delete', name), (attempt) =>
      blob(name).deleteIfExists({ abortSignal: attempt.signal }),
    );
  }

  return {
    location: access.location.url,
    scratch: parts.scratch,
    temporary: (name) => join(parts.scratch, name), // the folder is this process's own
    scratchLasts: false,
    list,
    remove,

    readText: (name) =>
      ask(access, purpose('read', name), (attempt) =>
        readText(access, `${prefix}${name}`, attempt).catch(absent),
      ),

    async writeText(name, text) {
      await lock.check();
      await ask(access, purpose('write', name), (attempt) =>
        blob(name).upload(text, Buffer.byteLength(text), {
          abortSignal: attempt.signal,
          blobHTTPHeaders: { blobContentType: TEXT },
        }),
      );
    },

    async adopt(path, name) {
      await lock.check();
      await uploadBlob(access, `${prefix}${name}`, path, {
        code: 'journal',
        overwrite: true,
        contentType: BINARY,
      });
      await fs.rename(path, join(copies, name));
      copied.add(name);
    },

    async localPath(name) {
      const copy = join(copies, name);
      if (copied.has(name)) return copy;
      await limited(async () => {
        const facts = await blobFacts(access, `${prefix}${name}`, { code: 'journal', signal });
        await downloadBlob(access, `${prefix}${name}`, facts, copy, { code: 'journal', signal });
      });
      copied.add(name);
      return copy;
    },

    size: (name) =>
      ask(access, purpose('read', name), (attempt) =>
        blob(name)
          .getProperties({ abortSignal: attempt.signal })
          .then(({ contentLength }) => contentLength, absent),
      ),

    holds: async () => true,

    check: lock.check,

    async clear() {
      const names = (await list()).filter(isKept);
      await inParallel(
        names.filter((name) => name !== HEADER && name !== PUBLICATION),
        REMOVALS_AT_ONCE,
        remove,
      );
      if (names.includes(HEADER)) await remove(HEADER);
    },

    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  };
}

function absent(error: unknown): undefined {
  if (isAbsent(error)) return undefined;
  throw error;
}
