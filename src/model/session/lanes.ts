import { messageOf } from '../../system/errors.js';
import type { NativeSession, ProviderName } from '../../system/native.js';

/**
 * Sessions over one graph on one device that take turns: while one computes, the batch of the other is copied. A CPU, which
 * copies nothing, has one.
 */
export type Lanes = readonly [NativeSession, ...NativeSession[]];

/** Opens as many sessions as the provider gains from. What is slower than it might be is in the notes. */
export async function openLanes(
  provider: ProviderName,
  open: () => Promise<NativeSession>,
): Promise<{ readonly lanes: Lanes; readonly notes: readonly string[] }> {
  const first = await open();
  if (provider === 'cpu') return { lanes: [first], notes: first.notes };
  try {
    return { lanes: [first, await open()], notes: first.notes };
  } catch (error) {
    const note = `one batch at a time is on the GPU: a second session cannot be opened: ${messageOf(error)}`;
    return { lanes: [first], notes: [...first.notes, note] };
  }
}

export async function disposeLanes(lanes: Lanes): Promise<void> {
  for (const lane of lanes) await lane.dispose();
}
