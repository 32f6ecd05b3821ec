/** Drawing: letters that any machine draws alike, parts of pictures. */
import t from 'tap';
import {
  drawPicture,
  drawText,
  greyPicture,
  middleOf,
  type RgbPicture,
  resizedTo,
} from '../../../src/pictures/raster.js';
import { photo } from '../../fixtures/photos.js';

/** The pixels of a picture as text: `#` where it is white. */
function dots({ width, height, samples }: RgbPicture): readonly string[] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => (samples[3 * (y * width + x)] === 255 ? '#' : '.')).join(''),
  );
}

function written(text: string, scale = 1, width = 6 * scale * text.length, height = 8 * scale): RgbPicture {
  const onto = greyPicture({ width, height }, 0);
  drawText(onto, text, { left: 0, top: 0 }, scale, 255);
  return onto;
}

t.test('letters', async (t) => {
  t.same(dots(written('Ag')), [
    '..#.........',
    '.#.#........',
    '#...#..###..',
    '#...#.#..##.',
    '#####.#..##.',
    '#...#..##.#.',
    '#...#.....#.',
    '.......###..',
  ]);
  const printable = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at));
  const drawn = new Set(printable.map((letter) => dots(written(letter)).join()));
  t.equal(drawn.size, 94, 'no two letters look alike');
  t.notOk(drawn.has(dots(written(' ')).join()), 'and none is empty');
  for (const letter of ['é', '\n', '\u007f', '画'])
    t.same(dots(written(letter)), dots(written('?')), JSON.stringify(letter));
  const twice = dots(written('A', 2));
  t.equal(twice[8], '##########..');
  t.equal(twice[9], twice[8]);
  t.same(dots(written('AAAA', 1, 3, 2)), ['..#', '.#.'], 'what has no room is left out');
});

t.test('pictures are put in their place, cut and resized', async (t) => {
  const picture = photo(8, 6);
  const onto = greyPicture({ width: 12, height: 10 }, 7);
  drawPicture(onto, picture, { left: 3, top: 2 });
  t.equal(onto.samples[0], 7);
  t.same(
    middleOf({ ...onto, samples: onto.samples }, { width: 6, height: 6 }).samples.subarray(0, 15),
    picture.samples.subarray(0, 15),
  );
  t.same(middleOf(picture, { width: 99, height: 99 }), picture);
  const part = middleOf(picture, { width: 2, height: 2 });
  t.same([...part.samples.subarray(0, 6)], [...picture.samples.subarray(3 * (2 * 8 + 3), 3 * (2 * 8 + 5))]);
  t.equal(await resizedTo(picture, { width: 8, height: 6 }), picture);
  const smaller = await resizedTo(greyPicture({ width: 64, height: 32 }, 90), { width: 10, height: 5 });
  t.ok(smaller.samples.length === 150 && smaller.samples.every((value) => value === 90));
});
