import type { ProviderName } from '../../system/native.js';

/** The traits of an execution provider of ONNX Runtime. */
export interface ProviderTraits {
  /** The name in messages. */
  readonly title: string;
  /**
   * True if it computes in the memory of a device: batches are copied there and back, and the host needs
   * none.
   */
  readonly inDeviceMemory: boolean;
  /** True if it runs a graph in fp16, if there is one. */
  readonly runsFp16: boolean;
  /** True if it runs a graph in int8, if there is one. */
  readonly runsInt8: boolean;
  /** True if it computes on the host's cores, which decoders and encoders use too. */
  readonly sharesHostCores: boolean;
  /** True if it builds engines, which are cached for the next session. */
  readonly cachesEngines: boolean;
}

/** The table of providers. ONNX Runtime has no fp16 arithmetic for most CPUs. */
export const PROVIDERS: Readonly<Record<ProviderName, ProviderTraits>> = {
  cpu: {
    title: 'the CPU',
    inDeviceMemory: false,
    runsFp16: false,
    runsInt8: true,
    sharesHostCores: true,
    cachesEngines: false,
  },
  cuda: {
    title: 'CUDA',
    inDeviceMemory: true,
    runsFp16: true,
    runsInt8: false,
    sharesHostCores: false,
    cachesEngines: false,
  },
  tensorrt: {
    title: 'TensorRT',
    inDeviceMemory: true,
    runsFp16: true,
    runsInt8: false,
    sharesHostCores: false,
    cachesEngines: true,
  },
};

/**
 * The providers that `--provider auto` tries, in this order: those in device memory only if there is a GPU.
 */
export const FALLBACK_ORDER = ['cuda', 'cpu'] as const satisfies readonly ProviderName[];

/** Returns the first provider that `auto` tries on a machine with `gpus` GPUs. */
export function autoProvider(gpus: number): ProviderName {
  return FALLBACK_ORDER.find((name) => gpus > 0 || !PROVIDERS[name].inDeviceMemory) ?? 'cpu';
}
