import { JobError, messageOf } from '../../system/errors.js';
import { type NativeSession, native } from '../../system/native.js';

const LESS_MEMORY =
  'this host, or the cgroup of its ranks, has no more memory: fewer ranks there, a smaller --batch or a smaller video need less';

/**
 * Memory for frames, as `Native.allocate` gives it.
 *
 * @throws {JobError} limit: where there is not that much.
 */
export function allocateBuffer(bytes: number, session: NativeSession): Uint8Array {
  try {
    return new Uint8Array(native().allocate(bytes, session));
  } catch (error) {
    if (errorCode(error) !== 'ERR_MEMORY') throw error;
    throw new JobError('limit', messageOf(error), {
      hint: `${LESS_MEMORY}; the same command resumes from what is done`,
      cause: error,
    });
  }
}

/** What a session, or its run on a grey batch, failed with: as JobError `provider`, `limit` or `model`. */
export function sessionFailure(error: unknown): JobError {
  const code = errorCode(error);
  if (code === 'ERR_PROVIDER') {
    return new JobError('provider', messageOf(error), {
      hint: 'run doctor to see what is missing, or use --provider cpu',
      cause: error,
    });
  }
  if (code === 'ERR_MEMORY') {
    return new JobError('limit', `the model cannot be run: ${messageOf(error)}`, {
      hint: `${LESS_MEMORY}. If the block is far larger than a frame, the model is at fault`,
      cause: error,
    });
  }
  return new JobError('model', `the model cannot be run: ${messageOf(error)}`, {
    hint: 'It was tried on one grey batch. Where shapes disagree, check scale, multiple, layout and channels: in its manifest, or with --model-scale and so on',
    cause: error,
  });
}

/** Where in a video a run failed. */
export interface FailedRun {
  /** Its first and last frame, counted from 1 among those that this rank was given. */
  readonly first: number;
  readonly last: number;
  readonly batch: number;
}

/** ONNX Runtime's words, CUDA's and those of the C++ library. */
const NO_MEMORY = /out of memory|failed to allocate|bad_alloc|OUT_OF_MEMORY/i;

/**
 * What a run in the midst of a video failed with, though the grey batch went well: as JobError `provider`, `limit` or
 * `model`. What is neither the device's nor the model's failure, nor want of memory, stays what it is.
 */
export function inferenceFailure(error: unknown, { first, last, batch }: FailedRun): unknown {
  const code = errorCode(error);
  if (code !== 'ERR_PROVIDER' && code !== 'ERR_ORT' && code !== 'ERR_MEMORY') return error;
  const message = messageOf(error);
  const frames = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  const failed = (kind: 'provider' | 'limit' | 'model', hint: string): JobError =>
    new JobError(kind, `at ${frames} of those that this rank was given: ${message}`, { hint, cause: error });
  if (code === 'ERR_MEMORY' || NO_MEMORY.test(message)) {
    const less = batch === 1 ? '' : `; a smaller --batch than ${batch}, with --restart, needs less`;
    return failed(
      code === 'ERR_MEMORY' ? 'limit' : 'provider',
      `make room there, or run fewer ranks on that host, and the same command goes on from what is done${less}`,
    );
  }
  if (code === 'ERR_PROVIDER') {
    return failed(
      'provider',
      'the same command goes on from what is done; if the GPU fails again, dmesg and nvidia-smi on that host may say why',
    );
  }
  return failed(
    'model',
    'It ran on a grey batch, so the model fails on what is in these frames: the same command tries them again, and then it is the model that needs mending',
  );
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
