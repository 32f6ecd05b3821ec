/** The files or blobs that a job makes of pictures, one each. */
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CONTENT_TYPES, type PictureFormat } from '../../pictures/formats.js';
import { connect } from '../../storage/azure/blob-client.js';
import { uploadBlob } from '../../storage/azure/blob-output.js';
import { publishFile } from '../../storage/local/publish-file.js';
import { PUBLICATION } from '../../storage/local/work-names.js';
import type { WorkStore } from '../../storage/local/work-store.js';
import { atName, type BlobLocation, type Location, nameBelow } from '../../storage/location/location.js';
import { blobsPresent } from '../../storage/picture-listing.js';
import { isTemporary } from '../../system/durable.js';
import { JobError } from '../../system/errors.js';
import { fileDigest } from '../../system/file-digest.js';
import { removeFile } from '../../system/own-files.js';
import type { PictureRecord } from '../journal/picture-record.js';
import { seal, unseal } from '../journal/sealed.js';
import type { BlobLabels } from '../output/destination.js';

/** What is at the place of an output. `ours`: just what an earlier run of this job made. */
export type Presence = 'absent' | 'ours' | 'other';

export interface PictureOutputs {
  /** Returns the path or address of an output, for messages. */
  display(name: string): string;
  /** Returns what is there; `made` is what an earlier run recorded. */
  presence(name: string, made: PictureRecord['output']): Promise<Presence>;
  /** Puts a finished, flushed file there as one act. What is there is replaced only with `overwrite`. */
  publish(name: string, output: FinishedPicture, overwrite: boolean): Promise<void>;
}

export interface FinishedPicture {
  readonly file: string;
  readonly sha256: string;
  readonly format: PictureFormat;
}

/** Marks a blob with its digest, by which a later run knows it again. */
const DIGEST = 'framescatter_sha256';

/** Returns the labels of the blob of a picture. */
export function labelsOf(
  { sha256, format }: FinishedPicture,
  metadata: Readonly<Record<string, string>>,
): BlobLabels {
  return { contentType: CONTENT_TYPES[format], metadata: { ...metadata, [DIGEST]: sha256 } };
}

/** Opens the folder of the outputs, and removes copies that a killed run has left there. */
export async function openOutputs(
  folder: Location,
  store: WorkStore,
  metadata: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<PictureOutputs> {
  return folder.kind === 'file' ? localOutputs(folder.path, store) : blobOutputs(folder, metadata, signal);
}

async function localOutputs(folder: string, store: WorkStore): Promise<PictureOutputs> {
  const path = (name: string): string => join(folder, name);
  await fs.mkdir(folder, { recursive: true });
  // Copies are made only where the work folder is on another file system.
  const copies = new Set(copiesIn(await store.readText(PUBLICATION)));
  for (const name of copies) await removeFile(path(name));
  copies.clear();

  return {
    display: path,
    async presence(name, made) {
      const stats = await fs.lstat(path(name)).catch(() => undefined);
      if (stats === undefined) return 'absent';
      if (stats.isDirectory()) {
        throw new JobError('output', `${path(name)} is a folder, and would be the output of a picture`, {
          hint: 'move it away, or give another --out-dir',
        });
      }
      const isSame = stats.isFile() && made !== null && stats.size === made.bytes;
      return isSame && (await fileDigest(path(name))) === made.sha256 ? 'ours' : 'other';
    },
    async publish(name, { file }, overwrite) {
      let copy: string | undefined;
      await publishFile(file, path(name), overwrite, async ({ beside }) => {
        if (beside === null || beside === copy) return;
        copy = beside;
        copies.add(beside);
        await store.writeText(PUBLICATION, seal({ copies: [...copies] }));
      });
      if (copy !== undefined) copies.delete(copy);
      await fs.rm(file, { force: true });
    },
  };
}

/** Returns the names of temporary copies in a record; none if it is damaged or another job's. */
function copiesIn(text: string | undefined): readonly string[] {
  const { copies } = (text === undefined ? undefined : unseal(text)) ?? {};
  if (!Array.isArray(copies)) return [];
  return copies.filter(
    (name): name is string => typeof name === 'string' && name === basename(name) && isTemporary(name),
  );
}

async function blobOutputs(
  folder: BlobLocation,
  metadata: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<PictureOutputs> {
  const access = await connect(folder);
  const present = await blobsPresent(access, signal);
  return {
    display: (name) => atName(folder, nameBelow(folder, name)).url,
    async presence(name, made) {
      const blob = present.get(name);
      if (blob === undefined) return 'absent';
      const isSame = made !== null && blob.bytes === made.bytes && blob.metadata[DIGEST] === made.sha256;
      return isSame ? 'ours' : 'other';
    },
    async publish(name, finished, overwrite) {
      const options = { code: 'output', signal, overwrite, ...labelsOf(finished, metadata) } as const;
      await uploadBlob(access, nameBelow(folder, name), finished.file, options);
      await fs.rm(finished.file, { force: true });
    },
  };
}

/** Checks that the outputs would lie beside none of the sources, whose names they have. */
export async function refuseSourcesFolder(folder: Location, sources: readonly Location[]): Promise<void> {
  const refuse = (place: string): never => {
    throw new JobError('output', `the outputs would have the names of their sources in ${place}`, {
      hint: 'give another --out-dir: the source is never touched',
    });
  };
  if (folder.kind === 'blob') {
    const same = sources.some(
      (one) =>
        one.kind === 'blob' &&
        one.service === folder.service &&
        one.container === folder.container &&
        one.name.slice(0, Math.max(0, one.name.lastIndexOf('/'))) === folder.name,
    );
    if (same) refuse(folder.url);
    return;
  }
  const identity = (path: string): Promise<string | undefined> =>
    fs.stat(path).then(
      ({ dev, ino }) => `${dev}:${ino}`,
      () => undefined,
    );
  const own = await identity(folder.path);
  const parents = new Set(sources.flatMap((one) => (one.kind === 'file' ? [dirname(one.path)] : [])));
  for (const parent of parents)
    if (own !== undefined && (await identity(parent)) === own) refuse(folder.path);
}
