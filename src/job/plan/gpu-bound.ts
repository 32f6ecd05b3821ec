/** What a GPU that is not here could do at most. No GPU was measured. */
import type { NodeSpeeds, StageCost } from './predict.js';

/** A VM size with GPUs. */
export interface GpuNode {
  readonly name: string;
  readonly gpu: GpuName;
  readonly gpus: number;
  readonly cores: number;
}

/**
 * Peak arithmetic of a GPU, in multiply-accumulates per second: half of the operations per second that
 * NVIDIA's data sheets give for dense matrices. `fp32` is TF32 where the GPU has it, which ONNX Runtime uses.
 * T4: 65 and 8.1 TFLOPS; V100: 125 and 15.7; A100: 312 and 156; H100: 989 and 494. Of several kinds the
 * fastest (SXM).
 */
export const GPU_PEAKS = {
  T4: { fp16: 32.5e12, fp32: 4.05e12 },
  V100: { fp16: 62.5e12, fp32: 7.85e12 },
  A100: { fp16: 156e12, fp32: 78e12 },
  H100: { fp16: 494.5e12, fp32: 247e12 },
} as const;
export type GpuName = keyof typeof GPU_PEAKS;

/** More cores do not make one codec faster (see job/split/estimate.ts). */
const MOST_CODEC_CORES = 16;

/**
 * Returns the most that a node with GPUs could do: inference at the peak of its GPUs, without any copy or
 * start of a kernel, and codecs as fast per core as on the measured machine.
 *
 * @param macs multiply-accumulates of the network per frame.
 */
export function gpuBound(
  measured: NodeSpeeds,
  { gpu, gpus, cores }: GpuNode,
  precision: 'fp16' | 'fp32',
  macs: number,
): NodeSpeeds {
  const codec = ({ coreSeconds, framesPerSecond }: StageCost): StageCost => {
    const alone = Math.min(cores, MOST_CODEC_CORES) / coreSeconds;
    return { framesPerSecond: Math.max(framesPerSecond, alone), coreSeconds };
  };
  const framesPerSecond = (gpus * GPU_PEAKS[gpu][precision]) / macs;
  return {
    ...{ cores, decode: codec(measured.decode) },
    encode: measured.encode && codec(measured.encode),
    infer: { framesPerSecond, coreSeconds: 0 },
  };
}
