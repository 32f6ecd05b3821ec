import * as fs from 'node:fs/promises';
import { openRegular, removeFile } from '../../system/own-files.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { type Encoder, openEncoder } from '../../video/frames/encode.js';
import type { ResultRow } from './result-row.js';

/** The files of a segment: encoded videos, packed rows of a table, or both. */
export interface SegmentFiles {
  /** One for each picture, in their order. */
  readonly videos: readonly string[];
  readonly rows: string | undefined;
}

/** What goes into a segment. */
export interface SegmentContent {
  /** How the frames of each picture are encoded. */
  readonly specs: readonly EncodeSpec[];
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

const NONE = new Uint8Array(0);

/** Starts to write a segment into files of these names, as far as there is something to write. */
export function openSegmentWriter(
  { specs, hasRows }: SegmentContent,
  names: { readonly video: (at: number) => string; readonly rows: string },
): SegmentWriter {
  const videos = specs.map((_, at) => names.video(at));
  const encoders = specs.map((spec, at) => openEncoder(spec, names.video(at)));
  const rows = hasRows ? rowsWriter(names.rows) : undefined;
  return {
    async write({ frames, table }) {
      await Promise.all([
        ...encoders.map((encoder, at) => encoder.write(frames[at] ?? NONE)),
        rows?.write(table),
      ]);
    },
    async finish() {
      await Promise.all([...encoders.map((encoder) => encoder.finish()), rows?.finish()]);
      return { videos, rows: rows === undefined ? undefined : names.rows };
    },
    async abort() {
      for (const encoder of encoders) await encoder.abort();
      await rows?.abort();
    },
  };
}

/**
 * Returns the specifications with the main video encoded by the engine of a CUDA device. Only its frames were
 * tried there, and engines limit how many encode at once: further videos are encoded in software.
 */
export function onGpu(specs: readonly EncodeSpec[], gpu: number): readonly EncodeSpec[] {
  return specs.map((spec, at) => (at === 0 ? { ...spec, gpu } : spec));
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
