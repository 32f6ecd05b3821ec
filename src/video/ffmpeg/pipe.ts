/** Pipes to and from ffmpeg for raw frames: large, and used in place on libuv's threads. */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { JobError, messageOf } from '../../system/errors.js';
import { native } from '../../system/native.js';
import type { ByteSource } from '../formats/byte-source.js';

/**
 * A pipe that a child process writes into. Disposing of it closes our end when the present read has ended:
 * the child's end must be closed by then. Idempotent.
 */
export interface IncomingPipe extends ByteSource, AsyncDisposable {
  /** File descriptor of the child's end; whoever starts the child closes it here. */
  readonly childEnd: number;
}

/** A pipe that a child process reads from. */
export interface OutgoingPipe {
  /** File descriptor of the child's end; whoever starts the child closes it here. */
  readonly childEnd: number;
  /**
   * Resolves when the kernel has all of `bytes`. One call at a time. Rejects with EPIPE when the child is
   * gone.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Closes our end when the present write has ended: the child then sees the end of its input. Idempotent.
   */
  end(): Promise<void>;
}

/** The largest capacity that Linux allows any user. Its default is 64 KiB, a fiftieth of a 1080p frame. */
const CAPACITY = 2 ** 20;

const read = promisify(fs.read);
const write = promisify(fs.write);
const closeDescriptor = promisify(fs.close);

/**
 * Opens a pipe that a child process writes into.
 *
 * @throws {JobError} limit: when this process has too many open files.
 */
export function incomingPipe(): IncomingPipe {
  const { readEnd, writeEnd } = openPipe();
  const use = exclusive(readEnd);
  return {
    childEnd: writeEnd,
    [Symbol.asyncDispose]: use.close,
    read: (into) => use.during(async () => (await read(readEnd, into, 0, into.length, null)).bytesRead),
  };
}

/**
 * Opens a pipe that a child process reads from.
 *
 * @throws {JobError} limit: when this process has too many open files.
 */
export function outgoingPipe(): OutgoingPipe {
  const { readEnd, writeEnd } = openPipe();
  const use = exclusive(writeEnd);
  return {
    childEnd: readEnd,
    end: use.close,
    write: (bytes) =>
      use.during(async () => {
        for (let at = 0; at < bytes.length; ) {
          at += (await write(writeEnd, bytes, at, bytes.length - at, null)).bytesWritten;
        }
      }),
  };
}

function openPipe() {
  try {
    return native().openPipe(CAPACITY);
  } catch (error) {
    throw new JobError('limit', messageOf(error), {
      hint: 'raise the limit on open files (ulimit -n)',
      cause: error,
    });
  }
}

/** Keeps a descriptor from being closed, and its number from going to another file, while it is in use. */
function exclusive(descriptor: number) {
  let busy: Promise<unknown> = Promise.resolve();
  let closed: Promise<void> | undefined;
  return {
    during<T>(work: () => Promise<T>): Promise<T> {
      if (closed !== undefined) throw new JobError('internal', 'a pipe was used after its end');
      const result = work();
      busy = result.catch(() => undefined);
      return result;
    },
    close(): Promise<void> {
      closed ??= busy.then(() => closeDescriptor(descriptor));
      return closed;
    },
  };
}
