/** Boxes of every head, against plain decoders, at their limits and on damaged numbers. */
import t from 'tap';
import { isRefusal } from '../../../src/system/refusal.js';
import { type TableDecoder, tableDecoder } from '../../../src/table/decoder.js';
import type { Geometry } from '../../../src/table/geometry.js';
import type { Numbers } from '../../../src/table/numbers.js';
import type { Shape } from '../../../src/table/shapes.js';
import type { BoxesSpec, TableSpec } from '../../../src/table/spec.js';
import {
  fromCentre,
  type PlainBox,
  plainBest,
  plainRows,
  plainSoftmax,
  rowsOf,
} from '../../fixtures/plain-boxes.js';
import { randomNumbers } from '../../fixtures/random.js';

const GEOMETRY: Geometry = {
  modelWidth: 64,
  modelHeight: 48,
  scaleX: 3.75,
  scaleY: 2.5,
  offsetX: 2,
  offsetY: 5,
  sourceWidth: 225,
  sourceHeight: 95,
};
const TIME = { frame: 7, pts: -3, seconds: 0.25 };
const ROUNDS = 60;

function decoder(spec: TableSpec, shapes: readonly Shape[], geometry = GEOMETRY): TableDecoder {
  const made = tableDecoder(spec, shapes, geometry);
  if (isRefusal(made)) throw new Error(made.refusal);
  return made;
}

function refusal(spec: TableSpec, shapes: readonly Shape[]): string {
  const made = tableDecoder(spec, shapes, GEOMETRY);
  return isRefusal(made) ? made.refusal : 'none';
}

/** Decodes into bytes that are dirty, and returns the rows without the frame's cells. */
function decoded(from: TableDecoder, tensors: readonly Numbers[]) {
  const packed = new Uint8Array(from.frameBytes).fill(0xa5);
  from.decode(tensors, packed);
  const rows = from.rows(packed, TIME);
  return { packed, ...from.counts(packed), cells: rows.map((row) => row.slice(3)) };
}

type Random = () => number;

/** Few distinct scores, so that ties come; a NaN here and there. */
function scores(random: Random, count: number): Float32Array {
  return Float32Array.from({ length: count }, () =>
    random() < 0.02 ? Number.NaN : Math.floor(random() * 40) / 40,
  );
}

/** Centres, widths and heights, in pixels or parts of the input; some outside, empty, or no numbers. */
function centredBox(random: Random, [across, down]: readonly [number, number]): number[] {
  const odd = random();
  if (odd < 0.02) return [Number.NaN, 0.5, 0.5, 0.5];
  if (odd < 0.04) return [10, 10, -5, 5];
  if (odd < 0.06) return [0, 0, Number.POSITIVE_INFINITY, 4];
  return [
    (random() * 1.2 - 0.1) * across,
    (random() * 1.2 - 0.1) * down,
    random() * 0.5 * across,
    random() * 0.5 * down,
  ].map(Math.fround);
}

function check(
  spec: BoxesSpec,
  shapes: readonly Shape[],
  tensors: readonly Float32Array[],
  plain: PlainBox[],
) {
  const iou = 'iou' in spec ? spec.iou : 2;
  const expected = plainRows(plain, { threshold: spec.threshold, max: spec.max, iou }, GEOMETRY);
  const found = decoded(decoder(spec, shapes), tensors);
  t.same(
    found.cells,
    expected.rows.map(([label, ...numbers], at) => [at + 1, label, ...numbers]),
  );
  t.same([found.rows, found.dropped], [expected.rows.length, expected.dropped]);
  t.ok(
    found.packed.subarray(8 + found.rows * 24).every((byte) => byte === 0),
    'unused rows are zero',
  );
}

t.test('yolov5', async () => {
  const random = randomNumbers(1);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [count, classes] = [1 + Math.floor(random() * 60), 1 + Math.floor(random() * 4)];
    const width = 5 + classes;
    const tensor = new Float32Array(count * width);
    for (let row = 0; row < count; row += 1) {
      tensor.set([...centredBox(random, [64, 48]), ...scores(random, 1 + classes)], row * width);
    }
    const plain = rowsOf(tensor, width).map((row, index) => {
      const { label, value } = plainBest(row.slice(5));
      return { index, label, score: Math.fround((row[4] ?? 0) * value), corners: fromCentre(row) };
    });
    const spec = { kind: 'boxes', head: 'yolov5', threshold: 0.1, iou: 0.3, max: 20 } as const;
    check(spec, [round % 2 === 0 ? [count, width] : [1, count, width]], [tensor], plain);
  }
});

t.test('yolov8, either axis first', async () => {
  const random = randomNumbers(2);
  for (let round = 0; round < ROUNDS; round += 1) {
    // One tensor of several blocks.
    const [count, classes] = [
      round === 0 ? 2500 : 12 + Math.floor(random() * 60),
      1 + Math.floor(random() * 4),
    ];
    const width = 4 + classes;
    const rows = Array.from({ length: count }, () => [
      ...centredBox(random, [64, 48]),
      ...scores(random, classes),
    ]);
    const plain = rows.map((row, index) => {
      const { label, value } = plainBest(row.slice(4));
      return { index, label, score: value, corners: fromCentre(row) };
    });
    const spec = { kind: 'boxes', head: 'yolov8', threshold: 0.3, iou: 0.45, max: 15 } as const;
    check(spec, [[count, width]], [Float32Array.from(rows.flat())], plain);
    const across = Float32Array.from({ length: count * width }, (_, at) => {
      return rows[at % count]?.[Math.floor(at / count)] ?? 0;
    });
    check(spec, [[width, count]], [across], plain);
  }
});

t.test('ssd, in both orders and units, with and without classes, background and count', async () => {
  const random = randomNumbers(3);
  for (let round = 0; round < 2 * ROUNDS; round += 1) {
    const [count, columns] = [2 + Math.floor(random() * 50), 2 + Math.floor(random() * 3)];
    const order = random() < 0.5 ? 'xyxy' : 'yxyx';
    const units = random() < 0.5 ? 'normalised' : 'pixels';
    const size = units === 'pixels' ? ([64, 48] as const) : ([1, 1] as const);
    const wide = random() < 0.5;
    const background = wide && random() < 0.5 ? { background: random() < 0.5 ? 0 : columns - 1 } : {};
    const withClasses = !wide && random() < 0.7;
    const withCount = random() < 0.5;
    const boxes = Array.from({ length: count }, () => fromCentre(centredBox(random, size)).map(Math.fround));
    const scored = scores(random, count * (wide ? columns : 1));
    const classes = Float32Array.from(
      { length: count },
      () => Math.floor(random() * 5) - (random() < 0.1 ? 1.5 : 0),
    );
    const counted = Math.floor(random() * (count + 3));
    const plain: PlainBox[] = boxes.flatMap((corners, index) => {
      if (withCount && index >= counted) return [];
      const best = wide
        ? plainBest(rowsOf(scored, columns)[index] ?? [], background.background)
        : { label: 0, value: scored[index] ?? 0 };
      const label = withClasses ? (classes[index] ?? 0) : best.label;
      if (!Number.isInteger(label) || label < 0) return [];
      const pixels = corners.map((x, at) => (units === 'pixels' ? x : x * (at % 2 === 0 ? 64 : 48)));
      return [{ index, label, score: best.value, corners: pixels }];
    });
    const ordered = boxes.map(([x1 = 0, y1 = 0, x2 = 0, y2 = 0]) =>
      order === 'xyxy' ? [x1, y1, x2, y2] : [y1, x1, y2, x2],
    );
    const shapes = [[count, 4], wide ? [count, columns] : [count], ...(withClasses ? [[count]] : [])];
    const tensors = [Float32Array.from(ordered.flat()), scored, ...(withClasses ? [classes] : [])];
    check(
      { kind: 'boxes', head: 'ssd', order, units, threshold: 0.2, iou: 0.5, max: 25, ...background },
      withCount ? [...shapes, round % 2 === 0 ? [] : [1]] : shapes,
      withCount ? [...tensors, Float32Array.of(counted)] : tensors,
      plain,
    );
  }
});

t.test('detr', async () => {
  const random = randomNumbers(4);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [count, width] = [1 + Math.floor(random() * 50), 2 + Math.floor(random() * 4)];
    const logits = Float32Array.from({ length: count * width }, () =>
      random() < 0.01 ? Number.NaN : Math.floor(random() * 20) / 4 - 2,
    );
    const boxes = Array.from({ length: count }, () => centredBox(random, [1, 1]));
    const plain = rowsOf(logits, width).map((row, index) => {
      const { label } = plainBest(row.slice(0, -1));
      const corners = fromCentre(boxes[index] ?? []).map((x, at) => x * (at % 2 === 0 ? 64 : 48));
      return { index, label, score: plainSoftmax(row)[label] ?? 0, corners };
    });
    check(
      { kind: 'boxes', head: 'detr', threshold: 0.3, max: 12 },
      [
        [count, width],
        [count, 4],
      ],
      [logits, Float32Array.from(boxes.flat())],
      plain,
    );
  }
});

t.test('rtdetr: every class of a query by its sigmoid, or the best of those that have one', async () => {
  const random = randomNumbers(5);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [count, classes] = [1 + Math.floor(random() * 40), 1 + Math.floor(random() * 4)];
    const logits = Float32Array.from({ length: count * classes }, () =>
      random() < 0.01 ? Number.NaN : Math.floor(random() * 24) / 3 - 5,
    );
    const boxes = Array.from({ length: count }, () => centredBox(random, [1, 1]));
    const corners = boxes.map((box) => fromCentre(box).map((x, at) => x * (at % 2 === 0 ? 64 : 48)));
    const spec = { kind: 'boxes', head: 'rtdetr', threshold: 0.3, max: 12 } as const;
    const each = [...logits].map((logit, index): PlainBox => {
      const [query, label] = [Math.floor(index / classes), index % classes];
      return {
        ...{ index, label, score: Math.fround(1 / (1 + Math.exp(-logit))) },
        corners: corners[query] ?? [],
      };
    });
    const pair = [
      [count, classes],
      [count, 4],
    ];
    check(spec, pair, [logits, Float32Array.from(boxes.flat())], each);

    const scored = boxes.map((box) => [...box, ...scores(random, classes)]);
    const best = scored.map((row, index) => {
      const { label, value } = plainBest(row.slice(4));
      return { index, label, score: value, corners: corners[index] ?? [] };
    });
    check(spec, [[1, count, 4 + classes]], [Float32Array.from(scored.flat())], best);
  }
});

t.test('yolov7: the frame, corners, class and score; nothing is suppressed', async () => {
  const random = randomNumbers(7);
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = Array.from({ length: 1 + Math.floor(random() * 60) }, (_, index) => ({
      index,
      corners: fromCentre(centredBox(random, [64, 48])).map(Math.fround),
      label: Math.floor(random() * 5),
      score: scores(random, 1)[0] ?? 0,
    }));
    const tensor = found.flatMap(({ corners, label, score }) => [0, ...corners, label, score]);
    const spec = { kind: 'boxes', head: 'yolov7', threshold: 0.2, max: 25 } as const;
    check(spec, [[found.length, 7]], [Float32Array.from(tensor)], found);
  }
});

t.test('yolov10: corners, score and class; nothing is suppressed', async () => {
  const random = randomNumbers(6);
  for (let round = 0; round < ROUNDS; round += 1) {
    const rows = Array.from({ length: 1 + Math.floor(random() * 60) }, () => [
      ...fromCentre(centredBox(random, [64, 48])).map(Math.fround),
      ...scores(random, 1),
      random() < 0.1 ? [-1, 0.5, Number.NaN][round % 3] : Math.floor(random() * 5),
    ]);
    const plain = rows.flatMap((row, index): PlainBox[] => {
      const [label = Number.NaN] = row.slice(5);
      const is = Number.isInteger(label) && label >= 0;
      return is ? [{ index, label, score: row[4] ?? 0, corners: row.slice(0, 4).map(Number) }] : [];
    });
    const spec = { kind: 'boxes', head: 'yolov10', threshold: 0.2, max: 25 } as const;
    check(spec, [[rows.length, 6]], [Float32Array.from(rows.flat() as number[])], plain);
  }
});

t.test('equal scores come by index; what a frame gives does not depend on those before it', async (t) => {
  const spec = { kind: 'boxes', head: 'yolov8', threshold: 0, iou: 1, max: 3 } as const;
  const one = decoder(spec, [[5, 40]]);
  const tensor = new Float32Array(200).fill(10);
  for (let at = 0; at < 40; at += 1) tensor[at] = at + 12;
  const first = decoded(one, [tensor]);
  t.same(
    first.cells.map(([box, , , x]) => [box, x]),
    [
      [1, 18.75],
      [2, 22.5],
      [3, 26.25],
    ],
  );
  t.equal(first.dropped, 37);
  decoded(one, [Float32Array.from(tensor, (value, at) => (at < 160 ? value / 3 : at))]);
  t.same(decoded(one, [tensor]).packed, first.packed);
});

t.test('labels; a class beyond them is empty', async (t) => {
  const spec: BoxesSpec = {
    kind: 'boxes',
    head: 'ssd',
    order: 'xyxy',
    units: 'normalised',
    threshold: 0.5,
    iou: 1,
    max: 9,
    labels: ['cat, "big"', 'dog'],
  };
  const made = decoder(spec, [[2, 4], [2], [2]]);
  t.same(
    made.columns.map(({ name, type }) => `${name} ${type}`),
    [
      ...['frame int64', 'pts int64', 'seconds float64', 'box int32', 'class int32', 'label string'],
      ...['score float32', 'x float32', 'y float32', 'width float32', 'height float32'],
    ],
  );
  const boxes = Float32Array.of(0, 0, 1, 1, 0, 0, 1, 1);
  const { cells } = decoded(made, [boxes, Float32Array.of(0.75, 1), Float32Array.of(0, 5)]);
  t.same(cells, [
    [1, 5, '', 1, 0, 0, 225, 95],
    [2, 0, 'cat, "big"', 0.75, 0, 0, 225, 95],
  ]);
});

t.test('classes of ssd keep every digit, and what is none is skipped', async (t) => {
  const spec: BoxesSpec = {
    ...{ kind: 'boxes', head: 'ssd', order: 'xyxy', units: 'normalised', threshold: 0, iou: 1, max: 9 },
  };
  const classes = Float64Array.of(2 ** 24 + 1, 2 ** 31 - 1, 2 ** 31, -1, 0.5, 2 ** 53);
  const types = ['float32', 'float32', 'float64'] as const;
  const made = tableDecoder(spec, [[6, 4], [6], [6]], GEOMETRY, { types });
  if (isRefusal(made)) throw new Error(made.refusal);
  const boxes = Float32Array.from({ length: 24 }, (_, at) => (at % 4 < 2 ? 0 : 1));
  const { cells } = decoded(made, [boxes, Float32Array.from({ length: 6 }, (_, at) => 1 - at / 10), classes]);
  t.same(
    cells.map(([, label]) => label),
    [2 ** 24 + 1, 2 ** 31 - 1],
  );
  t.throws(() => decoded(made, [boxes, new Float32Array(6), new BigInt64Array(6)]), RangeError);
});

t.test('shapes that are not as the head says, or ambiguous, are refused', async (t) => {
  const common = { kind: 'boxes', threshold: 0.5, iou: 0.5, max: 5 } as const;
  const ssd = { ...common, head: 'ssd', order: 'xyxy', units: 'pixels' } as const;
  const labels = ['a', 'b', 'c'];
  t.match(refusal({ ...common, head: 'yolov5' }, [[100, 5]]), /yolov5 takes/);
  t.match(refusal({ ...common, head: 'yolov5' }, [[100, 8], [3]]), /\[100, 8\] and \[3\]/);
  t.match(refusal({ ...common, head: 'yolov8' }, [[7, 8]]), /either axis/);
  t.match(refusal({ ...common, head: 'yolov8' }, [[3, 3]]), /yolov8 takes/);
  t.equal(refusal({ ...common, head: 'yolov8', labels }, [[7, 8]]), 'none');
  t.equal(refusal({ ...common, head: 'yolov8' }, [[84, 8400]]), 'none');
  t.equal(refusal({ ...common, head: 'yolov8' }, [[8400, 84]]), 'none');
  t.match(refusal({ ...common, head: 'yolov8', labels }, [[84, 8400]]), /3 labels for 80 classes/);
  t.match(refusal(ssd, [[9, 5], [9]]), /ssd takes/);
  t.match(refusal(ssd, [[9, 4], [8]]), /ssd takes/);
  t.match(refusal(ssd, [[9, 4], [9, 3], [9]]), /ssd takes/, 'classes twice');
  t.match(refusal(ssd, [[1, 4], [1], [1]]), /ssd takes/, 'classes or count');
  t.equal(refusal(ssd, [[1, 4], [1], [1], [1]]), 'none');
  t.match(
    refusal({ ...ssd, background: 3 }, [
      [9, 4],
      [9, 3],
    ]),
    /background/,
  );
  t.match(
    refusal({ ...ssd, background: -1 }, [
      [9, 4],
      [9, 3],
    ]),
    /background/,
  );
  t.match(refusal({ ...ssd, background: 0 }, [[9, 4], [9]]), /background/);
  t.match(refusal({ ...common, head: 'detr' }, [[9, 4]]), /detr takes/);
  t.match(
    refusal({ ...common, head: 'detr' }, [
      [9, 4],
      [8, 4],
    ]),
    /detr takes/,
  );
  const [distinct, nine] = [{ kind: 'boxes', threshold: 0.5, max: 5 } as const, [9, 4]];
  t.match(
    refusal({ ...distinct, head: 'yolov10' }, [[300, 7]]),
    /yolov10 takes one output \[boxes, 6\], not/,
  );
  t.match(
    refusal({ ...distinct, head: 'yolov7' }, [[25200, 85]]),
    /yolov7 takes one output \[boxes, 7\], not .*; without --end2end the head is yolov5/,
  );
  t.match(refusal({ ...distinct, head: 'yolov10' }, [nine, [9]]), /yolov10 takes/);
  t.match(refusal({ ...distinct, head: 'rtdetr' }, [nine]), /rtdetr takes/, 'boxes without scores');
  t.match(refusal({ ...distinct, head: 'rtdetr' }, [[8, 3], nine]), /rtdetr takes/);
  t.match(refusal({ ...distinct, head: 'rtdetr' }, [[9, 3], nine, [9]]), /rtdetr takes/);
  t.match(refusal({ ...distinct, head: 'rtdetr', labels }, [[9, 4], nine]), /3 labels for 4 classes/);
  t.match(refusal({ ...ssd, max: 30_001 }, [[9, 4], [9]]), /most boxes/);
  t.match(refusal({ ...ssd, max: 0 }, [[9, 4], [9]]), /most boxes/);
  t.match(refusal({ ...ssd, iou: 1.5 }, [[9, 4], [9]]), /iou/);
  t.match(refusal({ ...ssd, threshold: Number.NaN }, [[9, 4], [9]]), /threshold/);
  t.match(refusal(ssd, [[0, 4], [0]]), /0 numbers/);
});

t.test('tensors and bytes of other sizes, and packed rows that cannot be', async (t) => {
  const made = decoder({ kind: 'boxes', head: 'yolov5', threshold: 0, iou: 1, max: 5 }, [[10, 6]]);
  const packed = new Uint8Array(made.frameBytes);
  t.equal(made.frameBytes, 8 + 5 * 24);
  t.throws(() => made.decode([new Float32Array(59)], packed), RangeError);
  t.throws(() => made.decode([], packed), RangeError);
  t.throws(() => made.decode([new Float32Array(60)], packed.subarray(1)), RangeError);
  packed[0] = 6;
  t.throws(() => made.rows(packed, TIME), { code: 'journal' });
  t.throws(() => made.rows(packed.subarray(1), TIME), { code: 'journal' });
  t.throws(() => made.rows(new Uint8Array(made.frameBytes).fill(1, 0, 1), { ...TIME, pts: 0.5 }), RangeError);
});

t.test('ten million candidates: memory for the best alone', async (t) => {
  const count = 10_000_000;
  const made = decoder({ kind: 'boxes', head: 'yolov8', threshold: 0, iou: 0.5, max: 300 }, [[5, count]]);
  const tensor = new Float32Array(5 * count);
  // A grid of boxes apart from each other; scores rise, so that each comes into the best and leaves again.
  for (let at = 0; at < count; at += 1) {
    tensor[at] = 4 + (at % 58);
    tensor[count + at] = 6 + (Math.floor(at / 58) % 36);
    tensor[2 * count + at] = 0.5;
    tensor[3 * count + at] = 0.5;
    tensor[4 * count + at] = (at + 1) / count;
  }
  const packed = new Uint8Array(made.frameBytes);
  const before = process.memoryUsage();
  made.decode([tensor], packed);
  const after = process.memoryUsage();
  t.ok(after.arrayBuffers - before.arrayBuffers < 16 * 2 ** 20, 'no copy of the tensor');
  t.ok(after.heapTotal - before.heapTotal < 64 * 2 ** 20, `heap grew ${after.heapTotal - before.heapTotal}`);
  t.equal(made.counts(packed).rows, 300);
  // The 30,000 best lie on 58 x 36 places; the others were not looked at.
  t.equal(made.counts(packed).dropped, 58 * 36 - 300 + count - 30_000);
  t.same(made.rows(packed, TIME)[0]?.slice(0, 6), [7n, -3n, 0.25, 1, 0, 1]);
});
