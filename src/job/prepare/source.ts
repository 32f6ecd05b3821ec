import { mkdir } from 'node:fs/promises';
import { basename, dirname, extname, join, posix } from 'node:path';
import { filesBeside } from '../../model/load/manifest.js';
import { readManifest } from '../../model/load/model-files.js';
import type { ConstantSource } from '../../model/ports/constant-source.js';
import { showTransfer } from '../../report/transfer.js';
import type { BlobAccess } from '../../storage/azure/blob-access.js';
import { connect } from '../../storage/azure/blob-client.js';
import {
  type BlobFacts,
  blobFacts,
  blobFactsIfReadable,
  downloadBlob,
} from '../../storage/azure/blob-input.js';
import { atName, isAddress, type Location, parseLocation } from '../../storage/location/location.js';
import type { NumberedNames } from '../../storage/location/numbered-names.js';
import { JobError } from '../../system/errors.js';
import type { Rational } from '../../video/formats/rational.js';
import type { StorageContext } from '../context/storage-context.js';
import { fileIdentity } from '../journal/fingerprint.js';
import type { Identity } from '../journal/identity.js';

/** A file on this machine: an original, or a download. */
export interface LocalCopy {
  readonly path: string;
  /** The name that the user gave: the path, or a URL without its query. */
  readonly display: string;
}

/** The pictures of an input that is a sequence. */
export interface SequenceFacts {
  readonly names: NumberedNames;
  readonly first: number;
  readonly count: number;
  readonly rate: Rational;
  /** True if nobody gave the rate. */
  readonly isUsualRate: boolean;
}

/** The input. */
export interface Source extends LocalCopy {
  /** Returns the identity of the input, whose size was found to be `bytes`. */
  identity(bytes: number): Promise<Identity>;
  /** Undefined if the input is one file. */
  readonly sequence?: SequenceFacts;
  /** Metadata, for an output in Blob storage, that names the input's version. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Opens an input: a local file as it is; a blob by downloading it to scratch. */
export async function openSource(location: Location, storage: StorageContext): Promise<Source> {
  if (location.kind === 'file') {
    const { path } = location;
    return {
      path,
      display: path,
      identity: (bytes) => fileIdentity(path, bytes),
      metadata: {},
    };
  }
  const access = await connect(location);
  const facts = await blobFacts(access, location.name, { code: 'input', signal: storage.stopped });
  const folder = join(await storage.scratch.folder(), 'input');
  await mkdir(folder, { recursive: true }); // exists after an attempt that failed
  const path = join(folder, localName(location.name, 'input'));
  await fetchBlob(access, location.name, facts, path, 'input', storage);
  return {
    path,
    display: location.url,
    identity: async (bytes) => ({ 'input size': bytes, 'input ETag': facts.etag }),
    metadata: { source_etag: facts.etag },
  };
}

/**
 * Returns a local path for `--model`. Downloads a model in Blob storage, the manifest beside it (x.json or
 * x.onnx.json) if the credential may read it, and the files that the manifest names. Returns anything else
 * as it is.
 */
export async function openModel(spec: string, storage: StorageContext): Promise<LocalCopy> {
  const location = isAddress(spec) ? parseLocation(spec) : undefined;
  if (location?.kind !== 'blob') return { path: spec, display: spec };
  const options = { code: 'model', signal: storage.stopped } as const;
  const access = await connect(location);
  const facts = await blobFacts(access, location.name, options);
  const folder = join(await storage.scratch.folder(), 'model');
  await mkdir(folder);
  const path = join(folder, localName(location.name, 'model'));
  const copy = { path, display: location.url };
  await fetchBlob(access, location.name, facts, path, 'model', storage);
  for (const manifestOf of [(name: string) => withoutExtension(name), (name: string) => name]) {
    const name = `${manifestOf(location.name)}.json`;
    const manifest = await blobFactsIfReadable(access, name, options);
    if (manifest === undefined) continue;
    await fetchBlob(access, name, manifest, `${manifestOf(path)}.json`, 'model', storage);
    const parsed = await withDisplayName(copy, () => readManifest(`${manifestOf(path)}.json`));
    for (const file of filesBeside(parsed)) await fetchBeside(access, file, folder, storage);
    break; // the first manifest counts
  }
  return copy;
}

/**
 * Returns the value of an input of the model, with a local path in place of an address. `at` is the number of
 * the input.
 */
export async function openValue(
  source: ConstantSource,
  at: number,
  storage: StorageContext,
): Promise<{ readonly source: ConstantSource; readonly copy: LocalCopy | undefined }> {
  const location =
    source.kind !== 'numbers' && isAddress(source.file) ? parseLocation(source.file) : undefined;
  if (source.kind === 'numbers' || location?.kind !== 'blob') return { source, copy: undefined };
  const access = await connect(location);
  const facts = await blobFacts(access, location.name, { code: 'model', signal: storage.stopped });
  const folder = join(await storage.scratch.folder(), `value-${at}`);
  await mkdir(folder);
  const path = join(folder, localName(location.name, 'value'));
  await fetchBlob(access, location.name, facts, path, 'model', storage);
  return { source: { ...source, file: path }, copy: { path, display: location.url } };
}

/**
 * Downloads a file that a manifest names. `parseManifest` has checked that it lies in the manifest's folder.
 */
async function fetchBeside(
  access: BlobAccess,
  file: string,
  folder: string,
  storage: StorageContext,
): Promise<void> {
  const name = posix.join(posix.dirname(access.location.name), file);
  const facts = await blobFacts(access, name, { code: 'model', signal: storage.stopped });
  const path = join(folder, file);
  await mkdir(dirname(path), { recursive: true });
  await fetchBlob(access, name, facts, path, 'model', storage);
}

/** Runs `task`. Replaces the local path in its errors by the name that the user gave. */
export async function withDisplayName<T>(copy: LocalCopy, task: () => T | Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof JobError) || copy.path === copy.display) throw error;
    const [here, there] = [dirname(copy.path), copy.display.slice(0, copy.display.lastIndexOf('/'))];
    const say = (text: string): string => text.replaceAll(copy.path, copy.display).replaceAll(here, there);
    const { code, message, hint, cause } = error;
    throw new JobError(code, say(message), { ...(hint === undefined ? {} : { hint: say(hint) }), cause });
  }
}

async function fetchBlob(
  access: BlobAccess,
  name: string,
  facts: BlobFacts,
  path: string,
  code: JobError['code'],
  storage: StorageContext,
): Promise<void> {
  const { url } = atName(access.location, name);
  await storage.scratch.refuseIfFull(facts.bytes, url);
  using transfer = showTransfer(storage.log, 'download', url, facts.bytes);
  await downloadBlob(access, name, facts, path, {
    code,
    signal: storage.stopped,
    onProgress: transfer.moved,
  });
  transfer.done();
}

/**
 * Returns the last part of a blob's name if it is harmless as a file name; else `fallback` with its
 * extension.
 */
function localName(name: string, fallback: string): string {
  const last = basename(name);
  if (/^\w[\w .-]{0,199}$/.test(last)) return last;
  const extension = extname(last);
  return /^\.\w{1,8}$/.test(extension) ? `${fallback}${extension}` : fallback;
}

function withoutExtension(name: string): string {
  return name.slice(0, name.length - extname(name).length);
}
