/** Frames held against flicker: how long a run is, and where it begins anew. */
import { CUT_THRESHOLD } from '../../video/frames/scene-cuts.js';
import type { CutRule, Recurrence } from './state.js';

/** The most that is held: all, where the source does not change. */
export const MAX_STEADY = 1;

/** A run has at most so many frames, and, where frames are large, as many as fit in so many bytes. */
const MOST_FRAMES = 48;
const MOST_BYTES = 150 * 2 ** 20;
/** A run has at least so many frames: its first one is not held. */
const LEAST_FRAMES = 12;

/**
 * Returns the frames of a run: a multiple of the batch. A rank holds a whole run of frames, as they come and
 * as they go.
 *
 * @param inputBytes bytes of a frame of the source, and of the output.
 */
export function steadyRun(batch: number, inputBytes: number, outputBytes: number): number {
  const fitting = Math.floor(MOST_BYTES / Math.max(inputBytes, outputBytes));
  const frames = Math.min(MOST_FRAMES, Math.max(LEAST_FRAMES, fitting));
  return batch * Math.ceil(frames / batch);
}

/**
 * Returns how a model stops at scene cuts when its frames are held against flicker. If it has states of its
 * own, these say it: all begin anew together.
 */
export function steadyCuts(
  cuts: CutRule | undefined,
  recurrence: Recurrence | undefined,
  threshold: number | undefined,
): CutRule | undefined {
  if (recurrence !== undefined) return cuts;
  return { threshold: threshold ?? CUT_THRESHOLD, neighbours: false, ...cuts, states: true };
}
