/** Heads of YOLO: one tensor, in pixels of the model's input. */
import type { Refusal } from '../system/refusal.js';
import type { Head, Offer } from './head.js';
import { fromCentre, isClass, largest, NOTHING } from './head-numbers.js';
import type { Floats } from './numbers.js';
import { type Shape, shapeText, withoutOnes } from './shapes.js';

/** Candidates that are looked at together. */
const BLOCK = 1024;

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
 * The end-to-end head of YOLOv10 and YOLO26, by `yolo export format=onnx`, and other YOLO of Ultralytics by
 * `nms=True`: one tensor [R, 6] ("output0", 300 x 6): x1, y1, x2, y2 in pixels, score, class. As
 * `non_max_suppression` of `ultralytics/utils/nms.py` with `end2end`: all whose score is above the threshold.
 * A candidate whose class is no whole number from 0 is skipped.
 */
export function endToEndHead(shapes: readonly Shape[]): Head | Refusal {
  return finishedBoxes(shapes, { width: 6, corners: 0, score: 4, label: 5 }, (given) => {
    return `yolov10 takes one output [boxes, 6], not ${given}`;
  });
}

/**
 * The end-to-end head of YOLOv7, by `export.py --grid --end2end --max-wh 640` of github.com/WongKinYiu/yolov7
 * (`ONNX_ORT` of models/experimental.py): one tensor [K, 7] ("output") of the boxes that its own suppression
 * left: number of the frame in the batch, x1, y1, x2, y2 in pixels, class, score. The batch is of one frame.
 */
export function yolov7Head(shapes: readonly Shape[]): Head | Refusal {
  return finishedBoxes(shapes, { width: 7, corners: 1, score: 6, label: 5 }, (given) => {
    return `yolov7 takes one output [boxes, 7], not ${given}; without --end2end the head is yolov5`;
  });
}

/** The places of a box's numbers in its row. */
interface BoxRow {
  readonly width: number;
  readonly corners: number;
  readonly score: number;
  readonly label: number;
}

/** Returns the head of boxes that a network has finished: a row of numbers each, with one score and class. */
function finishedBoxes(
  shapes: readonly Shape[],
  row: BoxRow,
  refusal: (given: string) => string,
): Head | Refusal {
  const [shape, ...others] = shapes.map(withoutOnes);
  const [candidates = 0, width] = shape ?? [];
  if (others.length > 0 || shape?.length !== 2 || width !== row.width)
    return { refusal: refusal(shapeText(shapes)) };
  return {
    candidates,
    classes: undefined,
    scan([tensor = NOTHING], offer) {
      for (let index = 0; index < candidates; index += 1) {
        const at = index * row.width;
        const label = tensor[at + row.label] ?? Number.NaN;
        if (isClass(label)) offer(index, tensor[at + row.score] ?? Number.NaN, label);
      }
    },
    corners([tensor = NOTHING], index, into) {
      const from = index * row.width + row.corners;
      for (let at = 0; at < 4; at += 1) into[at] = tensor[from + at] ?? 0;
    },
  };
}

/**
 * Offers the candidates of a tensor [4 + classes, candidates], block by block: to go from class to class of
 * one candidate would miss the caches each time.
 */
function scanAcross(tensor: Floats, candidates: number, classes: number, offer: Offer): void {
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
