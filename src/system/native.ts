import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { JobError, messageOf } from './errors.js';
import { packageRoot } from './package.js';

/** The place of this process in the MPI world. "Local" means among the ranks of this node. */
export interface WorldInfo {
  readonly rank: number;
  readonly size: number;
  readonly localRank: number;
  readonly localSize: number;
  readonly host: string;
  /** The MPI library's own version line, e.g. `Open MPI v4.1.4, ...`. */
  readonly library: string;
}

export type ProviderName = 'cpu' | 'cuda' | 'tensorrt' | 'webgpu';

/** A device that Vulkan offers. */
export interface VulkanAdapter {
  readonly name: string;
  /** The driver's name and version; empty if it does not say. */
  readonly driver: string;
  /** `software` computes on the CPU. */
  readonly kind: 'discrete' | 'integrated' | 'virtual' | 'software' | 'other';
}

export interface SessionOptions {
  readonly provider: ProviderName;
  /** Device number among the visible ones; ignored on the CPU and by WebGPU, which takes the first one. */
  readonly device: number;
  /** Intra-op threads on the CPU; at least 1. */
  readonly threads: number;
  /** True if TensorRT may compute in float16. Other providers use the types in the graph. Default: false. */
  readonly half?: boolean;
  /** Folder for TensorRT's engine cache; ignored elsewhere. */
  readonly cacheFolder?: string;
}

export interface TensorInfo {
  readonly name: string;
  /** ONNX element type in lower case: `uint8`, `float`, `float16`, ... */
  readonly type: string;
  readonly shape: readonly number[];
  /** Bytes of the whole tensor. */
  readonly bytes: number;
}

/** One ONNX Runtime session on one device, with a thread of its own. */
export interface NativeSession {
  /** In the order of the graph; without inputs that have an initializer. */
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Notes on what is slower on this GPU than it could be, and why, one line each. */
  readonly notes: readonly string[];
  /**
   * Runs the graph on a buffer for each of `inputs` and one for each of `outputs`, in that order. Each must
   * be exactly as long as its tensor and aligned to its elements, as `allocate` gives it: `ERR_ARGUMENT`
   * otherwise, or if an output overlaps another buffer. A byte of a bool is 0 or 1. None may be touched until
   * the promise settles; the lists may. Runs are carried out in the order of the calls.
   */
  run(inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): Promise<void>;
  /** Frees the session once its runs are done; later runs are refused. */
  dispose(): Promise<void>;
}

/**
 * The functions of the addon. It knows nothing of videos, files, options, logging or retries. Every error has
 * a `code`: `ERR_MPI`, `ERR_ORT`, `ERR_PROVIDER`, `ERR_ARGUMENT`, `ERR_STATE` or `ERR_MEMORY`.
 */
export interface Native {
  /** Starts the thread that owns MPI, and initialises MPI on it (MPI_THREAD_FUNNELED). Once per process. */
  initWorld(): Promise<WorldInfo>;
  /** Sends `buffer` of rank 0 to every other rank's `buffer` of the same length. */
  broadcast(buffer: Uint8Array): Promise<void>;
  /**
   * Splits frames of `frameBytes` each: rank r receives `counts[r]` frames, in order. `send` is given on rank
   * 0 only and holds at least the sum of counts; `receive` holds at least this rank's count. Counts may be
   * zero. On rank 0 `receive` may be null: its own frames, the first ones, then stay in `send`.
   */
  scatter(
    send: Uint8Array | null,
    counts: readonly number[],
    frameBytes: number,
    receive: Uint8Array | null,
  ): Promise<void>;
  /**
   * The inverse of `scatter`. `receive` is given on rank 0 only. There `send` may be null: its own frames,
   * the first ones, are then in `receive` already.
   */
  gather(
    send: Uint8Array | null,
    counts: readonly number[],
    frameBytes: number,
    receive: Uint8Array | null,
  ): Promise<void>;
  /**
   * Sends `buffer` to rank `to`, which must receive exactly as many bytes from this rank. Messages from one
   * rank to another arrive in the order of the calls.
   */
  send(buffer: Uint8Array, to: number): Promise<void>;
  /** The counterpart of `send`: fills `buffer` with what rank `from` sends. */
  receive(buffer: Uint8Array, from: number): Promise<void>;
  /** Sends `buffer` to rank 0, which must call `receiveStatus` with as many bytes. For other ranks. */
  sendStatus(buffer: Uint8Array): Promise<void>;
  /** Fills `buffer` with the next status, from whichever rank sent it. For rank 0. */
  receiveStatus(buffer: Uint8Array): Promise<void>;
  /** MPI_Abort: ends every rank of the job with this exit code, at once. Does not return. */
  abortWorld(code: number): void;
  /** MPI_Finalize, after all outstanding calls; the thread ends. */
  finalizeWorld(): Promise<void>;

  /**
   * Opens a session over an ONNX file. `ERR_ORT` names the input or output that has a dynamic shape or other
   * elements than numbers: 8 to 64 bits, signed or not, bool, float16, float or double.
   */
  createSession(model: Uint8Array, options: SessionOptions): Promise<NativeSession>;
  /**
   * Allocates memory that MPI and sessions use in place: aligned to 64 bytes, at most 4 GiB, page-locked if
   * `session` runs on a GPU. It is freed when the buffer is garbage collected. Throws `ERR_MEMORY` if there
   * is not enough.
   */
  allocate(bytes: number, session: NativeSession | null): ArrayBuffer;
  /**
   * Opens a pipe that holds `capacity` bytes, or as many as the system allows. Returns the file descriptors
   * of its ends, for the caller to close. A child process inherits one only if it is passed on.
   */
  openPipe(capacity: number): { readonly readEnd: number; readonly writeEnd: number };
  /** Returns ONNX Runtime's version and the providers that this build can load: `cpu`, `webgpu`, ... */
  runtimeInfo(): { readonly version: string; readonly providers: readonly ProviderName[] };
  /**
   * Returns Vulkan's adapters, the one that WebGPU takes first; null if Vulkan's loader is not installed.
   * Loads the drivers.
   */
  vulkanAdapters(): readonly VulkanAdapter[] | null;
  /**
   * Calls `listener` with each message of ONNX Runtime's log, from warnings up, instead of an earlier one.
   * Without one, ONNX Runtime logs only fatal errors, to standard error. For `--verbose`.
   */
  onRuntimeMessage(listener: (message: string) => void): void;
}

let loaded: Native | undefined;

/**
 * Loads the addon, once. Only this file knows the path of the .node file.
 *
 * @throws {JobError} addon: when it cannot be loaded.
 */
export function native(): Native {
  // ONNX Runtime reads this when it is loaded. Without it, it sends usage data and leaves files of it.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  // UCX, if the MPI library uses it, tests its memory hooks while it is loaded, by sbrk(+4096) and
  // sbrk(-4096). The upstream build of Node.js 20 has code right above the heap. If the heap touches it, the
  // first call fails and the second takes away malloc's last page: in one start of 64.
  process.env.UCX_MEM_EVENTS ??= 'no';
  loaded ??= load(join(packageRoot(), 'build/Release/framescatter.node'));
  return loaded;
}

function load(file: string): Native {
  try {
    return createRequire(import.meta.url)(file) as Native;
  } catch (error) {
    const [message, hint] = whyNot(file, messageOf(error).split('\n')[0] ?? '');
    throw new JobError('addon', message, { hint, cause: error });
  }
}

/** Returns why the addon cannot be loaded and what to do. `text` is the dynamic loader's message. */
function whyNot(file: string, text: string): readonly [message: string, hint: string] {
  if (!existsSync(file)) {
    return [
      `the addon is not built: there is no ${file}`,
      'run npm run build on every host that has its own copy of framescatter; framescatter doctor lists what else is missing',
    ];
  }
  const library = /(\S+): cannot open shared object file/.exec(text)?.[1];
  if (library !== undefined) {
    return [
      `the addon cannot be loaded: the library ${library} is missing`,
      "install it on that host (bash scripts/setup.sh), or load the cluster's MPI module; then run framescatter doctor there",
    ];
  }
  return [
    `the addon cannot be loaded: ${text}`,
    'it may be built for another system: run npm run build on that host',
  ];
}
