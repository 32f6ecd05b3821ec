/**
 * Standard output and standard error whose reader has gone (`| head -1`), or that cannot be written (a full disk): for
 * Node.js an error event that nobody listens to, which ends the process.
 */

/** What became of the two. */
export interface OutputWatch {
  /** Why standard output could not be written; undefined where all of it was, or where its reader had read enough. */
  failure(): string | undefined;
}

/** A reader that has gone: of a pipe or socket, or of a terminal that was closed. */
const GONE = new Set(['EPIPE', 'ECONNRESET', 'EIO']);

/**
 * Takes a reader that has gone as the end of output, not of the program: what is still written is dropped. The log on
 * standard error may be lost for any reason, since the work goes on without it; lost results on standard output are a failure.
 */
export function watchOutput({
  stdout,
  stderr,
}: Readonly<Record<'stdout' | 'stderr', NodeJS.WritableStream>> = process): OutputWatch {
  let first: NodeJS.ErrnoException | undefined;
  // A stream that has failed answers each further write with another error.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    first ??= error;
  });
  stderr.on('error', () => {});
  return {
    failure: () => (first === undefined || GONE.has(first.code ?? '') ? undefined : first.message),
  };
}
