import { JobError, messageOf } from '../../system/errors.js';
import { type NativeSession, native } from '../../system/native.js';

const LESS_MEMORY =
  'this host, or the cgroup of its ranks, is out of memory: use fewer ranks there, a smaller --batch, --tile 1024 or a smaller video';

/** Messages of ONNX Runtime, CUDA and the C++ library. */
const NO_MEMORY = /out of memory|failed to allocate|bad_alloc|OUT_OF_MEMORY/i;

/**
 * Allocates memory for frames, by `Native.allocate`.
 *
 * @throws {JobError} limit: when there is not enough memory.
 */
export function allocateBuffer(bytes: number, session: NativeSession): Uint8Array {
  try {
    return new Uint8Array(native().allocate(bytes, session));
  } catch (error) {
    if (errorCode(error) !== 'ERR_MEMORY') throw error;
    throw new JobError('limit', messageOf(error), {
      hint: `${LESS_MEMORY}; the same command resumes the job`,
      cause: error,
    });
  }
}

/** Returns the failure of a session, or of its dry run, as JobError `provider`, `limit` or `model`. */
export function sessionFailure(error: unknown): JobError {
  const code = errorCode(error);
  if (code === 'ERR_PROVIDER' && NO_MEMORY.test(messageOf(error))) {
    return new JobError('limit', `the model does not fit into the memory of the GPU: ${messageOf(error)}`, {
      hint: 'use a smaller --batch, fewer ranks for each GPU, or --tile 1024, which runs it on parts of a frame',
      cause: error,
    });
  }
  if (code === 'ERR_PROVIDER') {
    return new JobError('provider', messageOf(error), {
      hint: 'run framescatter doctor to see what is missing, or use --provider cpu',
      cause: error,
    });
  }
  if (code === 'ERR_MEMORY') {
    return new JobError('limit', `the model cannot run: ${messageOf(error)}`, {
      hint: `${LESS_MEMORY}. If the block is far larger than a frame, the model is wrong`,
      cause: error,
    });
  }
  return new JobError('model', `the model cannot run: ${messageOf(error)}`, {
    hint:
      'it failed in the dry run, on a grey batch; if shapes disagree, check scale, multiple, layout and channels ' +
      'in its manifest, or --model-scale and the other --model-... options',
    cause: error,
  });
}

/** The position of a failed run in a video. */
export interface FailedRun {
  /** Its first and last frame, counted from 1 among this rank's frames. */
  readonly first: number;
  readonly last: number;
  readonly batch: number;
}

/**
 * Returns the failure of a run in the middle of a video, after the dry run succeeded, as JobError `provider`,
 * `limit` or `model`. Returns an error that is due to neither the device, the model nor memory as it is.
 */
export function inferenceFailure(error: unknown, { first, last, batch }: FailedRun): unknown {
  const code = errorCode(error);
  if (code !== 'ERR_PROVIDER' && code !== 'ERR_ORT' && code !== 'ERR_MEMORY') return error;
  const message = messageOf(error);
  const frames = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  const failed = (kind: 'provider' | 'limit' | 'model', hint: string): JobError =>
    new JobError(kind, `at ${frames} of this rank's frames: ${message}`, { hint, cause: error });
  if (code === 'ERR_MEMORY' || NO_MEMORY.test(message)) {
    const less = batch === 1 ? '' : `; a --batch below ${batch}, with --restart, needs less`;
    return failed(
      code === 'ERR_MEMORY' ? 'limit' : 'provider',
      `free memory on that host or run fewer ranks there; the same command resumes the job${less}`,
    );
  }
  if (code === 'ERR_PROVIDER') {
    return failed(
      'provider',
      'the same command resumes the job; if the GPU fails again, dmesg and nvidia-smi on that host may say why',
    );
  }
  return failed(
    'model',
    'the dry run on a grey batch succeeded, so the content of these frames makes the model fail; if the same command ' +
      'fails again, correct the model',
  );
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
