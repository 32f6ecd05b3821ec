import t from 'tap';
import { canBeCut, isShown, keyframeOf } from '../../../src/video/source/random-access.js';

const START = [0, 0, 0, 1];
const AVCC = Uint8Array.of(1, 0x64, 0, 0x1e, 0xff, 0xe1);
const NONE = new Uint8Array(0);
/** A NAL unit after its length, four bytes long. */
const unit = (...bytes: number[]) => [0, 0, 0, bytes.length, ...bytes];
const h264 = (packet: number[], extradata: Uint8Array = AVCC) =>
  keyframeOf('h264', extradata, Uint8Array.from(packet));

t.test('H.264: an IDR slice is independent, whichever way it is packed', async (t) => {
  t.strictSame(h264(unit(0x65, 1, 2)), { access: 'independent', headers: false });
  t.strictSame(h264([...START, 0x67, 9, ...START, 0x68, 9, ...START, 0x65, 1], NONE), {
    access: 'independent',
    headers: true,
  });
  t.strictSame(h264(unit(0x41, 1, 2)), { access: 'none', headers: false });
});

t.test('H.264: a recovery point counts only where it is immediate and exact', async (t) => {
  const point = (...payload: number[]) => [
    ...unit(0x06, 6, payload.length, ...payload, 0x80),
    ...unit(0x41, 1, 2),
  ];
  t.equal(h264(point(0b1100_0100)).access, 'recovery');
  t.equal(h264(point(0b1000_0100)).access, 'none', 'not exact');
  t.equal(h264(point(0b1110_0100)).access, 'none', 'a broken link');
  t.equal(h264(point(0b0101_1000)).access, 'none', 'in some frames only');
  const second = unit(0x06, 5, 3, 1, 2, 3, 6, 1, 0b1100_0100, 0x80);
  t.equal(h264([...second, ...unit(0x41, 1)]).access, 'recovery', 'after another message');
  const long = unit(0x06, 5, 0xff, 1, ...Array<number>(256).fill(7), 6, 1, 0b1100_0100, 0x80);
  long.splice(0, 4, 0, 0, 1, 7);
  t.equal(h264([...long, ...unit(0x41, 1)]).access, 'recovery', 'after a long one');
});

t.test('HEVC: IDR, CRA, and what is neither', async (t) => {
  const hvcc = new Uint8Array(23).fill(0);
  hvcc[0] = 1;
  hvcc[21] = 3;
  const slice = (type: number) => keyframeOf('hevc', hvcc, Uint8Array.from(unit(type << 1, 1, 5))).access;
  t.strictSame([19, 20, 21, 16, 1].map(slice), ['independent', 'independent', 'recovery', 'none', 'none']);
});

t.test('the others by their first bytes', async (t) => {
  const access = (codec: string, ...bytes: number[]) => keyframeOf(codec, NONE, Uint8Array.from(bytes));
  t.strictSame(access('mpeg2video', 0, 0, 1, 0xb3, 1, 0, 0, 1, 0, 9), { access: 'recovery', headers: true });
  t.strictSame(access('mpeg2video', 0, 0, 1, 0, 9), { access: 'recovery', headers: false });
  t.equal(access('vp8', 0x10).access, 'independent');
  t.equal(access('vp8', 0x11).access, 'none');
  t.equal(access('vp9', 0b1000_0010).access, 'independent');
  t.equal(access('vp9', 0b1000_0110).access, 'none', 'an inter frame');
  t.equal(access('vp9', 0b1000_1000).access, 'none', 'shows an earlier one');
  t.equal(access('vp9', 0b1011_0000).access, 'independent', 'profile 3');
  // A temporal delimiter, a sequence header of one byte, a frame.
  const av1 = (frame: number) => access('av1', 0x12, 0, 0x0a, 1, 0xaa, 0x32, 2, frame, 0);
  t.strictSame(av1(0b0001_0000), { access: 'independent', headers: true });
  t.equal(av1(0b0000_0000).access, 'none', 'not shown at once');
  t.equal(av1(0b0011_0000).access, 'none', 'an inter frame');
  t.equal(access('prores', 1, 2, 3).access, 'independent');
  t.equal(access('gif', 1, 2, 3).access, 'none');
  t.strictSame([canBeCut('h264'), canBeCut('prores'), canBeCut('gif')], [true, true, false]);
});

t.test('packets of VP8 and VP9 that give no frame', async (t) => {
  const shown = (codec: string, ...bytes: number[]) => isShown(codec, Uint8Array.from(bytes));
  t.strictSame([shown('vp8', 0x11), shown('vp8', 0x01), shown('vp8', 0x10)], [true, false, true]);
  t.equal(shown('vp9', 0b1000_0110), true);
  t.equal(shown('vp9', 0b1000_0100), false);
  t.equal(shown('vp9', 0b1000_1000), true, 'shows an earlier one');
  t.strictSame([shown('vp9', 0b1011_0011), shown('vp9', 0b1011_0010)], [true, false], 'profile 3');
  // Two frames of two and one bytes, and the index: sizes of one byte each.
  const superframe = (second: number) => shown('vp9', 0b1000_0100, 0, second, 0b1100_0001, 2, 1, 0b1100_0001);
  t.strictSame([superframe(0b1000_0110), superframe(0b1000_0100)], [true, false]);
  t.equal(shown('h264', 0), true);
});
