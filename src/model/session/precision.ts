import { JobError } from '../../system/errors.js';
import type { ProviderName } from '../../system/native.js';
import type { LoadedModel } from '../load/loaded-model.js';
import type { Precision } from '../load/manifest.js';
import { toFp16 } from '../passes/fp16.js';
import { toInt8 } from '../passes/int8.js';

/** What a CPU computes in. */
export type CpuPrecision = 'fp32' | 'int8';

/** What the user says of it: `auto` is what the model says; `int8` too, but on CPUs. */
export type PrecisionChoice = 'auto' | Precision | CpuPrecision;

/** A composed graph as it is, in fp16 where GPUs are to compute in that, and in int8 where CPUs are. */
export interface SessionGraphs {
  readonly fp32: Uint8Array;
  readonly fp16: Uint8Array | undefined;
  readonly int8: Uint8Array | undefined;
}

/**
 * A composed graph in int8, for CPUs.
 *
 * @throws {JobError} model: when the model's ranges are not those of its graph.
 */
export function int8Graph(
  graph: { readonly bytes: Uint8Array },
  model: Pick<LoadedModel, 'file' | 'int8'>,
): Uint8Array {
  const made = toInt8(graph.bytes, model.int8 ?? []);
  if ('bytes' in made) return made.bytes;
  throw new JobError('model', `"${model.file}" cannot run in int8: ${made.obstacle}`, {
    hint: '--precision fp32 runs it without the ranges that its manifest names',
  });
}

/**
 * A composed graph in fp16, where the model or the user wants that on GPUs; nothing where every rank is to use the CPU.
 *
 * @throws {JobError} model: when the user asks for what cannot be had; where the model does, a note says so.
 */
export function fp16Graph(
  graph: { readonly bytes: Uint8Array },
  model: Pick<LoadedModel, 'file' | 'precision'>,
  asked: { readonly precision: PrecisionChoice; readonly provider: 'auto' | ProviderName },
): { readonly bytes: Uint8Array | undefined; readonly notes: readonly string[] } {
  const forGpus = asked.precision !== 'auto' && asked.precision !== 'int8';
  const wanted = forGpus ? asked.precision : model.precision;
  if (wanted === 'fp32' || asked.provider === 'cpu') return { bytes: undefined, notes: [] };
  const half = toFp16(graph.bytes);
  if ('bytes' in half) return { bytes: half.bytes, notes: [] };
  if (!forGpus) {
    return { bytes: undefined, notes: [`GPUs run the model in fp32: ${half.obstacle}`] };
  }
  throw new JobError('model', `"${model.file}" cannot run in fp16: ${half.obstacle}`, {
    hint: 'Leave --precision out',
  });
}
