import * as fs from 'node:fs/promises';
import { openRegular, removeFile } from '../../system/own-files.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { type Encoder, openEncoder } from '../../video/frames/encode.js';
import type { ResultRow } from './result-row.js';

/** The files of a segment: encoded video, packed rows of a table, or both. */
export interface SegmentFiles {
  readonly video: string | undefined;
  readonly rows: string | undefined;
}

/** What goes into a segment. */
export interface SegmentContent {
  /** Undefined: no video. */
  readonly spec: EncodeSpec | undefined;
  readonly hasRows: boolean;
}

/** Takes the results of a segment's frames. Throws as `Encoder`. */
export interface SegmentWriter {
  write(row: ResultRow): Promise<void>;
  /** Ends the segment: its files are complete, and flushed to the disk. */
  finish(): Promise<SegmentFiles>;
  /** Removes the files. Idempotent, and allowed right after a failure. */
  abort(): Promise<void>;
}

/** Starts to write a segment into files of these names, as far as there is something to write. */
export function openSegmentWriter(
  { spec, hasRows }: SegmentContent,
  names: { readonly video: string; readonly rows: string },
): SegmentWriter {
  const encoder = spec && openEncoder(spec, names.video);
  const rows = hasRows ? rowsWriter(names.rows) : undefined;
  return {
    async write({ frame, table }) {
      await Promise.all([encoder?.write(frame), rows?.write(table)]);
    },
    async finish() {
      await Promise.all([encoder?.finish(), rows?.finish()]);
      return {
        video: encoder === undefined ? undefined : names.video,
        rows: rows === undefined ? undefined : names.rows,
      };
    },
    async abort() {
      await encoder?.abort();
      await rows?.abort();
    },
  };
}

/** Writes the packed rows of frames, one after another. */
function rowsWriter(path: string): Encoder {
  const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
  const opened = openRegular(path, O_WRONLY | O_CREAT | O_EXCL);
  opened.catch(() => {}); // thrown by `write`
  let open = true;
  const close = async (): Promise<void> => {
    if (!open) return;
    open = false;
    await (await opened).close();
  };
  return {
    async write(packed) {
      await (await opened).writeFile(packed);
    },
    async finish() {
      await (await opened).sync();
      await close();
    },
    async abort() {
      await close().catch(() => {});
      await removeFile(path);
    },
  };
}
