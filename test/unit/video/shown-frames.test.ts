/** Frames as players show them: against FFmpeg's conversion to RGB and its rotations. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { turnOf } from '../../../src/video/formats/display-matrix.js';
import { type FrameFormat, frameBytes, I420 } from '../../../src/video/formats/frame-format.js';
import { rgbOfFrame } from '../../../src/video/frames/rgb-frame.js';
import { planesOf, turnFrame } from '../../../src/video/frames/turn-frame.js';
import { randomNumbers } from '../../fixtures/random.js';

/** FFmpeg's result for a raw frame. */
function filtered(frame: Uint8Array, { width, height }: FrameFormat, filter: string, to: string): Buffer {
  const input = [
    '-f',
    'rawvideo',
    '-pixel_format',
    'yuv420p',
    '-video_size',
    `${width}x${height}`,
    '-i',
    '-',
  ];
  const output = ['-vf', filter, '-f', 'rawvideo', '-pix_fmt', to, '-'];
  return execFileSync('ffmpeg', ['-v', 'error', ...input, ...output], { input: frame });
}

/** Y, U and V of some colours: of one colour each, in blocks, chroma is not interpolated in the middle. */
const COLOURS = [
  ...[
    [16, 128, 128],
    [235, 128, 128],
    [81, 90, 240],
    [145, 54, 34],
    [41, 240, 110],
  ],
  ...[
    [0, 0, 0],
    [180, 200, 160],
    [120, 20, 230],
  ],
] as const;
const BLOCK = 16;

t.test('RGB is that of the matrix and range', async (t) => {
  const width = BLOCK * COLOURS.length;
  for (const matrix of ['bt601', 'bt709', 'bt2020'] as const) {
    for (const range of ['limited', 'full'] as const) {
      const format = { width, height: BLOCK, sample: I420, matrix, range };
      const frame = new Uint8Array(frameBytes(format));
      for (const [number, plane] of planesOf(frame, format).entries()) {
        const across = plane.width / COLOURS.length;
        for (const place of plane.samples.keys())
          plane.samples[place] = COLOURS[Math.floor((place % plane.width) / across)]?.[number] ?? 0;
      }
      const scale = `scale=in_color_matrix=${matrix}:in_range=${range}:flags=accurate_rnd+full_chroma_int`;
      const expected = filtered(frame, format, scale, 'rgb24');
      const found = rgbOfFrame(frame, format);
      for (const [number, colour] of COLOURS.entries()) {
        const at = 3 * (width * (BLOCK / 2) + BLOCK * number + BLOCK / 2);
        const [ours, theirs] = [found, expected].map((rgb) => [...rgb.subarray(at, at + 3)]);
        const worst = Math.max(...(ours ?? []).map((value, one) => Math.abs(value - (theirs?.[one] ?? 0))));
        t.ok(worst <= 2, `${matrix}, ${range}, ${colour}: ${ours}, FFmpeg ${theirs}`);
      }
    }
  }
  const odd = { width: 3, height: 3, sample: I420, matrix: 'bt709', range: 'full' } as const;
  const samples = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 128, 128, 128, 128, 128, 128, 128, 128);
  t.same(
    [...rgbOfFrame(samples, odd)],
    [1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((grey) => [grey, grey, grey]),
  );
  t.throws(() => rgbOfFrame(samples.subarray(1), odd), RangeError);
});

t.test('turned frames are those of FFmpeg', async (t) => {
  const next = randomNumbers(5);
  const format = { width: 12, height: 6, sample: I420, matrix: 'bt709', range: 'limited' } as const;
  const frame = Uint8Array.from({ length: frameBytes(format) }, () => Math.floor(256 * next()));
  const one = 65_536;
  const all = [
    ...[
      [1, 0, 0, 1],
      [0, 1, -1, 0],
      [-1, 0, 0, -1],
      [0, -1, 1, 0],
    ],
    ...[
      [-1, 0, 0, 1],
      [1, 0, 0, -1],
      [0, 1, 1, 0],
      [0, -1, -1, 0],
    ],
  ];
  for (const [a = 0, b = 0, c = 0, d = 0] of all) {
    const matrix = [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 2 ** 30];
    const turn = turnOf(matrix);
    const made = turnFrame(frame, format, matrix);
    t.equal(made.format.width, turn?.sideways ? 6 : 12);
    const filter = turn?.filters.join(',') || 'null';
    t.same(Buffer.from(made.frame), filtered(frame, format, filter, 'yuv420p'), filter);
  }
  const slanted = [0.7, 0.7, 0, -0.7, 0.7].map((value) => value * one);
  t.equal(turnFrame(frame, format, slanted).frame, frame, 'what is no turn changes nothing');
  t.equal(turnFrame(frame, format, undefined).frame, frame);
});
