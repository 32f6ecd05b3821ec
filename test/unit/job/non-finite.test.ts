/** Frames for which the model gave NaN or infinity: how they are reported, and what --strict makes of earlier runs'. */
import t from 'tap';
import {
  nonFiniteFrames,
  nonFiniteWarning,
  nonFiniteWatch,
  refuseNonFinite,
} from '../../../src/job/journal/non-finite.js';
import { readRow, rowBytesOf } from '../../../src/job/journal/result-row.js';

const record = (index: number, nonFinite?: readonly number[]) => ({
  index,
  frames: 10,
  bytes: 1,
  pts: Array.from({ length: 10 }, (_, at) => index * 10 + at),
  ...(nonFinite === undefined ? {} : { nonFinite }),
});

t.test('--strict refuses to resume an earlier run without it that recorded such frames', async (t) => {
  const clean = [record(0), record(1)];
  const spoiled = [...clean, record(2, [3, 4])];
  t.doesNotThrow(() => refuseNonFinite(true, clean));
  t.doesNotThrow(() => refuseNonFinite(false, spoiled));
  t.throws(() => refuseNonFinite(true, spoiled), {
    code: 'model',
    message: 'the model gave NaN or infinity in frame 23 (from 0)',
    hint: /without it the same command resumes the job/,
  });
});

t.test('in a run the first such frame is a warning, or with --strict an error', async (t) => {
  const said: string[] = [];
  const lenient = nonFiniteWatch(false, (line) => said.push(line));
  lenient(7);
  lenient(8);
  t.same(said, ['the model gave NaN or infinity in frame 7 (from 0); the job continues']);
  t.throws(() => nonFiniteWatch(true, () => {})(7), { code: 'model', message: /frame 7/ });
});

t.test('ranges go across segments', async (t) => {
  const found = nonFiniteFrames([record(0, [9]), record(1, [0, 1, 5])]);
  t.same(found, {
    count: 4,
    ranges: [
      [9, 11],
      [15, 15],
    ],
  });
  t.match(nonFiniteWarning(found, 20, true), /in 4 of 20 frames: 9 to 11, 15 \(from 0\)/);
  t.equal(nonFiniteWarning(nonFiniteFrames([record(0)]), 10, true), undefined);
  t.same(
    nonFiniteFrames([
      { frames: 4, nonFinite: [1, 2], numbers: [0, 3, 5, 9] },
      { frames: 4, nonFinite: [0, 1, 3], numbers: [12, 13, 20, 21] },
    ]),
    {
      count: 5,
      ranges: [
        [3, 5],
        [12, 13],
        [21, 21],
      ],
    },
    'of some frames, by their numbers in the video: ranges are of those taken one after another',
  );
});

t.test('a row is a frame for each picture, rows of a table and a check byte', async (t) => {
  const layout = { frameBytes: [2, 1], tableBytes: 1 };
  t.equal(rowBytesOf(layout), 5);
  const [frames, table] = [[Uint8Array.of(5, 6), Uint8Array.of(8)], Uint8Array.of(7)];
  t.same(readRow(Uint8Array.of(5, 6, 8, 7, 1), layout), { frames, table, finite: true });
  t.equal(readRow(Uint8Array.of(5, 6, 8, 7, 0), layout).finite, false);
  const alone = { frameBytes: [], tableBytes: 1 };
  t.same(readRow(Uint8Array.of(7, 1), alone), { frames: [], table, finite: true }, 'a table alone');
  const words = { frameBytes: [2, 2], tableBytes: 2, bytesPerSample: 2 };
  t.equal(rowBytesOf(words), 8);
  t.equal(rowBytesOf({ ...words, tableBytes: 1 }), 6);
  const apart = readRow(Uint8Array.of(5, 6, 3, 4, 0, 7, 8, 1), words);
  const pair = [Uint8Array.of(5, 6), Uint8Array.of(3, 4)];
  const held = { frames: pair, table: Uint8Array.of(7, 8), finite: true };
  t.same(apart, held, 'in words: a byte before the table is unused');
});
