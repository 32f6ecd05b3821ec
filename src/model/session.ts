import { availableParallelism } from 'node:os';
import { JobError, messageOf } from '../errors.js';
import { type Native, type NativeSession, native, type ProviderName } from '../native.js';
import { deviceOf, gpuModels, visibleGpus } from './devices.js';
import { engineKey, engineRoot, withEngines } from './engine-cache.js';
import { type Lanes, openLanes } from './lanes.js';
import type { Precision } from './manifest.js';
import type { CpuPrecision, SessionGraphs } from './precision.js';

export interface SessionRequest {
  readonly provider: 'auto' | ProviderName;
  readonly threads: 'auto' | number;
  readonly localRank: number;
  readonly localSize: number;
  /** Bytes of the graph's input and output. */
  readonly inputBytes: number;
  readonly outputBytes: number;
}

export interface OpenedSession {
  readonly lanes: Lanes;
  readonly provider: ProviderName;
  readonly precision: Precision | CpuPrecision;
  /** Why `auto` did not take a GPU that is there. */
  readonly fallback: string | undefined;
  /** What is slower than it might be, and why, a line each. */
  readonly notes: readonly string[];
}

/** What of the addon a session takes. */
export type SessionMaker = Pick<Native, 'createSession' | 'allocate' | 'runtimeInfo'>;

/** Mid-grey in Y, U and V: what the dry run feeds. */
const GREY = 128;

/**
 * Opens this rank's sessions for a composed graph, on the device of its node-local rank, and runs one grey batch through
 * each, so that a model that fails at run time fails before any frame is decoded. `auto` takes CUDA where it works. Errors:
 * JobError `provider` or `model`.
 */
export async function openSession(
  graphs: SessionGraphs,
  request: SessionRequest,
  addon: SessionMaker = native(),
): Promise<OpenedSession> {
  const gpus = visibleGpus();
  const device = deviceOf(request.localRank);
  const open = async (provider: ProviderName): Promise<Omit<OpenedSession, 'fallback'>> => {
    const { graph, precision } = graphFor(provider, graphs);
    const options = { provider, device, threads: threadsFor(request), half: precision === 'fp16' };
    const create = async (cache: { readonly cacheFolder?: string } = {}): Promise<NativeSession> => {
      const session = await addon.createSession(graph, { ...options, ...cache });
      await dryRun(session, request, addon);
      return session;
    };
    const unkept = new Set<string>();
    const { lanes, notes } = await openLanes(provider, () =>
      provider === 'tensorrt' ? createKept(graph, create, addon, (line) => unkept.add(line)) : create(),
    );
    return { lanes, provider, precision, notes: [...notes, ...unkept] };
  };
  if (request.provider !== 'auto') {
    return { ...(await open(request.provider).catch(explain)), fallback: undefined };
  }
  let fallback: string | undefined;
  if (gpus > 0) {
    try {
      return { ...(await open('cuda')), fallback };
    } catch (error) {
      fallback = messageOf(error);
    }
  }
  return { ...(await open('cpu').catch(explain)), fallback };
}

/** With TensorRT's engines out of the user's cache, or into it. */
async function createKept(
  graph: Uint8Array,
  create: (cache?: { readonly cacheFolder?: string }) => Promise<NativeSession>,
  addon: SessionMaker,
  note: (line: string) => void,
): Promise<NativeSession> {
  const key = engineKey(graph, [addon.runtimeInfo().version, ...gpuModels()]);
  const build = (cacheFolder: string | undefined): Promise<NativeSession> =>
    create(cacheFolder === undefined ? {} : { cacheFolder });
  return withEngines({ root: engineRoot(), key }, build, note);
}

/** The cores of this node, shared evenly by its ranks; the affinity that a scheduler sets is honoured. */
function threadsFor(request: SessionRequest): number {
  if (request.threads !== 'auto') return request.threads;
  return Math.max(1, Math.floor(availableParallelism() / request.localSize));
}

async function dryRun(
  session: NativeSession,
  request: SessionRequest,
  addon: Pick<Native, 'allocate'>,
): Promise<void> {
  const input = new Uint8Array(addon.allocate(request.inputBytes, session)).fill(GREY);
  const output = new Uint8Array(addon.allocate(request.outputBytes, session));
  await session.run(input, output);
}

function explain(error: unknown): never {
  if (errorCode(error) === 'ERR_PROVIDER') {
    throw new JobError('provider', messageOf(error), {
      hint: 'run doctor to see what is missing, or use --provider cpu',
      cause: error,
    });
  }
  throw new JobError('model', `the model cannot be run: ${messageOf(error)}`, {
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
 * What a run in the midst of a video failed with, though the grey batch went well: as JobError `provider` or `model`. What is
 * neither the device's nor the model's failure stays what it is.
 */
export function inferenceFailure(error: unknown, { first, last, batch }: FailedRun): unknown {
  const code = errorCode(error);
  if (code !== 'ERR_PROVIDER' && code !== 'ERR_ORT') return error;
  const message = messageOf(error);
  const frames = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  const failed = (kind: 'provider' | 'model', hint: string): JobError =>
    new JobError(kind, `at ${frames} of those that this rank was given: ${message}`, { hint, cause: error });
  if (NO_MEMORY.test(message)) {
    const less = batch === 1 ? '' : `; a smaller --batch than ${batch}, with --restart, needs less`;
    return failed(
      'provider',
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

/** What a rank runs. ONNX Runtime has no arithmetic in fp16 for most CPUs. */
function graphFor(
  provider: ProviderName,
  { fp32, fp16, int8 }: SessionGraphs,
): { readonly graph: Uint8Array; readonly precision: Precision | CpuPrecision } {
  const [graph, precision] = provider === 'cpu' ? [int8, 'int8' as const] : [fp16, 'fp16' as const];
  return graph === undefined ? { graph: fp32, precision: 'fp32' } : { graph, precision };
}
