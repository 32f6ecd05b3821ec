/** The parts of a preview that no model takes part in: times, models, places on a sheet, joined frames. */
import t from 'tap';
import { clockText, parseClock, spreadTimes } from '../../../src/job/preview/clock-times.js';
import { firstNeeded } from '../../../src/job/preview/moments.js';
import { layOutSheet, MOST_WIDTH, type SheetContent } from '../../../src/job/preview/sheet-layout.js';
import { joiner, repeatPixels } from '../../../src/job/preview/side-by-side.js';
import { labelText, variantsOf } from '../../../src/job/preview/variants.js';
import type { ModelListing } from '../../../src/model/load/catalogue.js';
import { I420 } from '../../../src/video/formats/frame-format.js';

t.test('times are read and written as clocks show them', async (t) => {
  const times = { '10': 10, '0:10': 10, '1:30.25': 90.25, '1:02:03': 3723, '90:00': 5400, '7.5': 7.5 };
  for (const [text, seconds] of Object.entries(times)) t.equal(parseClock(text), seconds, text);
  for (const text of ['', '1:60', '1:60:00', '-1', '1e3', ':10', '1:', 'x', '1:2:3:4'])
    t.equal(parseClock(text), undefined, text);
  const texts = { 0: '0:00', 10: '0:10', 90.25: '1:30.25', 3723.5: '1:02:03.5', 59.999: '1:00' };
  for (const [seconds, text] of Object.entries(texts)) t.equal(clockText(Number(seconds)), text);
  t.same(spreadTimes(60, 3), [10, 30, 50]);
  t.same(spreadTimes(1.01, 3), [0.16, 0.5, 0.84]);
  t.same(spreadTimes(undefined, 3), [0], 'of unknown length: the first frame');
  t.same(spreadTimes(0.04, 3), [0]);
});

t.test('a model with states needs the frames from the start of their run on', async (t) => {
  t.equal(firstNeeded(17, { reach: 0, every: undefined }), 17);
  t.equal(firstNeeded(17, { reach: 2, every: undefined }), 15);
  t.equal(firstNeeded(1, { reach: 2, every: undefined }), 0);
  t.equal(firstNeeded(17, { reach: 0, every: 5 }), 15);
  t.equal(firstNeeded(17, { reach: 2, every: 5 }), 13);
});

const style = (name: string, size: 'fast' | 'fine', kind: 'style' | 'image' = 'style'): ModelListing => ({
  ...{ name, kind, size, isDefault: size === 'fast', network: size, manifest: '', file: '' },
});
const LISTING = [style('a', 'fast'), style('a', 'fine'), style('b', 'fast'), style('photo', 'fast', 'image')];

t.test('models, sizes and strengths are combined, and labelled by what was chosen', async (t) => {
  const labels = (models: readonly string[], sizes: readonly ('fast' | 'fine')[], strengths: number[]) =>
    variantsOf({ models, sizes, strengths }, LISTING).map(({ label }) => labelText(label));
  t.same(labels(['all'], [], []), ['a', 'b'], 'styles in their default size, and no other models');
  t.same(labels(['all'], ['fine'], []), ['a, fine'], 'those that come in the size');
  t.same(labels(['b', 'all'], [], []), ['b', 'a'], 'each once');
  t.same(labels(['a'], ['fast', 'fine'], [0.5, 1]), [
    ...['a, fast, strength 0.5', 'a, fast, strength 1'],
    ...['a, fine, strength 0.5', 'a, fine, strength 1'],
  ]);
  t.same(labels(['/x/my.onnx', 'https://account.blob.core.windows.net/box/c/net.onnx'], [], []), [
    'my',
    'net',
  ]);
});

const models = (count: number, scale = 1) =>
  Array.from({ length: count }, (_, at) => ({ name: `model-${at}`, setting: 'strength 0.5', scale }));
const HD = { width: 1920, height: 1080 };

function laidOut(content: Partial<SheetContent>) {
  return layOutSheet({ frame: HD, times: ['0:01', '0:02'], models: models(6), ...content });
}

t.test('a sheet has a line for each time, and a detail of the first', async (t) => {
  const sheet = laidOut({});
  t.ok(sheet.width <= MOST_WIDTH && sheet.width > 0.95 * MOST_WIDTH);
  t.equal(sheet.cells.length, 3 * 7);
  const first = sheet.cells.slice(0, 7);
  t.same(
    first.map(({ model }) => model),
    [undefined, 0, 1, 2, 3, 4, 5],
  );
  t.equal(new Set(first.map(({ top }) => top)).size, 1);
  t.same(
    sheet.cells.filter(({ kind }) => kind === 'detail').map(({ time }) => time),
    Array(7).fill(0),
  );
  const [{ width = 0, height = 0 } = {}] = first;
  t.ok(Math.abs(width / height - 16 / 9) < 0.02, 'frames keep their shape');
});

t.test('nothing on a sheet overlaps or leaves it', async (t) => {
  const sizes = [HD, { width: 64, height: 48 }, { width: 1080, height: 1920 }, { width: 3, height: 2000 }];
  for (const frame of sizes) {
    for (const count of [1, 6, 8, 15, 48]) {
      const { width, height, cells, texts } = laidOut({ frame, models: models(count) });
      t.ok(width <= MOST_WIDTH, `${count} of ${frame.width}x${frame.height}`);
      const lines = texts.map(({ text, scale, ...place }) => ({
        ...{ ...place, width: 6 * scale * text.length, height: 8 * scale },
      }));
      const boxes = [...cells, ...lines].filter((box) => box.width > 0);
      for (const box of boxes)
        t.ok(box.left + box.width <= width && box.top + box.height <= height, 'inside') ||
          t.fail(String(box));
      const clash = boxes.find((one, at) =>
        boxes.some(
          (other, place) =>
            place > at &&
            one.left < other.left + other.width &&
            other.left < one.left + one.width &&
            one.top < other.top + other.height &&
            other.top < one.top + one.height,
        ),
      );
      t.equal(clash, undefined, `${count} of ${frame.width}x${frame.height}`);
      const shown = cells.filter(({ kind, time }) => kind === 'frame' && time === 1);
      t.same(new Set(shown.flatMap(({ model }) => model ?? [])).size, count, 'every model is there');
    }
  }
});

t.test('small frames stay as they are; what a model enlarges has a detail', async (t) => {
  const small = laidOut({ frame: { width: 64, height: 48 } });
  t.ok(small.cells.every(({ kind, width, height }) => kind === 'frame' && width === 64 && height === 48));
  const larger = laidOut({ frame: { width: 64, height: 48 }, models: models(1, 4) });
  t.equal(larger.cells.filter(({ kind }) => kind === 'detail').length, 2);
  const long = laidOut({ models: [{ name: 'x'.repeat(500), setting: '', scale: 1 }] });
  t.ok(
    long.texts.some(({ text }) => /^x+\.\.$/.test(text)),
    'long names are cut',
  );
});

/** A frame whose samples are `level` in luma, and more in chroma. */
function plain(width: number, height: number, level: number) {
  const chroma = Math.ceil(width / 2) * Math.ceil(height / 2);
  return Uint8Array.from([
    ...Array(width * height).fill(level),
    ...Array(chroma).fill(level + 1),
    ...Array(chroma).fill(level + 2),
  ]);
}

t.test('frames are joined side by side, and as a split screen', async (t) => {
  const format = { width: 9, height: 3, sample: I420, matrix: 'bt709', range: 'limited' } as const;
  const [source, result] = [plain(9, 3, 10), plain(9, 3, 20)];
  const beside = joiner(format, 'side-by-side');
  t.match(beside.format, { width: 16, height: 2 }, 'even, as codecs want it');
  const row = (from: Uint8Array, at: number, width: number) => [...from.subarray(at, at + width)];
  const joined = beside.join(source, result);
  t.same(row(joined, 16, 16), [...Array(8).fill(10), ...Array(8).fill(20)]);
  t.same(row(joined, 32, 8), [11, 11, 11, 11, 21, 21, 21, 21]);
  t.same(row(joined, 40, 8), [12, 12, 12, 12, 22, 22, 22, 22]);
  const split = joiner(format, 'split-screen');
  t.match(split.format, { width: 8, height: 2 });
  const screen = split.join(source, result);
  t.same(row(screen, 0, 8), [10, 10, 10, 10, 235, 235, 20, 20], 'a white line between them');
  t.same(row(screen, 16, 4), [11, 11, 128, 21]);
  const larger = repeatPixels(Uint8Array.of(1, 2, 3, 4, 5, 6), { ...format, width: 2, height: 2 }, 2);
  t.match(larger.format, { width: 4, height: 4 });
  t.same([...larger.frame], [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6]);
});
