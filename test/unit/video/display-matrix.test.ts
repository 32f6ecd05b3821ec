import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { scaleMatrix, turnOf, writeDisplayMatrix } from '../../../src/video/formats/display-matrix.js';
import { isoSampleEntries } from '../../../src/video/formats/iso-boxes.js';

const ONE = 65536;
const MATRIX = [0, ONE, 0, -ONE, 0, 0, 360 * ONE, 7, 2 ** 30];

function box(type: string, ...children: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(children);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body]);
}

/** A box with a 64-bit size. */
function largeBox(type: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(1);
  head.write(type, 4, 'latin1');
  head.writeBigUInt64BE(BigInt(body.length + 16), 8);
  return Buffer.concat([head, body]);
}

function track(handler: string, version: 0 | 1, format: string): Buffer {
  const header = Buffer.alloc(version === 1 ? 96 : 84);
  header.writeUInt8(version);
  const entry = Buffer.concat([Buffer.alloc(8), box(format, Buffer.alloc(20))]);
  return box(
    'trak',
    box('edts'),
    box('tkhd', header),
    box(
      'mdia',
      box('hdlr', Buffer.concat([Buffer.alloc(8), Buffer.from(handler, 'latin1'), Buffer.alloc(12)])),
      box('minf', box('stbl', box('stsd', entry))),
    ),
  );
}

const folder = t.testdir();
let count = 0;
function file(...boxes: readonly Uint8Array[]): string {
  const path = join(folder, `${count++}.mp4`);
  writeFileSync(path, Buffer.concat(boxes));
  return path;
}

t.test('the matrix goes into the header of its own track, in both versions', async (t) => {
  for (const [version, offset] of [
    [0, 40],
    [1, 52],
  ] as const) {
    const movie = box(
      'moov',
      box('mvhd', Buffer.alloc(100)),
      track('soun', 0, 'mp4a'),
      track('vide', version, 'avc1'),
    );
    const path = file(box('ftyp', Buffer.from('isom')), largeBox('mdat', Buffer.alloc(5)), movie);
    const before = readFileSync(path);
    await writeDisplayMatrix(path, 1, MATRIX);
    const after = readFileSync(path);
    const at = after.lastIndexOf('tkhd') + 4 + offset;
    t.same(
      MATRIX.map((_, place) => after.readInt32BE(at + place * 4)),
      MATRIX,
    );
    after.fill(0, at, at + 36);
    t.same(after, before, 'nothing else changed');
  }
});

t.test('a track that is no video is refused', async (t) => {
  const path = file(box('moov', track('soun', 0, 'mp4a'), track('vide', 0, 'avc1')));
  for (const number of [0, 2]) {
    await t.rejects(writeDisplayMatrix(path, number, MATRIX), {
      code: 'output',
      message: /is not the video/,
    });
  }
  await t.rejects(writeDisplayMatrix(file(box('free')), 0, MATRIX), { code: 'output' });
});

t.test('damaged boxes end the walk', async (t) => {
  const movie = box('moov', track('vide', 0, 'encv'));
  t.same(await isoSampleEntries(file(movie)), [{ handler: 'vide', format: 'encv' }]);
  const overlong = Buffer.from(movie);
  overlong.writeUInt32BE(0x7fffffff, 0);
  const tiny = Buffer.from(movie);
  tiny.writeUInt32BE(3, 0);
  for (const bytes of [overlong, tiny, movie.subarray(0, 5), movie.subarray(0, 60), Buffer.alloc(40)]) {
    t.same(await isoSampleEntries(file(bytes)), []);
  }
  const openEnded = Buffer.from(movie);
  openEnded.writeUInt32BE(0, 0);
  t.equal((await isoSampleEntries(file(openEnded))).length, 1, 'size 0 is: to the end');
});

t.test('what a matrix does to the picture', async (t) => {
  const turn = (a: number, b: number, c: number, d: number) =>
    turnOf([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 2 ** 30]);
  t.same(turn(1, 0, 0, 1), { filters: [], sideways: false });
  t.same(turn(0, 1, -1, 0), { filters: ['transpose=clock'], sideways: true });
  t.same(turn(0, -1, 1, 0), { filters: ['transpose=cclock'], sideways: true });
  t.same(turn(-1, 0, 0, -1), { filters: ['hflip', 'vflip'], sideways: false });
  t.same(turn(-1, 0, 0, 1), { filters: ['hflip'], sideways: false });
  t.same(turn(0, 1, 1, 0), { filters: ['transpose=cclock_flip'], sideways: true });
  t.equal(turn(0.7, 0.7, -0.7, 0.7), undefined);
  t.equal(turn(1, 0, 0, 2), undefined, 'stretched');
  t.equal(turn(0, 0, 0, 0), undefined);
});

t.test('translations are in pixels, and grow with the frame', async (t) => {
  t.same(scaleMatrix(MATRIX, 2, 3), [0, ONE, 0, -ONE, 0, 0, 720 * ONE, 21, 2 ** 30]);
});

t.test('a movie of absurdly many boxes is given up, however they are nested', async (t) => {
  const empty = Buffer.concat(Array.from({ length: 60_000 }, () => box('free')));
  const path = file(box('moov', box('trak', empty), box('trak', empty), track('vide', 0, 'encv')));
  const unknown = { handler: '', format: '' };
  t.same(await isoSampleEntries(path), [unknown, unknown], 'what lies behind them is not reached');
});
