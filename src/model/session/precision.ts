import { JobError } from '../../system/errors.js';
import type { ProviderName } from '../../system/native.js';
import { isRefusal } from '../../system/refusal.js';
import type { ComposedGraph } from '../compose/compose.js';
import type { LoadedModel } from '../load/loaded-model.js';
import type { Precision } from '../load/manifest-fields.js';
import { toFp16 } from '../passes/fp16.js';
import { toInt8 } from '../passes/int8.js';
import { PROVIDERS } from './providers.js';

/** The precision of a CPU. */
export type CpuPrecision = 'fp32' | 'int8';

/** The value of --precision. `auto`: the model's own; `int8`: int8 on CPUs, the model's own on GPUs. */
export type PrecisionChoice = 'auto' | Precision | CpuPrecision;

/** The most bits of a sample that the 11 of a number in fp16 hold, with its rounding. */
const MOST_FP16_BITS = 10;

/** A composed graph: in fp32; in fp16 if GPUs run that; in int8 if CPUs run that. */
export interface SessionGraphs {
  readonly fp32: Uint8Array;
  readonly fp16: Uint8Array | undefined;
  readonly int8: Uint8Array | undefined;
}

/**
 * Converts a composed graph to int8, for CPUs.
 *
 * @throws {JobError} model: when the model's ranges do not fit its graph.
 */
export function int8Graph(
  graph: { readonly bytes: Uint8Array },
  model: Pick<LoadedModel, 'file' | 'int8'>,
): Uint8Array {
  const made = toInt8(graph.bytes, model.int8 ?? []);
  if (!isRefusal(made)) return made.bytes;
  throw new JobError('model', `"${model.file}" cannot run in int8: ${made.refusal}`, {
    hint: 'use --precision fp32, which does not need the ranges in its manifest',
  });
}

/**
 * Converts a composed graph, which takes samples of so many bits, to fp16, if the model or the user wants
 * fp16 on GPUs. Returns no graph if no rank runs fp16. If the model's default is fp16 and it cannot be
 * converted, or is too coarse for the samples, a note says why.
 *
 * @throws {JobError} model: when the user asks for fp16 and the graph cannot be converted.
 */
export function fp16Graph(
  graph: Pick<ComposedGraph, 'bytes'>,
  bits: number,
  model: Pick<LoadedModel, 'file' | 'precision'>,
  asked: { readonly precision: PrecisionChoice; readonly provider: 'auto' | ProviderName },
): { readonly bytes: Uint8Array | undefined; readonly notes: readonly string[] } {
  const forGpus = asked.precision !== 'auto' && asked.precision !== 'int8';
  const wanted = forGpus ? asked.precision : model.precision;
  const possible = asked.provider === 'auto' || PROVIDERS[asked.provider].runsFp16;
  if (wanted === 'fp32' || !possible) return { bytes: undefined, notes: [] };
  const coarse = `fp16 does not hold the ${bits} bits of a sample`;
  const made = !forGpus && bits > MOST_FP16_BITS ? { refusal: coarse } : toFp16(graph.bytes);
  if (!isRefusal(made)) return { bytes: made.bytes, notes: [] };
  if (!forGpus) {
    return { bytes: undefined, notes: [`GPUs run the model in fp32: ${made.refusal}`] };
  }
  throw new JobError('model', `"${model.file}" cannot run in fp16: ${made.refusal}`, {
    hint: 'omit --precision',
  });
}
