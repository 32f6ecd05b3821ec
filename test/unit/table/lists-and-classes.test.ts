/** Tables of values, embeddings and classes, against plain decoders. */
import t from 'tap';
import { isRefusal } from '../../../src/system/refusal.js';
import { type TableDecoder, tableDecoder } from '../../../src/table/decoder.js';
import type { Numbers } from '../../../src/table/numbers.js';
import type { Row } from '../../../src/table/schema.js';
import type { Shape } from '../../../src/table/shapes.js';
import type { ClassesSpec, TableSpec } from '../../../src/table/spec.js';
import { plainSoftmax } from '../../fixtures/plain-boxes.js';
import { randomNumbers } from '../../fixtures/random.js';

const GEOMETRY = {
  ...{ modelWidth: 1, modelHeight: 1, scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0 },
  ...{ sourceWidth: 1, sourceHeight: 1 },
};
const TIME = { frame: 0, pts: 0, seconds: 0 };

function planned(spec: TableSpec, shapes: readonly Shape[]): TableDecoder {
  const made = tableDecoder(spec, shapes, GEOMETRY);
  if (isRefusal(made)) throw new Error(made.refusal);
  return made;
}

function cells(made: TableDecoder, tensor: Numbers): readonly Row[] {
  // At an odd place, as in a message.
  const packed = new Uint8Array(made.frameBytes + 3).fill(0x5a).subarray(3);
  made.decode([tensor], packed);
  t.equal(made.counts(packed).dropped, 0);
  const rows = made.rows(packed, TIME).map((row) => row.slice(3));
  // As read from a file: within a longer Buffer, whose `slice` copies nothing.
  const read = Buffer.concat([Buffer.alloc(5, 0x5a), packed, Buffer.alloc(5, 0x5a)]);
  t.same(
    made.rows(read.subarray(5, 5 + packed.length), TIME).map((row) => row.slice(3)),
    rows,
  );
  return rows;
}

function refusal(spec: TableSpec, shapes: readonly Shape[]): string {
  const made = tableDecoder(spec, shapes, GEOMETRY);
  return isRefusal(made) ? made.refusal : 'none';
}

t.test('values keep every bit', async (t) => {
  const made = planned({ kind: 'values', column: 'depth' }, [[2, 3]]);
  t.same(made.columns.at(-1), { name: 'depth', type: 'float32-list' });
  const tensor = Float32Array.of(-0, Number.NaN, Number.POSITIVE_INFINITY, 1e-45, 0.1, -3.5);
  new Uint32Array(tensor.buffer)[1] = 0x7fc12345;
  const [[list] = []] = cells(made, tensor);
  t.same(new Uint8Array((list as Float32Array).buffer), new Uint8Array(tensor.buffer));
  const scalar = planned({ kind: 'values', column: 'nsfw' }, [[1, 1]]);
  t.same(scalar.columns.at(-1), { name: 'nsfw', type: 'float32' });
  t.same(cells(scalar, Float32Array.of(0.1)), [[Math.fround(0.1)]]);
  t.same(cells(planned({ kind: 'values', column: 'x' }, [[]]), Float32Array.of(-0)), [[-0]]);
});

t.test('values of other types keep theirs', async (t) => {
  const spec = { kind: 'values', column: 'x' } as const;
  for (const [type, tensor] of [
    ['int32', Int32Array.of(2 ** 24 + 1, -(2 ** 31))],
    ['int64', BigInt64Array.of(2n ** 53n + 1n, -(2n ** 63n))],
    ['float64', Float64Array.of(0.1, 1e300)],
  ] as const) {
    const made = tableDecoder(spec, [[2]], GEOMETRY, { types: [type] });
    if (isRefusal(made)) throw new Error(made.refusal);
    t.same(made.columns.at(-1), { name: 'x', type: `${type}-list` });
    t.same(cells(made, tensor), [[tensor]]);
    t.throws(() => made.decode([Float32Array.of(1, 2)], new Uint8Array(made.frameBytes)), RangeError);
    const one = tableDecoder(spec, [[1]], GEOMETRY, { types: [type] });
    if (isRefusal(one)) throw new Error(one.refusal);
    t.same(one.columns.at(-1), { name: 'x', type });
    const first = tensor.slice(0, 1);
    t.same(cells(one, first), [[first[0]]]);
  }
});

t.test('values that cannot be a table', async (t) => {
  t.match(refusal({ kind: 'values', column: 'pts' }, [[2]]), /"pts"/);
  t.match(refusal({ kind: 'values', column: '' }, [[2]]), /""/);
  t.match(refusal({ kind: 'values', column: 'a' }, [[2], [2]]), /one output/);
  t.match(refusal({ kind: 'values', column: 'a' }, [[3, 1080, 1920]]), /bytes/);
  t.equal(refusal({ kind: 'values', column: 'a' }, [[256, 64, 64]]), 'none');
  t.match(refusal({ kind: 'embedding' }, []), /one output, not none/);
});

t.test('embeddings, as they are or of length 1', async (t) => {
  const random = randomNumbers(11);
  for (let round = 0; round < 30; round += 1) {
    const tensor = Float32Array.from({ length: 1 + Math.floor(random() * 600) }, () => random() * 8 - 4);
    const shape = [tensor.length, 1, 1];
    t.same(cells(planned({ kind: 'embedding' }, [shape]), tensor), [[tensor]]);
    const made = planned({ kind: 'embedding', normalize: true }, [shape]);
    let squares = 0;
    for (const value of tensor) squares += value ** 2;
    t.same(cells(made, tensor), [[tensor.map((value) => value / Math.sqrt(squares))]]);
  }
  const made = planned({ kind: 'embedding', normalize: true }, [[3]]);
  t.same(cells(made, new Float32Array(3)), [[new Float32Array(3)]]);
  t.same(cells(made, Float32Array.of(1, Number.NaN, 0)), [[new Float32Array(3).fill(Number.NaN)]]);
});

t.test('classes', async (t) => {
  const random = randomNumbers(12);
  for (let round = 0; round < 200; round += 1) {
    const count = 1 + Math.floor(random() * 40);
    const tensor = Float32Array.from({ length: count }, () => {
      const odd = random();
      if (odd < 0.003) return Number.NaN;
      return odd < 0.006 ? Number.POSITIVE_INFINITY : Math.floor(random() * 60) / 4 - 7;
    });
    const activation = (['softmax', 'sigmoid', 'none'] as const)[round % 3] ?? 'none';
    const threshold = random() < 0.5 ? { threshold: random() * 0.5 } : {};
    const labels = random() < 0.5 ? { labels: Array.from(tensor, (_, at) => `class ${at}`) } : {};
    const spec: ClassesSpec = {
      kind: 'classes',
      top: 1 + Math.floor(random() * 12),
      activation,
      ...threshold,
      ...labels,
    };
    const scores =
      activation === 'softmax'
        ? plainSoftmax([...tensor])
        : Array.from(tensor, (x) => (activation === 'none' ? x : Math.fround(1 / (1 + Math.exp(-x)))));
    const expected = Array.from(tensor, (value, index) => ({ value, index, score: scores[index] ?? 0 }))
      .filter(({ value, score }) => !Number.isNaN(value) && !Number.isNaN(score))
      .sort((a, b) => (a.value === b.value ? a.index - b.index : b.value - a.value))
      .slice(0, spec.top)
      .filter(({ score }) => score > (spec.threshold ?? Number.NEGATIVE_INFINITY))
      .map(({ index, score }, at) => [at + 1, index, ...(spec.labels ? [`class ${index}`] : []), score]);
    t.same(cells(planned(spec, [round % 2 === 0 ? [count] : [count, 1, 1]]), tensor), expected);
  }
});

t.test('a softmax that saturates still ranks by the numbers', async (t) => {
  const made = planned({ kind: 'classes', top: 3, activation: 'softmax' }, [[4]]);
  t.same(
    cells(made, Float32Array.of(-900, -800, 100, -700)).map(([, label, score]) => [label, score]),
    [
      [2, 1],
      [3, 0],
      [1, 0],
    ],
  );
});

t.test('classes that cannot be a table', async (t) => {
  const spec = { kind: 'classes', top: 5, activation: 'none' } as const;
  t.match(refusal(spec, [[10, 2]]), /one output \[classes\]/);
  t.match(refusal({ ...spec, labels: ['a'] }, [[10]]), /1 labels for 10 classes/);
  t.match(refusal({ ...spec, top: 0.5 }, [[10]]), /whole number/);
  t.match(refusal({ ...spec, threshold: Number.NaN }, [[10]]), /threshold/);
  t.equal(planned({ ...spec, top: 50 }, [[10]]).mostRows, 10);
});
