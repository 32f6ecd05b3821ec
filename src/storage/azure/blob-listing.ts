/** Lists a container, or a folder in it. */
import type { BlobAccess, Purpose } from './blob-access.js';
import { ask } from './blob-client.js';

/** A blob in a listing. `name` is relative to the folder that was listed. */
export interface ListedBlob {
  readonly name: string;
  readonly etag: string;
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ListOptions {
  readonly depth: 'all' | 'top';
  /** Code of the error if it cannot be listed. */
  readonly code: Purpose['code'];
  /** False: the metadata is empty. */
  readonly withMetadata?: boolean;
}

/** Returns the blobs below the container or folder of `access` whose names `takes` takes, in their order. */
export async function blobsIn(
  access: BlobAccess,
  takes: (name: string) => boolean,
  { depth, code, withMetadata = false }: ListOptions,
  signal: AbortSignal,
): Promise<readonly ListedBlob[]> {
  const { name: folder } = access.location;
  const prefix = folder === '' ? '' : `${folder}/`;
  return ask(
    access,
    { verb: 'list', name: prefix, code },
    async (attempt) => {
      const found: ListedBlob[] = [];
      const options = { prefix, includeMetadata: withMetadata, abortSignal: attempt.signal };
      const items =
        depth === 'all'
          ? access.container.listBlobsFlat(options)
          : access.container.listBlobsByHierarchy('/', options);
      for await (const item of items) {
        attempt.alive();
        if ('kind' in item && item.kind === 'prefix') continue;
        const { etag, contentLength: bytes = 0 } = item.properties;
        const name = item.name.slice(prefix.length);
        if (takes(name)) found.push({ name, etag, bytes, metadata: item.metadata ?? {} });
      }
      return found;
    },
    signal,
  );
}
