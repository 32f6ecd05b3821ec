import { messageOf } from '../../system/errors.js';
import type { NativeSession, ProviderName } from '../../system/native.js';

/**
 * Sessions over one graph on one device that take turns: while one computes, the batch of the other is copied. A CPU, which
 * copies nothing, has one.
 */
export type InferenceStreams = readonly [NativeSession, ...NativeSession[]];

/** Opens as many sessions as the provider gains from. What is slower than it might be is in the notes. */
export async function openInferenceStreams(
  provider: ProviderName,
  open: () => Promise<NativeSession>,
): Promise<{ readonly streams: InferenceStreams; readonly notes: readonly string[] }> {
  const first = await open();
  if (provider === 'cpu') return { streams: [first], notes: first.notes };
  try {
    return { streams: [first, await open()], notes: first.notes };
  } catch (error) {
    const note = `one batch at a time is on the GPU: a second session cannot be opened: ${messageOf(error)}`;
    return { streams: [first], notes: [...first.notes, note] };
  }
}

export async function disposeInferenceStreams(streams: InferenceStreams): Promise<void> {
  for (const stream of streams) await stream.dispose();
}
