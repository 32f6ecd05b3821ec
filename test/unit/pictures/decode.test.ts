import sharp, { type Sharp } from 'sharp';
import t from 'tap';
import {
  decodePicture,
  MOST_MODEL_PIXELS,
  MOST_PIXELS,
  UnusablePicture,
} from '../../../src/pictures/decode.js';
import { encodePicture } from '../../../src/pictures/encode.js';
import { formatOfContent, formatOfName, type PictureFormat } from '../../../src/pictures/formats.js';
import { crc32 } from '../../fixtures/crc.js';
import { photo, pipeline, samplesOf } from '../../fixtures/photos.js';

const WHOLE = photo(9, 7);
const [WIDTH, HEIGHT] = [9, 7];

/** Numbers of a picture in any depth and order, as sharp writes them. */
function plain(): Sharp {
  return pipeline(WHOLE);
}

t.test('a PNG is decoded to its samples; other kinds to RGB of 8 bits', async (t) => {
  const { samples, size, source, geometry, furtherPages } = await decodePicture(
    await plain().png().toBuffer(),
    undefined,
  );
  t.strictSame([...samples], [...WHOLE.samples]);
  t.strictSame(
    [size, source],
    [
      { width: WIDTH, height: HEIGHT },
      { width: WIDTH, height: HEIGHT },
    ],
  );
  t.strictSame([geometry, furtherPages], [undefined, 0]);

  const grey = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => 4 * at);
  const ofGrey = sharp(grey, { raw: { width: WIDTH, height: HEIGHT, channels: 1 } });
  const threefold = [...grey].flatMap((value) => [value, value, value]);
  t.strictSame([...(await decodePicture(await ofGrey.png().toBuffer(), undefined)).samples], threefold);

  const deep = Uint16Array.from(WHOLE.samples, (value) => value * 257);
  const ofDeep = sharp(deep, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  const png16 = await ofDeep.toColourspace('rgb16').png().toBuffer();
  t.equal((await sharp(png16).metadata()).depth, 'ushort');
  t.strictSame([...(await decodePicture(png16, undefined)).samples], [...WHOLE.samples]);

  const palette = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#102030' } })
    .png({ palette: true })
    .toBuffer();
  t.strictSame([...(await decodePicture(palette, undefined)).samples].slice(0, 3), [0x10, 0x20, 0x30]);
});

t.test('CMYK becomes sRGB, and what is transparent lies on white', async (t) => {
  const background = { r: 255, g: 128, b: 0 };
  const flat = sharp({ create: { width: 16, height: 16, channels: 3, background } });
  const cmyk = await flat.toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
  t.equal((await sharp(cmyk).metadata()).space, 'cmyk');
  const [r = 0, g = 0, b = 0] = (await decodePicture(cmyk, undefined)).samples;
  for (const [value, wanted] of [
    [r, 255],
    [g, 128],
    [b, 0],
  ] as const)
    t.ok(Math.abs(value - wanted) < 20, `${value} is near ${wanted}`);

  const rgba = Uint8Array.of(255, 0, 0, 255, 0, 0, 255, 0);
  const clear = await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  t.strictSame([...(await decodePicture(clear, undefined)).samples], [255, 0, 0, 255, 255, 255]);
});

t.test('pictures are upright, whatever their EXIF tag says', async (t) => {
  for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const turned = await plain().withMetadata({ orientation }).png().toBuffer();
    const { samples, source } = await decodePicture(turned, undefined);
    // EXIF 2.32, tag 274: the row and column of the picture at the 0th row and column.
    const at = (x: number, y: number): number => {
      const [w, h] = [WIDTH - 1, HEIGHT - 1];
      const places: Readonly<Record<number, readonly [number, number]>> = {
        ...{ 1: [x, y], 2: [w - x, y], 3: [w - x, h - y], 4: [x, h - y] },
        ...{ 5: [y, x], 6: [y, h - x], 7: [w - y, h - x], 8: [w - y, x] },
      };
      const [column = 0, row = 0] = places[orientation] ?? [];
      return 3 * (row * WIDTH + column);
    };
    const [width, height] = orientation < 5 ? [WIDTH, HEIGHT] : [HEIGHT, WIDTH];
    t.strictSame(source, { width, height }, `${orientation}`);
    const wanted = Array.from({ length: width * height }, (_, pixel) => {
      const from = at(pixel % width, Math.floor(pixel / width));
      return [...WHOLE.samples.subarray(from, from + 3)];
    }).flat();
    t.strictSame([...samples], wanted, `orientation ${orientation}`);
  }
});

t.test('the first frame or page is taken, and the others are counted', async (t) => {
  const frames = [photo(8, 8, 1), photo(8, 8, 2), photo(8, 8, 3)];
  const all = await sharp(await Promise.all(frames.map((frame) => pipeline(frame).png().toBuffer())), {
    join: { animated: true },
  })
    .webp({ lossless: true })
    .toBuffer();
  const { samples, furtherPages } = await decodePicture(all, undefined);
  t.equal(furtherPages, 2);
  t.strictSame([...samples], [...(frames[0]?.samples ?? [])]);
});

t.test('what cannot be used is refused, with the reason', async (t) => {
  const jpeg = await pipeline(photo(200, 100)).jpeg().toBuffer();
  const bomb = Buffer.from(await pipeline(photo(8, 8)).png().toBuffer());
  bomb.writeUInt32BE(40_000, 16); // IHDR's width and height; its check sum comes behind
  bomb.writeUInt32BE(40_000, 20);
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(0), /it is empty/],
    [Buffer.from('not a picture at all'), /it is none of JPEG, PNG, WebP and TIFF/],
    [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), /none of JPEG/],
    [Buffer.from('GIF89a\u0001\0\u0001\0\0\0\0;'), /none of JPEG/],
    [jpeg.subarray(0, jpeg.length / 2), /premature end/],
    [jpeg.subarray(0, 20), /./],
    [bomb, /it has 40000x40000 pixels, and \d+ are the most/],
  ];
  for (const [bytes, message] of cases) {
    await t.rejects(decodePicture(bytes, undefined), { message, constructor: UnusablePicture });
  }
  t.ok(MOST_MODEL_PIXELS < MOST_PIXELS && 40_000 ** 2 > MOST_PIXELS);
  const thin = await pipeline(photo(2000, 1)).png().toBuffer();
  const crop = { size: { width: 640, height: 640 }, fit: 'crop' } as const;
  await t.rejects(decodePicture(thin, crop), /it has 1280000x640 pixels/, 'a crop that would be too large');
});

t.test('a picture comes to the size of a model in three ways', async (t) => {
  // A picture of 40 x 20 in one colour: where it lies in 16 x 16, and what is around it.
  const flat = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#c00000' } })
    .png()
    .toBuffer();
  const size = { width: 16, height: 16 };
  const rows = async (fit: 'stretch' | 'letterbox' | 'crop') => {
    const { samples, geometry } = await decodePicture(flat, { size, fit });
    return { column: Array.from({ length: 16 }, (_, y) => samples[3 * (16 * y + 8)]), geometry };
  };
  const stretched = await rows('stretch');
  t.strictSame(new Set(stretched.column), new Set([0xc0]));
  t.match(stretched.geometry, { scaleX: 2.5, scaleY: 1.25, offsetX: 0, offsetY: 0 });
  const boxed = await rows('letterbox');
  t.strictSame(boxed.column, [...Array(4).fill(114), ...Array(8).fill(0xc0), ...Array(4).fill(114)]);
  t.match(boxed.geometry, { scaleX: 2.5, scaleY: 2.5, offsetX: 0, offsetY: 4, sourceWidth: 40 });
  const cropped = await rows('crop');
  t.strictSame(new Set(cropped.column), new Set([0xc0]));
  t.match(cropped.geometry, { scaleX: 1.25, scaleY: 1.25, offsetX: -8, offsetY: 0 });
});

t.test('files are encoded as their names say: without loss, or nearly', async (t) => {
  const picture = photo(33, 21);
  const size = { width: 33, height: 21 };
  const formats: readonly PictureFormat[] = ['jpeg', 'png', 'webp', 'tiff'];
  for (const format of formats) {
    const file = await encodePicture(picture.samples, size, format);
    t.equal(formatOfContent(file), format);
    const found = await samplesOf(file);
    t.strictSame([found.width, found.height], [33, 21]);
    const worst = found.samples.reduce(
      (most, value, at) => Math.max(most, Math.abs(value - (picture.samples[at] ?? 0))),
      0,
    );
    t.ok(format === 'png' || format === 'tiff' ? worst === 0 : worst < 40, `${format}: ${worst}`);
    t.strictSame(await encodePicture(picture.samples, size, format), file, 'the same bytes again');
  }
  const jpeg = await encodePicture(picture.samples, size, 'jpeg');
  t.equal((await sharp(jpeg).metadata()).chromaSubsampling, '4:4:4');
  const wide = { width: 20_000, height: 1 };
  await t.rejects(encodePicture(new Uint8Array(60_000), wide, 'webp'), /cannot be written as webp/);
});

t.test('a name says a format by its suffix alone', async (t) => {
  const names = ['a.jpg', 'b.JPEG', 'c.png', 'd.webp', 'e.tif', 'f.TIFF', 'g.gif', 'jpg', 'h.mp4'];
  t.strictSame(names.map(formatOfName), [
    ...['jpeg', 'jpeg', 'png', 'webp', 'tiff', 'tiff'],
    ...[undefined, undefined, undefined],
  ]);
});

/** A grey TIFF of 8x8 samples, without compression. `kind`: 1 whole, 2 with sign, 3 float. */
function tiff(
  samples: Uint8Array | Uint16Array | Int16Array | Uint32Array | Float32Array,
  kind: number,
): Buffer {
  const data = Buffer.from(samples.buffer);
  const entries: readonly (readonly [tag: number, type: 3 | 4, value: number])[] = [
    ...([
      [256, 3, 8],
      [257, 3, 8],
      [258, 3, 8 * samples.BYTES_PER_ELEMENT],
      [259, 3, 1],
      [262, 3, 1],
    ] as const),
    ...([
      [273, 4, 8 + 2 + 12 * 10 + 4],
      [277, 3, 1],
      [278, 3, 8],
      [279, 4, data.length],
      [339, 3, kind],
    ] as const),
  ];
  const head = Buffer.alloc(8 + 2 + 12 * entries.length + 4);
  head.write('II*\0', 0, 'latin1');
  head.writeUInt32LE(8, 4);
  head.writeUInt16LE(entries.length, 8);
  for (const [at, [tag, type, value]] of entries.entries()) {
    const place = 10 + 12 * at;
    head.writeUInt16LE(tag, place);
    head.writeUInt16LE(type, place + 2);
    head.writeUInt32LE(1, place + 4);
    head.writeUInt32LE(value, place + 8);
  }
  return Buffer.concat([head, data]);
}

t.test('samples that are no levels of 8 or 16 bits are refused, not guessed', async (t) => {
  t.equal((await decodePicture(tiff(new Uint8Array(64).fill(100), 1), undefined)).samples[0], 100);
  t.equal((await decodePicture(tiff(new Uint16Array(64).fill(100 * 257), 1), undefined)).samples[0], 100);
  for (const [samples, kind] of [
    [new Float32Array(64).fill(0.5), 3],
    [new Uint32Array(64).fill(2 ** 31), 1],
    [new Int16Array(64).fill(1000), 2],
  ] as const)
    await t.rejects(decodePicture(tiff(samples, kind), undefined), /its samples are of type/);
});
