import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { Size } from '../../model/load/network.js';

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

/**
 * Returns the frames of one run, at least 1. With `auto` they depend on the model, the frame size and whether
 * there are GPUs; not on measurements or the number of ranks, since a resumed job must have the same batch. A
 * CPU gains nothing from more than one frame.
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
