import { JobError } from '../system/errors.js';
import type { Spread } from './aml-bodies.js';

/** A VM size with GPUs that Azure ML's compute clusters offer. */
export interface GpuSize {
  readonly name: string;
  readonly gpus: number;
  readonly gpu: string;
  /** The memory of one GPU, in the vendor's GB. */
  readonly gpuMemory: number;
  readonly cores: number;
  readonly state: 'offered' | 'no new capacity' | 'retired';
}

const T4 = { gpu: 'T4', gpuMemory: 16, state: 'offered' } as const;
const A100 = { gpu: 'A100', gpuMemory: 80, state: 'no new capacity' } as const;
const H100 = { gpu: 'H100', gpuMemory: 94, state: 'offered' } as const;
const V100 = { gpu: 'V100', gpuMemory: 16, state: 'retired' } as const;

/** NCv3, which the reference architecture uses and Azure retired in September 2025, and its successors. */
export const GPU_SIZES: readonly GpuSize[] = [
  { name: 'Standard_NC4as_T4_v3', gpus: 1, cores: 4, ...T4 },
  { name: 'Standard_NC8as_T4_v3', gpus: 1, cores: 8, ...T4 },
  { name: 'Standard_NC16as_T4_v3', gpus: 1, cores: 16, ...T4 },
  { name: 'Standard_NC64as_T4_v3', gpus: 4, cores: 64, ...T4 },
  { name: 'Standard_NC24ads_A100_v4', gpus: 1, cores: 24, ...A100 },
  { name: 'Standard_NC48ads_A100_v4', gpus: 2, cores: 48, ...A100 },
  { name: 'Standard_NC96ads_A100_v4', gpus: 4, cores: 96, ...A100 },
  { name: 'Standard_NC40ads_H100_v5', gpus: 1, cores: 40, ...H100 },
  { name: 'Standard_NC80adis_H100_v5', gpus: 2, cores: 80, ...H100 },
  { name: 'Standard_ND96amsr_A100_v4', gpus: 8, cores: 96, gpu: 'A100', gpuMemory: 80, state: 'offered' },
  { name: 'Standard_ND96isr_H100_v5', gpus: 8, cores: 96, gpu: 'H100', gpuMemory: 80, state: 'offered' },
  { name: 'Standard_NC6s_v3', gpus: 1, cores: 6, ...V100 },
  { name: 'Standard_NC12s_v3', gpus: 2, cores: 12, ...V100 },
  { name: 'Standard_NC24s_v3', gpus: 4, cores: 24, ...V100 },
  { name: 'Standard_NC24rs_v3', gpus: 4, cores: 24, ...V100 },
];

/** The default sizes by GPUs per node: T4s, which are enough for the included models and cost least. */
export const DEFAULT_SIZES = {
  none: 'Standard_F16s_v2',
  one: 'Standard_NC8as_T4_v3',
  several: 'Standard_NC64as_T4_v3',
} as const;

/** Returns the default size of nodes with so many GPUs. */
export function defaultSize(gpusPerNode: number): string {
  if (gpusPerNode === 0) return DEFAULT_SIZES.none;
  return gpusPerNode === 1 ? DEFAULT_SIZES.one : DEFAULT_SIZES.several;
}

/** Returns true if nodes of this size have GPUs: Azure's N family, whether in the table or not. */
export function hasGpus(name: string): boolean {
  return /^Standard_N/i.test(name);
}

/** Returns the size of that name, ignoring case; undefined if the table lacks it, though it may exist. */
export function gpuSize(name: string): GpuSize | undefined {
  return GPU_SIZES.find((size) => size.name.toLowerCase() === name.toLowerCase());
}

/** @throws {JobError} usage: when Azure has retired `size`, or its GPUs do not fit the ranks. */
export function checkGpus(size: string, spread: Spread): void {
  if (size !== '' && hasGpus(size) !== spread.gpusPerNode > 0) {
    throw hasGpus(size)
      ? new JobError('usage', `${size} has GPUs, and --gpus-per-node 0 would leave them idle`, {
          hint: 'give --gpus-per-node, or a --vm-size without GPUs',
        })
      : new JobError('usage', `${size} has no GPUs`, { hint: 'give --gpus-per-node 0' });
  }
  const known = gpuSize(size);
  if (known === undefined) return;
  if (known.state === 'retired') {
    throw new JobError('usage', `Azure has retired ${known.name}`, {
      hint: 'docs/azure-ml.md lists its successors',
    });
  }
  if (spread.gpusPerNode > known.gpus) {
    throw new JobError(
      'usage',
      `${known.name} has ${known.gpus} GPU(s) per node, not ${spread.gpusPerNode}`,
      {
        hint: `give --gpus-per-node ${known.gpus}, or a larger --vm-size`,
      },
    );
  }
}
