/** What went wrong, as a machine reads it. The exit code follows from it (see `exitCode`). */
export type ErrorCode =
  | 'usage' // the command line is wrong
  | 'input' // the source video cannot be used
  | 'output' // the destination cannot be written, or exists
  | 'model' // the model file, its manifest or its shapes
  | 'provider' // an execution provider (CUDA, TensorRT) cannot be had
  | 'ffmpeg' // ffmpeg or ffprobe is missing, died or refused
  | 'addon' // the native addon, or a library that it needs, cannot be loaded
  | 'mpi' // the world of ranks
  | 'journal' // a journal disagrees with this job
  | 'limit' // a documented resource limit was passed
  | 'cloud' // Azure refused a request, or a job there did not end well
  | 'cluster' // Slurm or Kubernetes cannot be reached, refused, or lost a job
  | 'videos' // some videos of a queue failed, each for a reason of its own
  | 'stopped' // asked to stop by a signal; the same command resumes
  | 'internal';

/** An error a user can act on: `message` says what happened to which file or rank, `hint` what to do. */
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

/** There is something at the output already, and nothing is replaced unasked. */
export class OutputExists extends JobError {
  constructor(output: string) {
    super('output', `the output exists: ${output}`, { hint: '--overwrite replaces it' });
  }
}

/** What Node.js puts in place of bytes of a name that are not UTF-8: the name itself is lost. */
export const UNDECODED = '\ufffd';

/** A file or folder that cannot be reached, since its name was not passed on whole. */
export function undecoded(code: 'input' | 'output', path: string): JobError {
  return new JobError(code, `the name "${path}" is not valid UTF-8, and Node.js cannot pass it on`, {
    hint: 'Rename the file or folder, or make a link to it with another name.',
  });
}

/** Another job has the lock on this one's work: nothing is wrong with the video. */
export class AnotherJobWorks extends JobError {
  constructor(where: string, who: string) {
    super('output', `another job is working in ${where}${who}`, {
      hint: 'wait for it to end, or give another output',
    });
  }
}

/** Set by `watch` for its jobs: one that fails as another job works on its output then ends with `BUSY` instead of 1. */
export const TELL_BUSY = 'FRAMESCATTER_TELL_BUSY';
export const BUSY = 79;

/** The process exit code: 2 usage, 75 (sysexits' EX_TEMPFAIL) stopped but resumable, 1 anything else; and see `TELL_BUSY`. */
export function exitCode(error: unknown, environment: NodeJS.ProcessEnv = process.env): number {
  if (error instanceof AnotherJobWorks && environment[TELL_BUSY] === '1') return BUSY;
  if (!(error instanceof JobError)) return 1;
  if (error.code === 'usage') return 2;
  return error.code === 'stopped' ? 75 : 1;
}

/** `error` as text, without its stack: what a log line or another message may carry. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a user can do about an error of the operating system, by its code. */
const MENDS: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on that file system and run the same command again',
  EDQUOT: 'the quota is used up: make room and run the same command again',
  EFBIG: 'the file system, or a limit on file sizes, allows no larger file',
  EROFS: 'the file system can only be read',
  EACCES: 'see who owns it and who may write',
  EPERM: 'see who owns it and who may write',
  ENOENT: 'a file or folder has gone while the job ran: put it back, or begin again',
  EIO: 'the disk or the network file system has failed',
  ESTALE: 'the network file system has lost the file: run the same command again',
  EMFILE: 'raise the limit on open files (ulimit -n)',
  ENAMETOOLONG:
    'names may have 255 bytes and paths 4095, with all that a job adds: give --work-dir a short path, or rename',
  ENFILE: 'the machine has too many open files',
};

/** An error of the operating system's file calls at `place` as one that a user can act on; any other as it is. */
export function actionable(error: unknown, place?: string): unknown {
  if (!(error instanceof Error) || error instanceof JobError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const hint = code === undefined || syscall === undefined ? undefined : MENDS[code];
  if (hint === undefined) return error;
  return new JobError('output', place === undefined ? error.message : `${place}: ${error.message}`, {
    hint,
    cause: error,
  });
}
