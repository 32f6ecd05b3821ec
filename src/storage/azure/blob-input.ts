import * as fs from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { JobError, messageOf } from '../../system/errors.js';
import { inParallel } from '../../system/parallel.js';
import { atName } from '../location/location.js';
import type { BlobAccess, Purpose } from './blob-access.js';
import { ask } from './blob-client.js';
import { isAbsent } from './blob-errors.js';
import { type Attempt, Incomplete } from './retry.js';
import { statusOf } from './service-errors.js';

/** A blob's state at one time. */
export interface BlobFacts {
  /** Changes with every write. */
  readonly etag: string;
  readonly bytes: number;
}

export interface TransferOptions {
  /** The code of errors. */
  readonly code: JobError['code'];
  /** Called with the number of bytes each time some have been moved. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Large enough that a request's latency does not matter, small enough that a broken one loses little. */
const RANGE_BYTES = 8 * 2 ** 20;
const RANGES_AT_ONCE = 8;

/** Returns ETag and length of the blob `name`. */
export async function blobFacts(
  access: BlobAccess,
  name: string,
  options: TransferOptions,
): Promise<BlobFacts> {
  return ask(access, readingOf(name, options), (attempt) => readFacts(access, name, attempt), options.signal);
}

/** Returns ETag and length of the blob `name`; undefined if there is none. */
export async function blobFactsIfThere(
  access: BlobAccess,
  name: string,
  options: TransferOptions,
): Promise<BlobFacts | undefined> {
  return factsUnless(access, name, options, isAbsent);
}

/**
 * Returns ETag and length of the blob `name`; undefined if there is none, or none that the credential may
 * read.
 */
export async function blobFactsIfReadable(
  access: BlobAccess,
  name: string,
  options: TransferOptions,
): Promise<BlobFacts | undefined> {
  return factsUnless(access, name, options, (error) => isAbsent(error) || statusOf(error) === 403);
}

async function factsUnless(
  access: BlobAccess,
  name: string,
  options: TransferOptions,
  isNone: (error: unknown) => boolean,
): Promise<BlobFacts | undefined> {
  return ask(
    access,
    readingOf(name, options),
    (attempt) =>
      readFacts(access, name, attempt).catch((error) => {
        if (isNone(error)) return undefined;
        throw error;
      }),
    options.signal,
  );
}

async function readFacts(access: BlobAccess, name: string, attempt: Attempt): Promise<BlobFacts> {
  const { etag, contentLength } = await access.container
    .getBlobClient(name)
    .getProperties({ abortSignal: attempt.signal });
  if (etag === undefined || contentLength === undefined) {
    throw new Incomplete(`the service tells no ETag and length of ${atName(access.location, name).url}`);
  }
  return { etag, bytes: contentLength };
}

function readingOf(name: string, options: TransferOptions): Purpose {
  return { verb: 'read', name, code: options.code };
}

/**
 * Copies the blob `name`, in the state of `facts`, to the local file `path`. Ranges are copied in parallel
 * and written as they come, so that memory does not grow with the blob. The blob must keep its ETag, and
 * every byte must arrive. On any failure the file is removed.
 */
export async function downloadBlob(
  access: BlobAccess,
  name: string,
  facts: BlobFacts,
  path: string,
  options: TransferOptions,
): Promise<void> {
  const file = await fs.open(path, 'w', 0o600);
  try {
    await inParallel(
      ranges(facts.bytes),
      RANGES_AT_ONCE,
      (range, signal) =>
        copyRange({ access, name, facts, file, code: options.code, ...range }, options, signal),
      options.signal,
    );
    const { size } = await file.stat();
    if (size !== facts.bytes) {
      const { url } = atName(access.location, name);
      throw new JobError(options.code, `${url} has ${facts.bytes} bytes, of which ${size} arrived`);
    }
    await file.close();
  } catch (error) {
    await file.close();
    await fs.rm(path, { force: true });
    throw error instanceof JobError
      ? error
      : new JobError(options.code, `${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Reads a small blob as text; a request for `ask`. */
export async function readText(access: BlobAccess, name: string, attempt: Attempt): Promise<string> {
  return (await readWhole(access, name, attempt)).toString('utf8');
}

/**
 * Reads the blob `name`, in the state of `facts`, into memory.
 *
 * @returns undefined when there is no such blob any more, or it has changed.
 */
export async function readBlob(
  access: BlobAccess,
  name: string,
  facts: BlobFacts,
  options: TransferOptions,
): Promise<Buffer | undefined> {
  return ask(
    access,
    readingOf(name, options),
    (attempt) =>
      readWhole(access, name, attempt, facts.etag).catch((error) => {
        if (isAbsent(error) || statusOf(error) === 412) return undefined;
        throw error;
      }),
    options.signal,
  );
}

async function readWhole(access: BlobAccess, name: string, attempt: Attempt, etag?: string): Promise<Buffer> {
  const { readableStreamBody, contentLength } = await access.container
    .getBlobClient(name)
    .download(0, undefined, {
      abortSignal: attempt.signal,
      maxRetryRequests: 0,
      ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }),
    });
  const chunks: Buffer[] = [];
  for await (const chunk of (readableStreamBody ?? []) as AsyncIterable<Buffer>) {
    attempt.alive();
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.byteLength !== contentLength) throw new Incomplete(`${name} did not arrive whole`);
  return bytes;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function* ranges(bytes: number): Generator<Range> {
  for (let start = 0; start < bytes; start += RANGE_BYTES) {
    yield { start, end: Math.min(bytes, start + RANGE_BYTES) };
  }
}

interface RangeCopy extends Range {
  readonly access: BlobAccess;
  readonly name: string;
  readonly facts: BlobFacts;
  readonly file: fs.FileHandle;
  readonly code: JobError['code'];
}

async function copyRange(copy: RangeCopy, options: TransferOptions, signal: AbortSignal): Promise<void> {
  const { access, name, end, file } = copy;
  let position = copy.start;
  async function attempt(current: Attempt): Promise<void> {
    const body = await openRange(copy, position, current.signal);
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        current.alive();
        if (position + chunk.byteLength > end)
          throw new JobError(options.code, `more of ${name} came than was asked for`);
        await file.write(chunk, 0, chunk.byteLength, position);
        position += chunk.byteLength;
        options.onProgress?.(chunk.byteLength);
      }
    } finally {
      body.destroy();
    }
    if (position < end) throw new Incomplete(`${end - position} bytes did not arrive`);
  }
  await ask(access, readingOf(name, options), attempt, signal);
}

async function openRange(copy: RangeCopy, position: number, signal: AbortSignal): Promise<Readable> {
  const { access, name, facts, end } = copy;
  try {
    const { readableStreamBody } = await access.container
      .getBlobClient(name)
      .download(position, end - position, {
        abortSignal: signal,
        conditions: { ifMatch: facts.etag },
        maxRetryRequests: 0,
      });
    if (readableStreamBody === undefined) throw new Incomplete('the answer has no body');
    return readableStreamBody as Readable;
  } catch (error) {
    if (statusOf(error) !== 412) throw error;
    throw new JobError(copy.code, `${atName(access.location, name).url} changed while it was being read`, {
      hint: 'run the job again when its upload has ended',
    });
  }
}
