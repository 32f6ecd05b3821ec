/** Non-maximum suppression. */
import type { Box } from './geometry.js';

/**
 * The most boxes of a frame that suppression looks at, the best ones: its time may grow with their
 * square. Ultralytics has the same limit (`max_nms` of `non_max_suppression`).
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
  const keptOf = new Map<number, Kept>();
  return boxes.filter(({ box, label }) => {
    const kept = keptOf.get(label) ?? { boxes: [], widest: 0 };
    keptOf.set(label, kept);
    if (isSuppressed(box, kept, iou)) return false;
    kept.boxes.splice(firstFrom(kept.boxes, box.left), 0, box);
    kept.widest = Math.max(kept.widest, box.right - box.left);
    return true;
  });
}

/** Kept boxes of a class, by rising left edge, and the width of the widest. */
interface Kept {
  readonly boxes: Box[];
  widest: number;
}

/** Far more than rounding can take away. */
const SLACK = 1e-9;

/**
 * Looks only at boxes that begin left of this one's end, and right enough to reach it: what is more than
 * 1 / iou times as wide cannot have an intersection over union above `iou`.
 */
function isSuppressed(box: Box, { boxes, widest }: Kept, iou: number): boolean {
  const reach = Math.min(widest, (box.right - box.left) / iou);
  const first = box.left - reach - SLACK * (reach + Math.abs(box.left));
  for (let at = firstFrom(boxes, first); at < boxes.length; at += 1) {
    const better = boxes[at];
    if (better === undefined || better.left >= box.right) return false;
    if (overlap(box, better) > iou) return true;
  }
  return false;
}

/** Returns the place of the first box whose left edge is not less than `left`. */
function firstFrom(boxes: readonly Box[], left: number): number {
  let [least, most] = [0, boxes.length];
  while (least < most) {
    const middle = (least + most) >> 1;
    if ((boxes[middle]?.left ?? 0) < left) least = middle + 1;
    else most = middle;
  }
  return least;
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
