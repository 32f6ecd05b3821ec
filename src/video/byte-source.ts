import { open } from 'node:fs/promises';
import { Writable } from 'node:stream';

/** Bytes that come in pieces. */
export interface ByteSource {
  /** The next piece (not empty), undefined at the end. It is valid until the next call. One call at a time. */
  next(): Promise<Uint8Array | undefined>;
}

/** A byte source over what is written into a stream. */
export interface StreamSource extends ByteSource {
  /** Never closes by itself, and takes a limited number of bytes ahead of `next`. */
  readonly sink: Writable;
  /** Ends the source now: what is and will be written is dropped. Idempotent. */
  discard(): void;
}

/** A byte source over a file. */
export interface FileSource extends ByteSource {
  /** The file's length when it was opened. */
  readonly bytes: number;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Bytes that may wait between the writer and the reader: somewhat more than one 1080p frame. */
const AHEAD_BYTES = 4 * 2 ** 20;
const FILE_PIECE_BYTES = 256 * 2 ** 10;

/** Makes a writable stream and the byte source of what is written into it. No byte is copied. */
export function streamSource(): StreamSource {
  let piece: Uint8Array | undefined;
  let taken: (() => void) | undefined;
  /** Whether `next` has given `piece`: then the next call takes it back. */
  let given = false;
  let ended = false;
  let wake: (() => void) | undefined;
  const sink = new Writable({
    // fluent-ffmpeg kills ffmpeg 20 ms after this stream emits 'close'.
    emitClose: false,
    autoDestroy: false,
    highWaterMark: AHEAD_BYTES,
    write(chunk: Uint8Array, _encoding, done) {
      if (ended) return done();
      piece = chunk;
      taken = done;
      wake?.();
    },
    final(done) {
      ended = true;
      wake?.();
      done();
    },
  });
  return {
    sink,
    discard() {
      ended = true;
      piece = undefined;
      wake?.();
      taken?.();
      taken = undefined;
    },
    async next() {
      if (given) {
        const release = taken;
        piece = undefined;
        taken = undefined;
        given = false;
        release?.(); // May write the next piece at once.
      }
      while (piece === undefined && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      given = piece !== undefined;
      return piece;
    },
  };
}

/** Opens a file as a byte source. Errors: those of the file system. */
export async function fileSource(path: string): Promise<FileSource> {
  const file = await open(path, 'r');
  const piece = new Uint8Array(FILE_PIECE_BYTES);
  const { size } = await file.stat();
  let closed: Promise<void> | undefined;
  return {
    bytes: size,
    async next() {
      const { bytesRead } = await file.read(piece, 0, piece.length);
      return bytesRead === 0 ? undefined : piece.subarray(0, bytesRead);
    },
    close() {
      closed ??= file.close();
      return closed;
    },
  };
}
