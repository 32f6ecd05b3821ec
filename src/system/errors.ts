/** The kind of an error, for machines. The exit code follows from it (see `exitCode`). */
export type ErrorCode =
  | 'usage' // the command line is wrong
  | 'input' // the source video cannot be used
  | 'output' // the destination cannot be written, or exists
  | 'model' // the model file, its manifest or its shapes
  | 'provider' // an execution provider (CUDA, TensorRT) is unavailable
  | 'ffmpeg' // ffmpeg or ffprobe is missing, died or refused
  | 'addon' // the native addon, or a library that it needs, cannot be loaded
  | 'mpi' // the world of ranks
  | 'journal' // a journal disagrees with this job
  | 'limit' // a documented resource limit was passed
  | 'cloud' // Azure refused a request, or a job there did not end well
  | 'cluster' // Slurm or Kubernetes cannot be reached, refused, or lost a job
  | 'videos' // some videos of a queue failed, each for a reason of its own
  | 'pictures' // more pictures failed than may, each for a reason of its own
  | 'stopped' // asked to stop by a signal; the same command resumes
  | 'internal';

/** An error that a user can act on: `message` says what happened to which file or rank, `hint` what to do. */
export class JobError extends Error {
  override readonly name = 'JobError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** The output exists already. Nothing is replaced without --overwrite. */
export class OutputExists extends JobError {
  constructor(output: string, message = `the output exists: ${output}`, hint = '--overwrite replaces it') {
    super('output', message, { hint });
  }
}

/** Node.js puts this in place of bytes of a name that are not UTF-8. The name itself is lost. */
export const UNDECODED = '\ufffd';

/** Returns the error for a file or folder whose name was not passed on whole. */
export function undecoded(code: 'input' | 'output', path: string): JobError {
  return new JobError(code, `the name "${path}" is not valid UTF-8, and Node.js cannot pass it on`, {
    hint: 'Rename the file or folder, or make a link to it with another name.',
  });
}

/** Another job holds the lock on this job's work. Nothing is wrong with the video. */
export class AnotherJobWorks extends JobError {
  constructor(where: string, who: string) {
    super('output', `another job is working in ${where}${who}`, {
      hint: 'wait for it to end, or give another output',
    });
  }
}

/**
 * Set by `watch` for its jobs. A job that fails because another one works on its output then exits with
 * `BUSY`.
 */
export const TELL_BUSY = 'FRAMESCATTER_TELL_BUSY';
export const BUSY = 79;

/**
 * Returns the process exit code: 2 for usage, 75 (EX_TEMPFAIL of sysexits) if the job was stopped and can be
 * resumed, 1 for anything else. See also `TELL_BUSY`.
 */
export function exitCode(thrown: unknown, environment: NodeJS.ProcessEnv = process.env): number {
  const error = workError(thrown);
  if (error instanceof AnotherJobWorks && environment[TELL_BUSY] === '1') return BUSY;
  if (!(error instanceof JobError)) return 1;
  if (error.code === 'usage') return 2;
  return error.code === 'stopped' ? 75 : 1;
}

/**
 * Returns the error of the work if, after it, disposing of what the work held failed too; any other error as
 * it is.
 */
export function workError(error: unknown): unknown {
  // Node.js has the class since version 24; before, the compiler makes an error of that name.
  const hides = error instanceof Error && error.name === 'SuppressedError' && 'suppressed' in error;
  return hides ? workError(error.suppressed) : error;
}

/** Returns `error` as text without its stack, for a log line or another message. */
export function messageOf(thrown: unknown): string {
  const error = workError(thrown);
  return error instanceof Error ? error.message : String(error);
}

/** Remedies for errors of the operating system, by code. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on that file system and run the same command again',
  EDQUOT: 'the quota is used up: make room and run the same command again',
  EFBIG: 'the file system, or a limit on file sizes, allows no larger file',
  EROFS: 'the file system is read-only',
  EACCES: 'check its owner and its permissions',
  EPERM: 'check its owner and its permissions',
  ENOENT: 'a file or folder disappeared while the job ran: put it back, or start over',
  EIO: 'the disk or the network file system has failed',
  ESTALE: 'the network file system has lost the file: run the same command again',
  EMFILE: 'raise the limit on open files (ulimit -n)',
  ENAMETOOLONG:
    'a name may have 255 bytes and a path 4095, including what the job adds: give --work-dir a short path, or rename the file',
  ENFILE: 'the machine has too many open files',
};

/**
 * Returns an error of the operating system's file calls at `place` as one that a user can act on; any other
 * as `workError` returns it.
 */
export function actionable(thrown: unknown, place?: string): unknown {
  const error = workError(thrown);
  if (!(error instanceof Error) || error instanceof JobError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const hint = code === undefined || syscall === undefined ? undefined : REMEDIES[code];
  if (hint === undefined) return error;
  return new JobError('output', place === undefined ? error.message : `${place}: ${error.message}`, {
    hint,
    cause: error,
  });
}
