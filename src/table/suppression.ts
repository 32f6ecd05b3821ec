/** Non-maximum suppression. */
import type { Box } from './geometry.js';

/**
 * The most boxes of a frame that suppression looks at, the best ones: its time grows with their square.
 * Ultralytics has the same limit (`max_nms` of `non_max_suppression`).
 */
export const MOST_COMPARED = 30_000;

export interface LabelledBox {
  readonly box: Box;
  /** The class. */
  readonly label: number;
}

/**
 * Returns, in order, the boxes whose intersection over union with every returned one before them of the same
 * class is at most `iou`. The best box comes first. Sums are in float64.
 */
export function suppressed<Each extends LabelledBox>(boxes: readonly Each[], iou: number): readonly Each[] {
  if (iou >= 1) return boxes;
  const keptOf = new Map<number, Box[]>();
  return boxes.filter(({ box, label }) => {
    const kept = keptOf.get(label);
    if (kept === undefined) {
      keptOf.set(label, [box]);
      return true;
    }
    if (kept.some((better) => overlap(box, better) > iou)) return false;
    kept.push(box);
    return true;
  });
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (area(a) + area(b) - both);
}

function area({ left, top, right, bottom }: Box): number {
  return (right - left) * (bottom - top);
}
