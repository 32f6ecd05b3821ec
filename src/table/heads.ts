/**
 * How the kinds of networks write their boxes: which numbers are the score, the class and the corners of
 * candidate number `index`. One class a candidate, the best; the lowest of equals.
 */
import type { Refusal } from '../system/refusal.js';
import type { Corners, Geometry } from './geometry.js';
import { type Shape, shapeText, withoutOnes } from './shapes.js';
import type { BoxesSpec, SsdSpec } from './spec.js';

/** Takes a candidate. Its score may be NaN or below the threshold. */
export type Offer = (index: number, score: number, label: number) => void;

export interface Head {
  /** The number of candidates. */
  readonly candidates: number;
  /** The number of classes, if the shapes say it. */
  readonly classes: number | undefined;
  /** Offers every candidate of a frame, by rising index. Scores are float32. */
  scan(tensors: readonly Float32Array[], offer: Offer): void;
  /** Gives the corners of a candidate in pixels of the model's input. */
  corners(tensors: readonly Float32Array[], index: number, into: Corners): void;
}

/** Returns the head for tensors of `shapes`, without batch axis, in the order that the heads below say. */
export function headOf(spec: BoxesSpec, shapes: readonly Shape[], geometry: Geometry): Head | Refusal {
  switch (spec.head) {
    case 'yolov5':
      return yolov5Head(shapes);
    case 'yolov8':
      return yolov8Head(shapes, spec.labels?.length);
    case 'ssd':
      return ssdHead(shapes, spec, geometry);
    case 'detr':
      return detrHead(shapes, geometry);
  }
}

/**
 * YOLOv5 to v7, by `export.py --include onnx` of github.com/ultralytics/yolov5: one tensor [R, 5+C]
 * ("output0", 25200 x 85 for COCO at 640 x 640), which the `Detect` layer has put through the sigmoid and to
 * pixels: centre x and y, width, height, objectness, classes. The score is objectness times class, as in
 * `non_max_suppression` of utils/general.py without `multi_label`.
 */
export function yolov5Head(shapes: readonly Shape[]): Head | Refusal {
  const [shape, ...others] = shapes.map(withoutOnes);
  const [candidates = 0, width = 0] = shape ?? [];
  if (others.length > 0 || shape?.length !== 2 || width < 6) {
    return { refusal: `yolov5 takes one output [boxes, 5 + classes], not ${shapeText(shapes)}` };
  }
  const classes = width - 5;
  return {
    candidates,
    classes,
    scan([tensor = NOTHING], offer) {
      for (let index = 0; index < candidates; index += 1) {
        const at = index * width;
        const label = largest(tensor, at + 5, 1, classes);
        offer(index, Math.fround((tensor[at + 4] ?? 0) * (tensor[at + 5 + label] ?? Number.NaN)), label);
      }
    },
    corners: ([tensor = NOTHING], index, into) => fromCentre(tensor, index * width, 1, into),
  };
}

/**
 * YOLOv8, v9, v11 and later without end-to-end head, by `yolo export format=onnx` of
 * github.com/ultralytics/ultralytics: one tensor [4+C, R] ("output0", 84 x 8400 for COCO at 640 x 640) or,
 * from other tools, [R, 4+C]: centre x and y, width, height in pixels, and the classes after the sigmoid.
 * There is no objectness. Which axis is which follows from the number of `labels`, if one axis alone fits it;
 * else there must be more candidates than classes one way and not the other.
 */
export function yolov8Head(shapes: readonly Shape[], labels: number | undefined): Head | Refusal {
  const [shape, ...others] = shapes.map(withoutOnes);
  const wanted = { refusal: `yolov8 takes one output [4 + classes, boxes], not ${shapeText(shapes)}` };
  if (others.length > 0 || shape?.length !== 2) return wanted;
  const [first = 0, second = 0] = shape;
  const isFeatures = (features: number, candidates: number, byLabels: boolean): boolean =>
    byLabels ? features === 4 + (labels ?? -1) : features >= 5 && candidates > features - 4;
  const fits = (byLabels: boolean): readonly boolean[] => [
    isFeatures(first, second, byLabels),
    isFeatures(second, first, byLabels),
  ];
  const named = fits(true);
  const [across = false, down = false] = named.filter(Boolean).length === 1 ? named : fits(false);
  if (across === down) {
    return across ? { refusal: `${wanted.refusal}: either axis could be that of the boxes` } : wanted;
  }
  const [width, candidates] = across ? [first, second] : [second, first];
  const [each, next] = across ? [1, candidates] : [width, 1];
  const classes = width - 4;
  return {
    candidates,
    classes,
    scan([tensor = NOTHING], offer) {
      if (across) return scanAcross(tensor, candidates, classes, offer);
      for (let index = 0; index < candidates; index += 1) {
        const label = largest(tensor, index * width + 4, 1, classes);
        offer(index, tensor[index * width + 4 + label] ?? Number.NaN, label);
      }
    },
    corners: ([tensor = NOTHING], index, into) => fromCentre(tensor, index * each, next, into),
  };
}

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

/**
 * DETR, by github.com/facebookresearch/detr or Hugging Face's export: two tensors, in this order: `logits`
 * [R, C+1], whose softmax gives the scores and whose last class is "no object", and `pred_boxes` [R, 4]:
 * centre x and y, width, height, 0 to 1 across the model's input. As its `PostProcess`: the best class but
 * the last. Nothing is suppressed: its queries do not find things twice.
 */
export function detrHead(shapes: readonly Shape[], geometry: Geometry): Head | Refusal {
  const [logits, boxes, ...others] = shapes.map(withoutOnes);
  const [candidates = 0, width = 0] = logits ?? [];
  if (
    others.length > 0 ||
    logits?.length !== 2 ||
    width < 2 ||
    boxes?.length !== 2 ||
    boxes[0] !== candidates ||
    boxes[1] !== 4
  ) {
    return { refusal: `detr takes logits [R, classes + 1] and boxes [R, 4], not ${shapeText(shapes)}` };
  }
  return {
    candidates,
    classes: width - 1,
    scan([tensor = NOTHING], offer) {
      for (let index = 0; index < candidates; index += 1) {
        const label = largest(tensor, index * width, 1, width - 1);
        offer(index, softmaxOf(tensor, index * width, width, label), label);
      }
    },
    corners([, tensor = NOTHING], index, into) {
      fromCentre(tensor, index * 4, 1, into);
      for (let at = 0; at < 4; at += 1) {
        into[at] = (into[at] ?? 0) * (at % 2 === 0 ? geometry.modelWidth : geometry.modelHeight);
      }
    },
  };
}

const NOTHING = new Float32Array(0);
const BLOCK = 1024;
const MOST_CLASS = 2 ** 31 - 1;

function isClass(label: number): boolean {
  return Number.isInteger(label) && label >= 0 && label <= MOST_CLASS;
}

/**
 * Offers the candidates of a tensor [4 + classes, candidates], block by block: to go from class to class of
 * one candidate would miss the caches each time.
 */
function scanAcross(tensor: Float32Array, candidates: number, classes: number, offer: Offer): void {
  const most = new Float32Array(BLOCK);
  const labels = new Int32Array(BLOCK);
  for (let start = 0; start < candidates; start += BLOCK) {
    const size = Math.min(BLOCK, candidates - start);
    most.fill(Number.NEGATIVE_INFINITY);
    labels.fill(0);
    for (let label = 0; label < classes; label += 1) {
      const from = (4 + label) * candidates + start;
      for (let at = 0; at < size; at += 1) {
        const value = tensor[from + at] ?? Number.NaN;
        if (!(value > (most[at] ?? 0))) continue;
        most[at] = value;
        labels[at] = label;
      }
    }
    for (let at = 0; at < size; at += 1) offer(start + at, most[at] ?? 0, labels[at] ?? 0);
  }
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

/** Returns which of `count` numbers is the largest, but for number `without`; NaN only if all are. */
function largest(tensor: Float32Array, from: number, step: number, count: number, without = -1): number {
  let best = without === 0 ? 1 : 0;
  let most = Number.NaN;
  for (let each = 0; each < count; each += 1) {
    const value = tensor[from + each * step] ?? Number.NaN;
    if (each === without || Number.isNaN(value) || value <= most) continue;
    best = each;
    most = value;
  }
  return best;
}

/** Returns the softmax of number `of`, rounded to float32; NaN if any of the numbers is. */
function softmaxOf(tensor: Float32Array, from: number, count: number, of: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let each = 0; each < count; each += 1) most = Math.max(most, tensor[from + each] ?? Number.NaN);
  let sum = 0;
  for (let each = 0; each < count; each += 1) sum += Math.exp((tensor[from + each] ?? Number.NaN) - most);
  return Math.fround(Math.exp((tensor[from + of] ?? Number.NaN) - most) / sum);
}

function fromCentre(tensor: Float32Array, at: number, step: number, into: Corners): void {
  const x = tensor[at] ?? 0;
  const y = tensor[at + step] ?? 0;
  const halfWidth = (tensor[at + 2 * step] ?? 0) / 2;
  const halfHeight = (tensor[at + 3 * step] ?? 0) / 2;
  into[0] = x - halfWidth;
  into[1] = y - halfHeight;
  into[2] = x + halfWidth;
  into[3] = y + halfHeight;
}
