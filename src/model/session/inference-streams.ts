import { messageOf } from '../../system/errors.js';
import type { NativeSession, ProviderName } from '../../system/native.js';
import { PROVIDERS } from './providers.js';

/**
 * Sessions of one graph on one device that run in turns: while one computes, the other's batch is copied. On
 * a CPU, which copies nothing, there is one.
 */
export type InferenceStreams = readonly [NativeSession, ...NativeSession[]];

/** Returns what `make` gives for each stream. */
export function eachOf<T>(
  [first, ...others]: InferenceStreams,
  make: (stream: NativeSession) => T,
): readonly [T, ...T[]] {
  return [make(first), ...others.map(make)];
}

/** Opens as many sessions as the provider gains from. `notes` say what is slower than possible. */
export async function openInferenceStreams(
  provider: ProviderName,
  open: () => Promise<NativeSession>,
): Promise<{ readonly streams: InferenceStreams; readonly notes: readonly string[] }> {
  const first = await open();
  if (PROVIDERS[provider].streams === 1) return { streams: [first], notes: first.notes };
  try {
    return { streams: [first, await open()], notes: first.notes };
  } catch (error) {
    const note = `a second session cannot be opened, so copies do not overlap computation: ${messageOf(error)}`;
    return { streams: [first], notes: [...first.notes, note] };
  }
}

export async function disposeInferenceStreams(streams: InferenceStreams): Promise<void> {
  for (const stream of streams) await stream.dispose();
}
