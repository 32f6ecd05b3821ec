import type { ProviderName } from '../../system/native.js';
import { toWebGpu } from '../passes/webgpu.js';

/** The traits of an execution provider of ONNX Runtime. */
export interface ProviderTraits {
  /** The name in messages. */
  readonly title: string;
  /** ONNX Runtime's library for it; undefined if it is part of ONNX Runtime. */
  readonly library: string | undefined;
  /** What to do if it is there and does not work. */
  readonly remedy: string;
  /** Sessions that run in turns: while one computes, the other's batch is copied to a device and back. */
  readonly streams: 1 | 2;
  /** True if it takes the host's memory for its tensors, be it only to be tried. */
  readonly needsHostMemory: boolean;
  /** True if it is faster with several frames at a time. */
  readonly gainsFromBatches: boolean;
  /** True if it runs a graph in fp16, if there is one. */
  readonly runsFp16: boolean;
  /** True if it runs a graph in int8, if there is one. */
  readonly runsInt8: boolean;
  /** True if it computes on the host's cores, which decoders and encoders use too. */
  readonly sharesHostCores: boolean;
  /** True if it builds engines, which are cached for the next session. */
  readonly cachesEngines: boolean;
  /** Rewrites a graph in fp32 for it, with the same results; undefined if it takes graphs as they are. */
  readonly rewrite: ((graph: Uint8Array) => Uint8Array) | undefined;
  /** True if it is believed only after its results have been compared with the CPU's. */
  readonly isTried: boolean;
}

/** The table of providers. ONNX Runtime has no fp16 arithmetic for most CPUs. */
export const PROVIDERS: Readonly<Record<ProviderName, ProviderTraits>> = {
  cpu: {
    title: 'the CPU',
    library: undefined,
    remedy: 'build the addon again',
    streams: 1,
    needsHostMemory: true,
    gainsFromBatches: false,
    runsFp16: false,
    runsInt8: true,
    sharesHostCores: true,
    cachesEngines: false,
    rewrite: undefined,
    isTried: false,
  },
  cuda: {
    title: 'CUDA',
    library: 'libonnxruntime_providers_cuda.so',
    remedy: 'jobs use the CPU; CUDA 12 and cuDNN 9 must be where the dynamic loader finds them',
    streams: 2,
    needsHostMemory: false,
    gainsFromBatches: true,
    runsFp16: true,
    runsInt8: false,
    sharesHostCores: false,
    cachesEngines: false,
    rewrite: undefined,
    isTried: false,
  },
  tensorrt: {
    title: 'TensorRT',
    library: 'libonnxruntime_providers_tensorrt.so',
    remedy: 'only --provider tensorrt needs it: TensorRT 10 must be where the dynamic loader finds it',
    streams: 2,
    needsHostMemory: false,
    gainsFromBatches: true,
    runsFp16: true,
    runsInt8: false,
    sharesHostCores: false,
    cachesEngines: true,
    rewrite: undefined,
    isTried: false,
  },
  webgpu: {
    title: 'WebGPU',
    library: undefined,
    remedy: 'only --provider webgpu needs it: install a newer Vulkan driver (Mesa 23 or later)',
    // ONNX Runtime's issues 31627 and 32561: two sessions that run at a time corrupt each other.
    streams: 1,
    needsHostMemory: true,
    gainsFromBatches: true,
    runsFp16: false,
    runsInt8: false,
    sharesHostCores: false,
    cachesEngines: false,
    rewrite: toWebGpu,
    isTried: true,
  },
};

/** The providers that `--provider auto` tries, in this order, where their hardware is. */
export const FALLBACK_ORDER = ['cuda', 'webgpu', 'cpu'] as const satisfies readonly ProviderName[];

/**
 * Returns the provider by which a job with `auto` is planned on a machine with `gpus` NVIDIA GPUs. For WebGPU
 * it is planned like for the CPU, which takes over where the trial fails.
 */
export function autoProvider(gpus: number): ProviderName {
  return gpus > 0 ? 'cuda' : 'cpu';
}
