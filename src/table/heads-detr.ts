/** Heads of DETR and its like: a fixed number of queries, boxes in parts of the model's input. */
import type { Refusal } from '../system/refusal.js';
import type { Corners, Geometry } from './geometry.js';
import type { Head } from './head.js';
import { fromCentre, largest, NOTHING, sigmoidOf, softmaxOf, toPixels } from './head-numbers.js';
import type { Floats } from './numbers.js';
import { type Shape, shapeText, withoutOnes } from './shapes.js';

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
      toPixels(into, geometry);
    },
  };
}

/**
 * RT-DETR, and others whose classes have a sigmoid each: D-FINE, Deformable and Conditional DETR. Boxes are
 * centre x and y, width, height, 0 to 1 across the model's input. There are two kinds of export.
 *
 * Hugging Face's, two tensors, in this order: `logits` [R, C] and `pred_boxes` [R, 4]. As
 * `post_process_object_detection` of its `RTDetrImageProcessor`: each query may be a box of several classes,
 * the best of all queries and classes come first. Candidate number q * C + c is class c of query q.
 *
 * Ultralytics', one tensor [R, 4+C] ("output0", 300 x 84): the box, and the classes after the sigmoid. As
 * its `RTDETRPredictor`: the best class of each query.
 */
export function rtdetrHead(shapes: readonly Shape[], geometry: Geometry): Head | Refusal {
  const [first, boxes, ...others] = shapes.map(withoutOnes);
  const [queries = 0, width = 0] = first ?? [];
  const isPair = boxes?.length === 2 && boxes[0] === queries && boxes[1] === 4;
  const isOne = boxes === undefined && width > 4;
  if (others.length > 0 || first?.length !== 2 || !(isPair || isOne)) {
    const wanted = 'rtdetr takes logits [R, classes] and boxes [R, 4], or one output [R, 4 + classes]';
    return { refusal: `${wanted}; not ${shapeText(shapes)}` };
  }
  const boxOfQuery = (tensor: Floats, at: number, into: Corners): void => {
    fromCentre(tensor, at, 1, into);
    toPixels(into, geometry);
  };
  if (isPair) {
    return {
      candidates: queries * width,
      classes: width,
      scan([tensor = NOTHING], offer) {
        for (let index = 0; index < queries * width; index += 1) {
          offer(index, sigmoidOf(tensor[index] ?? Number.NaN), index % width);
        }
      },
      corners: ([, tensor = NOTHING], index, into) => boxOfQuery(tensor, 4 * Math.floor(index / width), into),
    };
  }
  return {
    candidates: queries,
    classes: width - 4,
    scan([tensor = NOTHING], offer) {
      for (let index = 0; index < queries; index += 1) {
        const at = index * width + 4;
        const label = largest(tensor, at, 1, width - 4);
        offer(index, tensor[at + label] ?? Number.NaN, label);
      }
    },
    corners: ([tensor = NOTHING], index, into) => boxOfQuery(tensor, index * width, into),
  };
}
