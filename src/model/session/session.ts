import { availableParallelism } from 'node:os';
import { realAdapter, webGpuAdapter } from '../../system/adapters.js';
import { deviceOf, gpuModels, visibleGpus } from '../../system/devices.js';
import { JobError, messageOf } from '../../system/errors.js';
import { type Native, type NativeSession, native, type ProviderName } from '../../system/native.js';
import { I420, neutralChroma, type SampleFormat, samplesOf } from '../../video/formats/frame-format.js';
import type { Precision } from '../load/manifest-fields.js';
import { compareWithCpu } from './cpu-trial.js';
import { engineKey, engineRoot, withEngines } from './engine-cache.js';
import { furtherBuffers } from './inference.js';
import { type InferenceStreams, openInferenceStreams } from './inference-streams.js';
import type { CpuPrecision, SessionGraphs } from './precision.js';
import { FALLBACK_ORDER, PROVIDERS } from './providers.js';
import { sessionFailure } from './session-errors.js';

export interface SessionRequest {
  readonly provider: 'auto' | ProviderName;
  readonly threads: 'auto' | number;
  readonly localRank: number;
  readonly localSize: number;
  /** How the samples of frames are stored; undefined: as bytes. */
  readonly sample?: SampleFormat;
  /** Bytes of the graph's input and output. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /**
   * True to make a dry run. A rank that will probably get no frame makes none, and allocates no memory for
   * it.
   */
  readonly dryRun: boolean;
}

export interface OpenedSession {
  readonly streams: InferenceStreams;
  readonly provider: ProviderName;
  /** The device's name, where the provider chooses it by itself. */
  readonly device?: string;
  readonly precision: Precision | CpuPrecision;
  /** Why `auto` did not use an existing GPU, one sentence for each provider; undefined if it did. */
  readonly fallback: string | undefined;
  /** Notes for the user, one line each: what is slower than possible, and why. */
  readonly notes: readonly string[];
}

/** The addon functions that a session uses. */
export type SessionFactory = Pick<Native, 'createSession' | 'allocate' | 'runtimeInfo' | 'vulkanAdapters'>;

/**
 * Opens this rank's sessions for a composed graph, on the device of its local rank. With `dryRun` it runs one
 * grey batch in each, so that a model that fails at run time fails before the first frame is decoded. `auto`
 * uses CUDA if it works, then WebGPU on a real GPU, then the CPU. A provider that is tried runs a batch of a
 * pattern, and so does the CPU.
 *
 * @throws {JobError} provider, limit or model: when a session cannot be opened, or its dry run fails.
 */
export async function openSession(
  graphs: SessionGraphs,
  request: SessionRequest,
  addon: SessionFactory = native(),
): Promise<OpenedSession> {
  const gpus = visibleGpus();
  const device = deviceOf(request.localRank);
  const open = async (provider: ProviderName): Promise<Omit<OpenedSession, 'fallback'>> => {
    const traits = PROVIDERS[provider];
    const { graph, precision } = graphFor(provider, graphs);
    const adapter = traits.isTried ? webGpuAdapter(addon)?.name : undefined;
    const where = adapter === undefined ? traits.title : `${traits.title} on ${adapter}`;
    const options = { provider, device, threads: threadsFor(request), half: precision === 'fp16' };
    const create = async (cache: { readonly cacheFolder?: string } = {}): Promise<NativeSession> => {
      const session = await addon.createSession(graph, { ...options, ...cache });
      try {
        if (traits.isTried) {
          const { sample } = request;
          const shared = { graph: graphs.fp32, threads: options.threads, where };
          await compareWithCpu(session, sample === undefined ? shared : { ...shared, sample }, addon);
        } else if (request.dryRun) await dryRun(session, request, addon);
      } catch (error) {
        await session.dispose();
        throw error;
      }
      return session;
    };
    const uncached = new Set<string>();
    const { streams, notes } = await openInferenceStreams(provider, () =>
      traits.cachesEngines ? createCached(graph, create, addon, (line) => uncached.add(line)) : create(),
    );
    const crowded = traits.sharesHostCores ? tooManyThreads(options.threads) : [];
    const shared =
      adapter !== undefined && request.localSize > 1
        ? [`all ${request.localSize} ranks of a host share ${where}`]
        : [];
    const opened = { streams, provider, precision, notes: [...notes, ...uncached, ...crowded, ...shared] };
    return adapter === undefined ? opened : { ...opened, device: adapter };
  };
  if (request.provider !== 'auto') {
    return { ...(await open(request.provider).catch(refuse)), fallback: undefined };
  }
  const reasons: string[] = [];
  const fallback = (): string | undefined => (reasons.length === 0 ? undefined : reasons.join('; '));
  for (const provider of FALLBACK_ORDER) {
    if (provider === 'cpu' || !hasHardware(provider, gpus, addon)) continue;
    try {
      return { ...(await open(provider)), fallback: fallback() };
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  return { ...(await open('cpu').catch(refuse)), fallback: fallback() };
}

/** Returns whether `auto` finds hardware for a provider. */
function hasHardware(provider: 'cuda' | 'webgpu', gpus: number, addon: SessionFactory): boolean {
  switch (provider) {
    case 'cuda':
      return gpus > 0;
    case 'webgpu':
      return realAdapter(addon) !== undefined;
  }
}

/** Creates a session with TensorRT's engines from the user's cache; new engines go into it. */
async function createCached(
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

/**
 * Returns this rank's threads: an equal share of the node's cores, within the affinity that a scheduler sets.
 */
function threadsFor(request: SessionRequest): number {
  if (request.threads !== 'auto') return request.threads;
  return Math.max(1, Math.floor(availableParallelism() / request.localSize));
}

/** Returns a note if there are more threads than cores. */
function tooManyThreads(threads: number): readonly string[] {
  const cores = availableParallelism();
  return threads <= cores ? [] : [`--threads ${threads} exceeds the ${cores} cores of a rank here`];
}

async function dryRun(
  session: NativeSession,
  request: SessionRequest,
  addon: Pick<Native, 'allocate'>,
): Promise<void> {
  const { sample = I420 } = request;
  const input = new Uint8Array(addon.allocate(request.inputBytes, session));
  // Mid-grey in Y, U and V.
  samplesOf(input, sample).fill(neutralChroma(sample));
  const output = new Uint8Array(addon.allocate(request.outputBytes, session));
  const further = furtherBuffers(session, (bytes) => new Uint8Array(addon.allocate(bytes, session)));
  await session.run([input, ...further.inputs], [output, ...further.outputs]);
}

function refuse(error: unknown): never {
  throw error instanceof JobError ? error : sessionFailure(error);
}

/** Returns the graph that a provider runs, and its precision. */
function graphFor(
  provider: ProviderName,
  { fp32, fp16, int8 }: SessionGraphs,
): { readonly graph: Uint8Array; readonly precision: Precision | CpuPrecision } {
  const { runsFp16, runsInt8, rewrite } = PROVIDERS[provider];
  if (runsInt8 && int8 !== undefined) return { graph: int8, precision: 'int8' };
  if (runsFp16 && fp16 !== undefined) return { graph: fp16, precision: 'fp16' };
  return { graph: rewrite === undefined ? fp32 : rewrite(fp32), precision: 'fp32' };
}
