import { JobError } from '../errors.js';
import type { ProviderName } from '../native.js';
import { inHalf } from './half.js';
import type { LoadedModel } from './loaded-model.js';
import type { Precision } from './manifest.js';

/** What the user says of it: `auto` is what the model says. */
export type PrecisionChoice = 'auto' | Precision;

/** A composed graph as it is, and in fp16 where GPUs are to compute in that. */
export interface SessionGraphs {
  readonly fp32: Uint8Array;
  readonly fp16: Uint8Array | undefined;
}

/**
 * A composed graph in fp16, where the model or the user wants that on GPUs; nothing where every rank is to use the CPU.
 *
 * @throws JobError('model') when the user asks for what cannot be had; where the model does, a note says so.
 */
export function halfGraph(
  graph: { readonly bytes: Uint8Array },
  model: Pick<LoadedModel, 'file' | 'precision'>,
  asked: { readonly precision: PrecisionChoice; readonly provider: 'auto' | ProviderName },
): { readonly bytes: Uint8Array | undefined; readonly notes: readonly string[] } {
  const wanted = asked.precision === 'auto' ? model.precision : asked.precision;
  if (wanted === 'fp32' || asked.provider === 'cpu') return { bytes: undefined, notes: [] };
  const half = inHalf(graph.bytes);
  if ('bytes' in half) return { bytes: half.bytes, notes: [] };
  if (asked.precision === 'auto') {
    return { bytes: undefined, notes: [`GPUs run the model in fp32: ${half.obstacle}`] };
  }
  throw new JobError('model', `"${model.file}" cannot run in fp16: ${half.obstacle}`, {
    hint: 'Leave --precision out',
  });
}
