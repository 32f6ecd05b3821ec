/**
 * Handles standard output and standard error whose reader has gone (`| head -1`), or that cannot be written
 * (a full disk). Node.js emits an error event, which ends the process if nothing listens.
 */

/** The state of standard output. */
export interface OutputWatch {
  /**
   * Returns why standard output could not be written; undefined if all was written, or its reader had read
   * enough.
   */
  failure(): string | undefined;
}

/** Errors of a reader that has gone: of a pipe or socket, or of a terminal that was closed. */
const GONE = new Set(['EPIPE', 'ECONNRESET', 'EIO']);

/**
 * Treats a reader that has gone as the end of output, not of the program: further output is dropped. The log
 * on standard error may be lost for any reason, since the work continues without it. Lost results on standard
 * output are a failure.
 */
export function watchOutput({
  stdout,
  stderr,
}: Readonly<Record<'stdout' | 'stderr', NodeJS.WritableStream>> = process): OutputWatch {
  let first: NodeJS.ErrnoException | undefined;
  // A stream that has failed emits another error for each further write.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    first ??= error;
  });
  stderr.on('error', () => {});
  return {
    failure: () => (first === undefined || GONE.has(first.code ?? '') ? undefined : first.message),
  };
}
