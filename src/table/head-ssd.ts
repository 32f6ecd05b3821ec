/** The head of SSD and its like: boxes, scores, and maybe classes and a count, each in a tensor. */
import type { Refusal } from '../system/refusal.js';
import type { Geometry } from './geometry.js';
import type { Head } from './head.js';
import { isClass, largest, MOST_CLASS, NOTHING } from './head-numbers.js';
import { type Shape, shapeText, withoutOnes } from './shapes.js';
import type { SsdSpec } from './spec.js';

/**
 * SSD and its like. Two to four tensors, in this order: boxes [R, 4]; scores [R] or [R, C]; classes [R], only
 * with scores [R]; the count of boxes, [] or [1]. Those exported from TensorFlow's Object Detection API give
 * `detection_boxes` (yxyx, normalised), `detection_scores`, `detection_classes` (from 1) and
 * `num_detections`; torchvision's give boxes (xyxy, pixels), scores and labels (background 0); ssd-12 of
 * github.com/onnx/models gives `bboxes`, `scores` and `labels`; UltraFace there gives `boxes` (xyxy,
 * normalised) and `scores` [R, 2] with background 0. A candidate whose class is no whole number from 0 is
 * skipped. Without classes, those of scores [R] are all 0.
 */
export function ssdHead(shapes: readonly Shape[], spec: SsdSpec, geometry: Geometry): Head | Refusal {
  const wanted = { refusal: `ssd takes boxes [R, 4], scores, classes, count; not ${shapeText(shapes)}` };
  const [boxes, scores] = shapes.map(withoutOnes);
  if (boxes?.at(-1) !== 4 || boxes.length !== 2 || scores === undefined) return wanted;
  const [candidates = 0] = boxes;
  const flat = scores.length === 1 && scores[0] === candidates;
  const wide = scores.length === 2 && scores[0] === candidates;
  if (!flat && !wide) return wanted;
  const further = furtherTensors(shapes.slice(2), flat, candidates);
  if (further === undefined) return wanted;
  const columns = wide ? (scores[1] ?? 0) : 1;
  const { background } = spec;
  const classes = further.classes === undefined ? columns : undefined;
  if (
    background !== undefined &&
    !(isClass(background) && classes !== 1 && background < (classes ?? MOST_CLASS))
  ) {
    return { refusal: `class ${background} cannot be the background of ${classes ?? 'these'} classes` };
  }
  const [across, down] = spec.units === 'normalised' ? [geometry.modelWidth, geometry.modelHeight] : [1, 1];
  const [x, y] = spec.order === 'xyxy' ? [0, 1] : [1, 0];

  return {
    candidates,
    classes,
    scan(tensors, offer) {
      const [, scored = NOTHING] = tensors;
      const counted = further.count === undefined ? undefined : tensors[further.count]?.[0];
      const count = counted === undefined ? candidates : Math.min(candidates, Math.trunc(counted));
      const given = further.classes === undefined ? undefined : tensors[further.classes];
      for (let index = 0; index < count; index += 1) {
        const best = wide ? largest(scored, index * columns, 1, columns, background) : 0;
        const label = given === undefined ? best : (given[index] ?? -1);
        if (!isClass(label) || (!wide && label === background)) continue;
        offer(index, scored[index * columns + best] ?? Number.NaN, label);
      }
    },
    corners([tensor = NOTHING], index, into) {
      const at = index * 4;
      into[0] = (tensor[at + x] ?? 0) * across;
      into[1] = (tensor[at + y] ?? 0) * down;
      into[2] = (tensor[at + x + 2] ?? 0) * across;
      into[3] = (tensor[at + y + 2] ?? 0) * down;
    },
  };
}

/** The place of the classes and of the count among the tensors; undefined if the shapes are others. */
function furtherTensors(
  shapes: readonly Shape[],
  mayBeClasses: boolean,
  candidates: number,
): { readonly classes?: number; readonly count?: number } | undefined {
  const isCount = (shape: Shape): boolean => shape.every((size) => size === 1);
  const isClasses = (shape: Shape): boolean => mayBeClasses && shape.length === 1 && shape[0] === candidates;
  const [first, second, ...others] = shapes;
  if (first === undefined) return {};
  if (others.length > 0) return undefined;
  if (second !== undefined) {
    return isClasses(first) && isCount(second) ? { classes: 2, count: 3 } : undefined;
  }
  // With one candidate, [1] could be either.
  if (isClasses(first) === isCount(first)) return undefined;
  return isClasses(first) ? { classes: 2 } : { count: 2 };
}
