import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { Size } from '../../model/load/network.js';

/** Pixels that a GPU is given at once with `--batch auto`: four frames of 1080p. Smaller frames need more of them to keep one busy. */
const GPU_BATCH_PIXELS = 4 * 1920 * 1080;
/** More would make rounds of many ranks so long that a short video is over before its stages overlap. */
const MOST_GPU_BATCH = 8;

/**
 * Frames of one run, at least 1. With `auto` it depends on the model, the frame's size and whether there are GPUs, and on
 * nothing that is measured or that another number of ranks would change: a resumed job must have the same. A CPU gains
 * nothing from more than one.
 */
export function batchFor(
  asked: 'auto' | number,
  model: Pick<LoadedModel, 'fixedBatch'>,
  frame: Size,
  onGpu: boolean,
): number {
  if (asked !== 'auto') return asked;
  if (model.fixedBatch !== undefined) return model.fixedBatch;
  if (!onGpu) return 1;
  const batch = Math.floor(GPU_BATCH_PIXELS / (frame.width * frame.height));
  return Math.min(MOST_GPU_BATCH, Math.max(1, batch));
}
