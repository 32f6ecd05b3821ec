import { availableParallelism } from 'node:os';
import { deviceOf, gpuModels, visibleGpus } from '../../system/devices.js';
import { messageOf } from '../../system/errors.js';
import { type Native, type NativeSession, native, type ProviderName } from '../../system/native.js';
import type { Precision } from '../load/manifest.js';
import { engineKey, engineRoot, withEngines } from './engine-cache.js';
import { type InferenceStreams, openInferenceStreams } from './inference-streams.js';
import type { CpuPrecision, SessionGraphs } from './precision.js';
import { sessionFailure } from './session-errors.js';

export interface SessionRequest {
  readonly provider: 'auto' | ProviderName;
  readonly threads: 'auto' | number;
  readonly localRank: number;
  readonly localSize: number;
  /** Bytes of the graph's input and output. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Whether it is tried out at once. A rank that will hardly be given a frame need not, and takes no memory for it. */
  readonly dryRun: boolean;
}

export interface OpenedSession {
  readonly streams: InferenceStreams;
  readonly provider: ProviderName;
  readonly precision: Precision | CpuPrecision;
  /** Why `auto` did not take a GPU that is there. */
  readonly fallback: string | undefined;
  /** What is slower than it might be, and why, a line each. */
  readonly notes: readonly string[];
}

/** What of the addon a session takes. */
export type SessionFactory = Pick<Native, 'createSession' | 'allocate' | 'runtimeInfo'>;

/** Mid-grey in Y, U and V: what the dry run feeds. */
const GREY = 128;

/**
 * Opens this rank's sessions for a composed graph, on the device of its node-local rank, and, with `dryRun`, runs one grey
 * batch through each, so that a model that fails at run time fails before any frame is decoded. `auto` takes CUDA where it works. Errors:
 * JobError `provider` or `model`.
 */
export async function openSession(
  graphs: SessionGraphs,
  request: SessionRequest,
  addon: SessionFactory = native(),
): Promise<OpenedSession> {
  const gpus = visibleGpus();
  const device = deviceOf(request.localRank);
  const open = async (provider: ProviderName): Promise<Omit<OpenedSession, 'fallback'>> => {
    const { graph, precision } = graphFor(provider, graphs);
    const options = { provider, device, threads: threadsFor(request), half: precision === 'fp16' };
    const create = async (cache: { readonly cacheFolder?: string } = {}): Promise<NativeSession> => {
      const session = await addon.createSession(graph, { ...options, ...cache });
      if (request.dryRun) await dryRun(session, request, addon);
      return session;
    };
    const unkept = new Set<string>();
    const { streams, notes } = await openInferenceStreams(provider, () =>
      provider === 'tensorrt' ? createKept(graph, create, addon, (line) => unkept.add(line)) : create(),
    );
    return { streams, provider, precision, notes: [...notes, ...unkept] };
  };
  if (request.provider !== 'auto') {
    return { ...(await open(request.provider).catch(refuse)), fallback: undefined };
  }
  let fallback: string | undefined;
  if (gpus > 0) {
    try {
      return { ...(await open('cuda')), fallback };
    } catch (error) {
      fallback = messageOf(error);
    }
  }
  return { ...(await open('cpu').catch(refuse)), fallback };
}

/** With TensorRT's engines out of the user's cache, or into it. */
async function createKept(
  graph: Uint8Array,
  create: (cache?: { readonly cacheFolder?: string }) => Promise<NativeSession>,
  addon: SessionFactory,
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

function refuse(error: unknown): never {
  throw sessionFailure(error);
}

/** What a rank runs. ONNX Runtime has no arithmetic in fp16 for most CPUs. */
function graphFor(
  provider: ProviderName,
  { fp32, fp16, int8 }: SessionGraphs,
): { readonly graph: Uint8Array; readonly precision: Precision | CpuPrecision } {
  const [graph, precision] = provider === 'cpu' ? [int8, 'int8' as const] : [fp16, 'fp16' as const];
  return graph === undefined ? { graph: fp32, precision: 'fp32' } : { graph, precision };
}
