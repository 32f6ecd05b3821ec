/** The table of the best classes of each frame. */
import type { Refusal } from '../system/refusal.js';
import { badThreshold, type FrameCoder, isCount, labelledCells } from './coder.js';
import { float32Of } from './numbers.js';
import { HEADER_BYTES, viewOf } from './packed.js';
import type { Column } from './schema.js';
import { elements, type Shape, shapeText } from './shapes.js';
import type { ClassesSpec } from './spec.js';
import { topCandidates } from './top-candidates.js';

const ROW_BYTES = 8;

/**
 * Plans the table of classes of one tensor with one axis, and maybe axes of size 1: [1000], [1000, 1, 1].
 * Rows fall by the tensor's number, then rise by class. Exponentials and sums are in float64, in order; a
 * score is rounded to float32 once. One NaN makes every score of a softmax NaN, and such scores are no rows.
 */
export function classesCoder(spec: ClassesSpec, shapes: readonly Shape[]): FrameCoder | Refusal {
  const [shape, ...others] = shapes;
  const classes = shape === undefined ? 0 : elements(shape);
  if (shape === undefined || others.length > 0 || !shape.every((size) => size === 1 || size === classes)) {
    return { refusal: `classes takes one output [classes], not ${shapeText(shapes)}` };
  }
  const { labels, threshold } = spec;
  if (labels !== undefined && labels.length !== classes) {
    return { refusal: `there are ${labels.length} labels for ${classes} classes` };
  }
  if (!isCount(spec.top))
    return { refusal: `the number of classes is ${spec.top}, not a whole number from 1` };
  const bad = badThreshold(threshold);
  if (bad !== undefined) return { refusal: bad };
  const columns: readonly Column[] = [
    { name: 'rank', type: 'int32' },
    { name: 'class', type: 'int32' },
    ...(labels === undefined ? [] : [{ name: 'label', type: 'string' } as const]),
    { name: 'score', type: 'float32' },
  ];
  const mostRows = Math.min(spec.top, classes);
  const top = topCandidates(mostRows);

  return {
    columns,
    mostRows,
    rowBytes: ROW_BYTES,
    encode(tensors, into) {
      const tensor = float32Of(tensors[0]);
      top.clear();
      tensor.forEach((value, index) => {
        if (!Number.isNaN(value)) top.offer(value, index, index);
      });
      const scoreOf = scores(spec.activation, tensor);
      const view = viewOf(into);
      let rows = 0;
      for (const { score: value, index } of top.best()) {
        const score = Math.fround(scoreOf(value));
        if (Number.isNaN(score) || (threshold !== undefined && !(score > threshold))) continue;
        view.setInt32(HEADER_BYTES + rows * ROW_BYTES, index, true);
        view.setFloat32(HEADER_BYTES + rows * ROW_BYTES + 4, score, true);
        rows += 1;
      }
      return { rows, dropped: 0 };
    },
    cells: (packed, rows) => labelledCells(packed, rows, 1, labels),
  };
}

function scores(activation: ClassesSpec['activation'], tensor: Float32Array): (value: number) => number {
  switch (activation) {
    case 'none':
      return (value) => value;
    case 'sigmoid':
      return (value) => 1 / (1 + Math.exp(-value));
    case 'softmax': {
      const most = tensor.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const sum = tensor.reduce((total, value) => total + Math.exp(value - most), 0);
      return (value) => Math.exp(value - most) / sum;
    }
  }
}
