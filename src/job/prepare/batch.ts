import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { Size } from '../../model/load/network.js';
import { haloOf, type Window } from '../../model/ports/window.js';

/**
 * Pixels per run on a GPU with `--batch auto`: four 1080p frames. It takes more frames of a smaller size to
 * keep it busy.
 */
const GPU_BATCH_PIXELS = 4 * 1920 * 1080;
/**
 * With a larger batch, rounds of many ranks would be so long that a short video ends before its stages
 * overlap.
 */
const MOST_GPU_BATCH = 8;

/** The frames of one run of a rank, and why they are so many. */
export interface Batch {
  readonly frames: number;
  readonly why: string;
}

/**
 * Returns the frames of one run, at least 1. With `auto` they depend on the model, the frame size and whether
 * there are GPUs; not on measurements or the number of ranks, since a resumed job must have the same batch. A
 * CPU gains nothing from more than one frame.
 */
export function batchFor(
  asked: 'auto' | number,
  model: Pick<LoadedModel, 'fixedBatch' | 'recurrence'>,
  frame: Size,
  onGpu: boolean,
): Batch {
  if (asked !== 'auto') return { frames: asked, why: 'as asked' };
  if (model.recurrence !== undefined) return { frames: 1, why: 'a state goes from frame to frame' };
  if (model.fixedBatch !== undefined) return { frames: model.fixedBatch, why: 'the model takes no other' };
  if (!onGpu) return { frames: 1, why: 'a CPU gains nothing from more' };
  const batch = Math.floor(GPU_BATCH_PIXELS / (frame.width * frame.height));
  return {
    frames: Math.min(MOST_GPU_BATCH, Math.max(1, batch)),
    why: `for frames of ${frame.width}x${frame.height} on a GPU`,
  };
}

/** What makes a rank take fewer frames at a time. */
export interface FewerFrames {
  readonly way: (frames: number) => string;
  /** True if one run of the model takes fewer, too. */
  readonly inRun: boolean;
}

/** The most frames of `--batch`. */
export const MOST_BATCH = 256;

/** Returns what makes a rank take fewer frames of a model at a time, if anything does. */
export function fewerFrames({
  fixedBatch,
  window,
  recurrence,
  steady,
}: Pick<LoadedModel, 'fixedBatch' | 'window' | 'recurrence' | 'steady'>): FewerFrames | undefined {
  if (recurrence !== undefined)
    return { way: (frames) => `"every": ${frames} or less where its states begin anew`, inRun: false };
  if (steady !== 0) return { way: () => 'a job without --steady', inRun: false };
  if (window !== undefined || fixedBatch !== undefined) return undefined;
  return { way: (frames) => `--batch ${Math.min(MOST_BATCH, frames)}`, inRun: true };
}

/** A halo is at most this part of a share: more would cost more bytes between ranks, less more memory. */
const SHARES_PER_HALO = 4;

/**
 * Returns the frames that a rank gets in a round: a batch, or the run from one reset of a model's states to
 * the next; or as many of them as make the halo of a window at most a quarter.
 *
 * @param every frames of a run, if the model has states.
 */
export function shareFor(batch: number, window: Window | undefined, every = batch): number {
  return every * Math.max(1, Math.ceil((SHARES_PER_HALO * haloOf(window)) / every));
}
