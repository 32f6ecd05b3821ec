/** The table of boxes: the best candidates, without those that overlap better ones, in source pixels. */
import { isRefusal, type Refusal } from '../system/refusal.js';
import { badThreshold, type FrameCoder, isCount, labelledCells } from './coder.js';
import { boxOf, type Geometry, toSource } from './geometry.js';
import type { Head } from './head.js';
import { headOf } from './heads.js';
import { type Floats, floatsOf } from './numbers.js';
import { HEADER_BYTES, viewOf } from './packed.js';
import type { Column } from './schema.js';
import type { Shape } from './shapes.js';
import type { BoxesSpec } from './spec.js';
import { MOST_COMPARED, suppressed } from './suppression.js';
import { type Candidate, topCandidates } from './top-candidates.js';

const ROW_BYTES = 24;

/**
 * Plans the table of boxes. A candidate has a score above the threshold, never NaN, and a box with something
 * inside the source's frame. The best `MOST_COMPARED` are compared, by falling score and, of equals, rising
 * index; comparing is done in the model's pixels, before clipping, as Ultralytics does.
 */
export function boxesCoder(
  spec: BoxesSpec,
  shapes: readonly Shape[],
  geometry: Geometry,
): FrameCoder | Refusal {
  const head = headOf(spec, shapes, geometry);
  if (isRefusal(head)) return head;
  const bad = badSpec(spec, head);
  if (bad !== undefined) return { refusal: bad };
  const { labels } = spec;
  const columns: readonly Column[] = [
    { name: 'box', type: 'int32' },
    { name: 'class', type: 'int32' },
    ...(labels === undefined ? [] : [{ name: 'label', type: 'string' } as const]),
    ...['score', 'x', 'y', 'width', 'height'].map((name) => ({ name, type: 'float32' }) as const),
  ];
  const mostRows = Math.min(spec.max, head.candidates);
  const top = topCandidates(Math.min(head.candidates, MOST_COMPARED));
  const corners = new Float64Array(4);

  const boxesOf = (tensors: readonly Floats[]) => {
    top.clear();
    head.scan(tensors, (index, score, label) => {
      if (!(score > spec.threshold)) return;
      head.corners(tensors, index, corners);
      if (toSource(corners, geometry)) top.offer(score, index, label);
    });
    const best = top.best().map((candidate: Candidate) => {
      head.corners(tensors, candidate.index, corners);
      return { ...candidate, box: boxOf(corners) };
    });
    return 'iou' in spec ? suppressed(best, spec.iou) : best;
  };

  return {
    columns,
    mostRows,
    rowBytes: ROW_BYTES,
    encode(given, into) {
      const tensors = floatsOf(given);
      const boxes = boxesOf(tensors);
      const notCompared = Math.max(0, top.offered - MOST_COMPARED);
      const view = viewOf(into);
      const rows = Math.min(boxes.length, mostRows);
      boxes.slice(0, rows).forEach(({ score, index, label }, row) => {
        head.corners(tensors, index, corners);
        toSource(corners, geometry);
        const { left, top, right, bottom } = boxOf(corners);
        const at = HEADER_BYTES + row * ROW_BYTES;
        view.setInt32(at, label, true);
        [score, left, top, right - left, bottom - top].forEach((number, place) => {
          view.setFloat32(at + 4 + 4 * place, number, true);
        });
      });
      return { rows, dropped: boxes.length - rows + notCompared };
    },
    cells: (packed, rows) => labelledCells(packed, rows, 5, labels),
  };
}

function badSpec(spec: BoxesSpec, head: Head): string | undefined {
  const { labels, max, threshold } = spec;
  if (labels !== undefined && head.classes !== undefined && labels.length !== head.classes) {
    return `there are ${labels.length} labels for ${head.classes} classes`;
  }
  if (!isCount(max) || max > MOST_COMPARED) {
    return `the most boxes are ${max}, not a whole number from 1 to ${MOST_COMPARED}`;
  }
  if ('iou' in spec && !(spec.iou >= 0 && spec.iou <= 1)) return `iou is ${spec.iou}, not from 0 to 1`;
  return badThreshold(threshold);
}
