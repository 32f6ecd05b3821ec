/** The kinds of heads by their names. */
import type { Refusal } from '../system/refusal.js';
import type { Geometry } from './geometry.js';
import type { Head } from './head.js';
import { ssdHead } from './head-ssd.js';
import { detrHead, rtdetrHead } from './heads-detr.js';
import { endToEndHead, yolov5Head, yolov7Head, yolov8Head } from './heads-yolo.js';
import type { Shape } from './shapes.js';
import type { BoxesSpec } from './spec.js';

/** Returns the head for tensors of `shapes`, without batch axis, in the order that its function says. */
export function headOf(spec: BoxesSpec, shapes: readonly Shape[], geometry: Geometry): Head | Refusal {
  switch (spec.head) {
    case 'yolov5':
      return yolov5Head(shapes);
    case 'yolov7':
      return yolov7Head(shapes);
    case 'yolov8':
      return yolov8Head(shapes, spec.labels?.length);
    case 'yolov10':
      return endToEndHead(shapes);
    case 'ssd':
      return ssdHead(shapes, spec, geometry);
    case 'detr':
      return detrHead(shapes, geometry);
    case 'rtdetr':
      return rtdetrHead(shapes, geometry);
  }
}
