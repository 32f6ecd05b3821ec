/** The key "decode" of an output that is a table. */
import type { BoxesSpec, TableSpec } from '../../table/spec.js';
import type { Fields } from './json-fields.js';
import { fileReference, optional } from './manifest-fields.js';

/** How a table is made, before the file of its labels is read. */
export interface TableDecode {
  readonly spec: TableSpec;
  /** A file with a label a line. */
  readonly labels: string | undefined;
}

/** Ultralytics' defaults: github.com/ultralytics/ultralytics, cfg/default.yaml (conf, iou, max_det). */
const THRESHOLD = 0.25;
const IOU = 0.7;
const MOST_BOXES = 300;
const TOP = 5;
const MOST_TOP = 1000;
const MOST_ROWS = 30_000;
const UNIT = { min: 0, max: 1 };

const HEADS = ['yolov5', 'yolov7', 'yolov8', 'yolov10', 'yolo26', 'ssd', 'detr', 'rtdetr'] as const;

/** Returns the kind of head that a name means: YOLO26's head is that of YOLOv10. */
function headNamed(name: (typeof HEADS)[number]): BoxesSpec['head'] {
  return name === 'yolo26' ? 'yolov10' : name;
}

export function tableDecode(decode: Fields): TableDecode {
  const kind = decode.choice('kind', ['embedding', 'classes', 'boxes'] as const);
  switch (kind) {
    case 'embedding':
      return { spec: { kind, normalize: decode.optionalFlag('normalize') ?? false }, labels: undefined };
    case 'classes': {
      const threshold = decode.optionalNumber('threshold', UNIT);
      const top = decode.optionalNumber('top', { integer: true, min: 1, max: MOST_TOP }) ?? TOP;
      const activation = decode.choice('activation', ['softmax', 'sigmoid', 'none'] as const);
      return { spec: { kind, top, activation, ...optional('threshold', threshold) }, labels: labels(decode) };
    }
    case 'boxes':
      return { spec: boxes(decode), labels: labels(decode) };
  }
}

function labels(decode: Fields): string | undefined {
  return decode.has('labels') ? fileReference(decode, 'labels') : undefined;
}

function boxes(decode: Fields): BoxesSpec {
  const head = headNamed(decode.choice('head', HEADS));
  const common = {
    kind: 'boxes' as const,
    threshold: decode.optionalNumber('threshold', UNIT) ?? THRESHOLD,
    max: decode.optionalNumber('max', { integer: true, min: 1, max: MOST_ROWS }) ?? MOST_BOXES,
  };
  if (head === 'yolov7' || head === 'yolov10' || head === 'detr' || head === 'rtdetr')
    return { ...common, head };
  const iou = decode.optionalNumber('iou', UNIT) ?? IOU;
  if (head !== 'ssd') return { ...common, head, iou };
  const background = decode.optionalNumber('background', { integer: true, min: 0, max: 1e6 });
  return {
    ...{ ...common, head, iou },
    order: decode.choice('order', ['yxyx', 'xyxy'] as const),
    units: decode.choice('units', ['normalised', 'pixels'] as const),
    ...optional('background', background),
  };
}

/** Returns the specification with its labels. */
export function withLabels(spec: TableSpec, names: readonly string[] | undefined): TableSpec {
  return names === undefined || spec.kind === 'values' || spec.kind === 'embedding'
    ? spec
    : { ...spec, labels: names };
}
