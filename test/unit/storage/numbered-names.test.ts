import t from 'tap';
import {
  ffmpegPattern,
  nameOfNumber,
  numberedNames,
  numberOfName,
} from '../../../src/storage/location/numbered-names.js';

t.test('a pattern stands for numbered pictures, and other names for themselves', async (t) => {
  for (const [path, format] of [
    ['frames/%06d.png', 'png'],
    ['%d.JPG', 'jpeg'],
    ['/a/b/shot_%04d.tif', 'tiff'],
    ['a/100%%_%03d.jpeg', 'jpeg'],
  ] as const)
    t.equal(numberedNames(path)?.format, format, path);
  for (const path of [
    ...['a.png', '%06d.mp4', 'a/%06d', '%06d.exr', '%s.png', '%6d.png', '%d%d.png', '50%.png', '%099d.png'],
    ...['%06d/a.png', '', '%d.constructor'],
  ])
    t.equal(numberedNames(path), undefined, path);
});

t.test('names and numbers are each other', async (t) => {
  const names = numberedNames('x/a%%%03d-b.png');
  if (names === undefined) throw new Error('it is a pattern');
  t.equal(nameOfNumber(names, 7), 'a%007-b.png');
  t.equal(nameOfNumber(names, 12345), 'a%12345-b.png');
  for (const number of [0, 7, 999, 1000, 2 ** 31 - 1])
    t.equal(numberOfName(names, nameOfNumber(names, number)), number);
  for (const name of [
    ...['a%7-b.png', 'a%0007-b.png', 'a%-07-b.png', 'a%00x-b.png', 'a%-b.png', '-b.png', 'a%007-b.png\n'],
    ...['A%007-b.png', 'a%2147483648-b.png', 'a%99999999999999999999-b.png', ''],
  ])
    t.equal(numberOfName(names, name), undefined, name);
});

t.test('for FFmpeg, percent signs of folders are doubled', async (t) => {
  for (const [path, pattern] of [
    ['frames/%06d.png', 'frames/%06d.png'],
    ['50%d/%d.png', '50%%d/%01d.png'],
    ['-x/a%%%03d.png', '-x/a%%%03d.png'],
    ['%d.png', './%01d.png'],
  ] as const) {
    const names = numberedNames(path);
    t.equal(names && ffmpegPattern(names), pattern);
  }
});
