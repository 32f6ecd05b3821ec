import { open } from 'node:fs/promises';

/** Bytes in order. */
export interface ByteSource {
  /**
   * Puts the next bytes at the beginning of `into` (which has room for one at least) as soon as there are any, and gives
   * their number; 0 at the end. One call at a time.
   */
  read(into: Uint8Array): Promise<number>;
}

/** A byte source over a file. */
export interface FileSource extends ByteSource {
  /** The file's length when it was opened. */
  readonly bytes: number;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Opens a file as a byte source. Errors: those of the file system. */
export async function fileSource(path: string): Promise<FileSource> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  let closed: Promise<void> | undefined;
  return {
    bytes: size,
    async read(into) {
      const { bytesRead } = await file.read(into, 0, into.length);
      return bytesRead;
    },
    close() {
      closed ??= file.close();
      return closed;
    },
  };
}
