/** Suppression against a plain double loop, with boxes of every size and place. */
import t from 'tap';
import { suppressed } from '../../../src/table/suppression.js';
import { randomNumbers } from '../../fixtures/random.js';

interface Labelled {
  readonly label: number;
  readonly box: {
    readonly left: number;
    readonly top: number;
    readonly right: number;
    readonly bottom: number;
  };
}

function plainly(boxes: readonly Labelled[], iou: number): Labelled[] {
  const kept: Labelled[] = [];
  for (const each of boxes) {
    const isKept = kept.every(({ label, box }) => {
      const across = Math.min(box.right, each.box.right) - Math.max(box.left, each.box.left);
      const down = Math.min(box.bottom, each.box.bottom) - Math.max(box.top, each.box.top);
      const both = Math.max(0, across) * Math.max(0, down);
      const [own, other] = [each.box, box].map((b) => (b.right - b.left) * (b.bottom - b.top));
      return label !== each.label || !(both / ((own ?? 0) + (other ?? 0) - both) > iou);
    });
    if (isKept) kept.push(each);
  }
  return kept;
}

t.test('the same boxes stay as by comparing all', async (t) => {
  const random = randomNumbers(31);
  let kept = 0;
  for (let round = 0; round < 300; round += 1) {
    const size = 10 ** (random() * 3);
    // On a coarse grid, edges meet and unions are ties.
    const place = (): number => (round % 2 === 0 ? Math.floor(random() * 20) : random() * 1000 - 100);
    const boxes = Array.from({ length: 200 }, (): Labelled => {
      const [left, top] = [place(), place()];
      const wide = random() < 0.05 ? 2000 : 1 + Math.floor(random() * size);
      const high = 1 + random() * size;
      return { label: Math.floor(random() * 2), box: { left, top, right: left + wide, bottom: top + high } };
    });
    const iou = [0, 0.1, 0.5, 0.9, random()][round % 5] ?? 0;
    const found = suppressed(boxes, iou);
    kept += found.length;
    if (plainly(boxes, iou).some((each, at) => each !== found[at])) t.fail(`round ${round}, iou ${iou}`);
    if (plainly(boxes, iou).length !== found.length) t.fail(`round ${round}, iou ${iou}: ${found.length}`);
  }
  t.ok(kept > 5000 && kept < 55_000, `${kept} of 60000`);
});

t.test('thirty thousand boxes apart from each other', async (t) => {
  const boxes = Array.from({ length: 30_000 }, (_, at): Labelled => {
    const [left, top] = [(at % 200) * 3, Math.floor(at / 200) * 3];
    return { label: 0, box: { left, top, right: left + 2, bottom: top + 2 } };
  });
  t.equal(suppressed(boxes, 0.5).length, 30_000);
});
