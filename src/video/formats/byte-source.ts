import { open } from 'node:fs/promises';

/** A source of bytes in order. */
export interface ByteSource {
  /**
   * Reads the next bytes into the beginning of `into` (which has room for one at least), as soon as there are
   * any. Returns their number; 0 at the end. One call at a time.
   */
  read(into: Uint8Array): Promise<number>;
}

/** A byte source over a file. Disposing of it closes the file. Idempotent. */
export interface FileSource extends ByteSource, AsyncDisposable {
  /** The file's length when it was opened. */
  readonly bytes: number;
}

/** Opens a file as a byte source. Throws the errors of the file system. */
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
    [Symbol.asyncDispose]() {
      closed ??= file.close();
      return closed;
    },
  };
}
