import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { JobError, OutputExists } from '../../system/errors.js';
import { inParallel } from '../../system/parallel.js';
import { atName } from '../location/location.js';
import type { BlobAccess } from './blob-access.js';
import { ask } from './blob-client.js';
import { isAbsent } from './blob-errors.js';
import type { TransferOptions } from './blob-input.js';
import { Incomplete } from './retry.js';
import { serviceCode, statusOf } from './service-errors.js';

export interface UploadOptions extends TransferOptions {
  /** Replaces an existing blob; otherwise one of that name is an error. */
  readonly overwrite: boolean;
  readonly contentType: string;
  /** Names are C# identifiers, values ASCII: they travel as headers. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Called just before the upload is committed, with what `uploadOf` returns from then on. */
  readonly onCommit?: (upload: string) => Promise<void>;
}

const MIB = 2 ** 20;
const LEAST_BLOCK = 8 * MIB;
/** Limits of a block blob (Blob storage's scalability targets). */
const MOST_BLOCKS = 50_000;
const BLOCKS_AT_ONCE = 4;
/**
 * Uploads that are tried: another client's commit discards the staged blocks, and all of them are sent again.
 */
const UPLOADS = 3;
/**
 * Bytes of a block's id. All blocks of a blob must have ids of one length, even leftovers of another client's
 * interrupted upload. Microsoft's own clients use 48 bytes.
 */
const BLOCK_ID_BYTES = 48;
/** Marks a blob with the upload that made it, so that a commit is recognised if its answer was lost. */
const UPLOAD_ID = 'framescatter_upload';

/**
 * Copies a local file to the blob `name`: blocks in parallel, each with its own retries, and a commit at the
 * end. Nothing can be seen until then. The service discards the blocks of an interrupted upload after a week.
 */
export async function uploadBlob(
  access: BlobAccess,
  name: string,
  path: string,
  options: UploadOptions,
): Promise<void> {
  await using file = await fs.open(path, 'r');
  const { size } = await file.stat();
  for (let number = 1; ; number += 1) {
    const upload = randomUUID();
    const blocks = [...cut(size, upload)];
    await stage(
      access,
      name,
      { file, path, blocks },
      number === 1 ? options : { ...options, onProgress: () => {} },
    );
    await options.onCommit?.(upload);
    if (await commit(access, name, blocks, upload, options)) return;
    if (number === UPLOADS) {
      throw new JobError(options.code, `${atName(access.location, name).url} is being written by others`, {
        hint: 'give each job an output of its own',
      });
    }
  }
}

/**
 * Returns the mark of the upload that made the blob `name`; null if there is no such blob, or none that may
 * be read.
 */
export async function uploadOf(
  access: BlobAccess,
  name: string,
  options: Pick<UploadOptions, 'code' | 'signal'>,
): Promise<string | null> {
  return ask(
    access,
    { verb: 'read', name, code: options.code },
    async ({ signal }) => {
      try {
        const properties = await access.container.getBlobClient(name).getProperties({ abortSignal: signal });
        return properties.metadata?.[UPLOAD_ID] ?? null;
      } catch (error) {
        if (isAbsent(error) || statusOf(error) === 403) return null;
        throw error;
      }
    },
    options.signal,
  );
}

interface Staging {
  readonly file: fs.FileHandle;
  readonly path: string;
  readonly blocks: readonly Block[];
}

async function stage(
  access: BlobAccess,
  name: string,
  staging: Staging,
  options: UploadOptions,
): Promise<void> {
  const { file, path, blocks } = staging;
  const blob = access.container.getBlockBlobClient(name);
  await inParallel(
    blocks,
    BLOCKS_AT_ONCE,
    async ({ id, start, length }, signal) => {
      const block = await readBlock(file, path, start, length);
      await ask(
        access,
        { verb: 'write', name, code: options.code },
        (attempt) =>
          blob.stageBlock(id, block, length, {
            abortSignal: attempt.signal,
            onProgress: () => attempt.alive(),
          }),
        signal,
      );
      options.onProgress?.(length);
    },
    options.signal,
  );
}

/**
 * Finds out before any work whether the blob `name` could be written: stages a block that is never committed,
 * which needs the same rights and shows nothing. Without `overwrite` an existing blob is an error. If the
 * credential may not look, only the commit can tell.
 */
export async function checkWritable(
  access: BlobAccess,
  name: string,
  options: Pick<UploadOptions, 'overwrite' | 'code' | 'signal'>,
): Promise<void> {
  const blob = access.container.getBlockBlobClient(name);
  if (!options.overwrite) {
    const exists = await ask(
      access,
      { verb: 'read', name, code: options.code },
      async ({ signal }) => {
        try {
          await blob.getProperties({ abortSignal: signal });
          return true;
        } catch (error) {
          if (isAbsent(error) || statusOf(error) === 403) return false;
          throw error;
        }
      },
      options.signal,
    );
    if (exists) throw existsAlready(access, name);
  }
  await ask(
    access,
    { verb: 'write', name, code: options.code },
    ({ signal }) => blob.stageBlock(blockId('trial', 0), Buffer.of(0), 1, { abortSignal: signal }),
    options.signal,
  );
}

interface Block {
  readonly id: string;
  readonly start: number;
  readonly length: number;
}

function* cut(size: number, upload: string): Generator<Block> {
  const length = Math.max(LEAST_BLOCK, Math.ceil(size / MOST_BLOCKS / MIB) * MIB);
  for (let start = 0; start < size; start += length) {
    yield { id: blockId(upload, start / length), start, length: Math.min(length, size - start) };
  }
}

function blockId(upload: string, index: number): string {
  return Buffer.from(`${upload.padEnd(BLOCK_ID_BYTES - 8, '-')}${String(index).padStart(8, '0')}`).toString(
    'base64',
  );
}

async function readBlock(file: fs.FileHandle, path: string, start: number, length: number): Promise<Buffer> {
  const block = Buffer.allocUnsafe(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(block, filled, length - filled, start + filled);
    if (bytesRead === 0) throw new JobError('internal', `${path} became shorter while it was uploaded`);
    filled += bytesRead;
  }
  return block;
}

/** Makes a blob of its blocks. Returns false if the service has them no more. */
async function commit(
  access: BlobAccess,
  name: string,
  blocks: readonly Block[],
  upload: string,
  options: UploadOptions,
): Promise<boolean> {
  const blob = access.container.getBlockBlobClient(name);
  return ask(
    access,
    { verb: 'write', name, code: options.code },
    async ({ signal, number }) => {
      try {
        await blob.commitBlockList(
          blocks.map((block) => block.id),
          {
            abortSignal: signal,
            conditions: options.overwrite ? {} : { ifNoneMatch: '*' },
            blobHTTPHeaders: { blobContentType: options.contentType },
            metadata: { ...options.metadata, [UPLOAD_ID]: upload },
          },
        );
      } catch (error) {
        const lost = serviceCode(error) === 'InvalidBlockList';
        if (!lost && !isTaken(error)) throw error;
        // An earlier try may have succeeded though its answer was lost.
        if (number > 1 && (await isOurs(access, name, upload, signal))) return true;
        if (lost) return false;
        throw existsAlready(access, name);
      }
      return true;
    },
    options.signal,
  );
}

function isTaken(error: unknown): boolean {
  return ['BlobAlreadyExists', 'ConditionNotMet'].includes(serviceCode(error));
}

async function isOurs(
  access: BlobAccess,
  name: string,
  upload: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { metadata } = await access.container.getBlobClient(name).getProperties({ abortSignal: signal });
    return metadata?.[UPLOAD_ID] === upload;
  } catch (error) {
    if (statusOf(error) === 403) return false;
    throw new Incomplete(`the outcome of a commit is not known: ${serviceCode(error)}`);
  }
}

function existsAlready(access: BlobAccess, name: string): JobError {
  return new OutputExists(atName(access.location, name).url);
}
