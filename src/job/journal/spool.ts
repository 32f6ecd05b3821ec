import * as fs from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { openRegular } from '../../system/own-files.js';

/**
 * The styled frames of one unfinished segment: a slow job that dies loses only the frames in flight. A record
 * is: frame length (uint32), CRC-32 of what follows (uint32), PTS (float64), the frame's number in the video
 * (float64) if only some of the video were taken, the frame; little endian. A torn last record is ignored.
 * Above a certain rate the spool takes no more frames of its segment: a fast job would only fill the disk,
 * and spooling would cost more than it saves. If the disk is full it takes none either: the segment needs the
 * space. Disposing of it keeps the file for the next run.
 */
export interface Spool extends AsyncDisposable {
  append(frame: Uint8Array, pts: number, number?: number): Promise<void>;
  /** Removes the file: its segment is in the journal. */
  discard(): Promise<void>;
}

export interface SpooledFrame {
  readonly pts: number;
  /** Its number in the video, if only some of the video were taken. */
  readonly number?: number;
  /** Valid until the next frame is read. */
  readonly frame: Uint8Array;
}

const RECORD_HEADER = 16;
const NUMBER_BYTES = 8;
/**
 * Bytes that may be spooled at once (but always one frame), and per second after that. A 1080p frame takes
 * about 2 ms to check and write: at 5 frames per second, the limit for that size, 1 % of the time.
 */
const BURST = 16 * 2 ** 20;
const BYTES_PER_SECOND = 16 * 2 ** 20;

/**
 * Opens the spool at `path` and keeps its first `frames` records, which `readSpool` found intact. With
 * `numbered` each frame has its number in the video.
 */
export async function openSpool(
  path: string,
  frameBytes: number,
  frames: number,
  numbered = false,
): Promise<Spool> {
  const { O_RDWR, O_CREAT } = fs.constants;
  const file = await openRegular(path, frames > 0 ? O_RDWR : O_RDWR | O_CREAT);
  const headerBytes = headerBytesOf(numbered);
  let position = frames * (headerBytes + frameBytes);
  await file.truncate(position);
  const burst = Math.max(BURST, headerBytes + frameBytes);
  let allowance = burst;
  let last = performance.now();
  let full = false;

  return {
    async append(frame, pts, number = 0) {
      const now = performance.now();
      allowance = Math.min(burst, allowance + ((now - last) / 1000) * BYTES_PER_SECOND);
      last = now;
      const bytes = headerBytes + frame.byteLength;
      full ||= allowance < bytes;
      if (full) return;
      allowance -= bytes;
      const header = Buffer.alloc(headerBytes);
      header.writeUInt32LE(frame.byteLength, 0);
      header.writeDoubleLE(pts, 8);
      if (numbered) header.writeDoubleLE(number, RECORD_HEADER);
      header.writeUInt32LE(crc32(frame, crc32(header.subarray(8))), 4);
      try {
        await file.writev([header, frame], position);
        position += bytes;
      } catch (error) {
        if (!['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
        full = true;
        await file.truncate(0);
      }
    },
    [Symbol.asyncDispose]: () => file.close(),
    async discard() {
      await file.close();
      await fs.rm(path, { force: true });
    },
  };
}

/** A spool that keeps nothing: for a folder that no later run would find. */
export const NO_SPOOL: Spool = {
  append: async () => {},
  discard: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

/** Reads the intact records of the spool at `path`, in order; none if there is no such file. */
export async function* readSpool(
  path: string,
  frameBytes: number,
  numbered = false,
): AsyncGenerator<SpooledFrame, void, undefined> {
  await using file = await openRegular(path).catch(() => undefined);
  if (file === undefined) return;
  const headerBytes = headerBytesOf(numbered);
  const record = Buffer.alloc(headerBytes + frameBytes);
  for (let position = 0; ; position += record.byteLength) {
    const { bytesRead } = await file.read(record, 0, record.byteLength, position);
    const intact =
      bytesRead === record.byteLength &&
      record.readUInt32LE(0) === frameBytes &&
      record.readUInt32LE(4) === crc32(record.subarray(8));
    if (!intact) return;
    yield {
      pts: record.readDoubleLE(8),
      frame: record.subarray(headerBytes),
      ...(numbered ? { number: record.readDoubleLE(RECORD_HEADER) } : {}),
    };
  }
}

function headerBytesOf(numbered: boolean): number {
  return RECORD_HEADER + (numbered ? NUMBER_BYTES : 0);
}
