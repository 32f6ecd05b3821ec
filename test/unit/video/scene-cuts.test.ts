/** How far apart two frames are. */
import t from 'tap';
import { frameBytes, I420 } from '../../../src/video/formats/frame-format.js';
import { CUT_THRESHOLD, MOST_CUT_THRESHOLD, sceneCuts } from '../../../src/video/frames/scene-cuts.js';
import { randomNumbers } from '../../fixtures/random.js';

const layout = (width: number, height: number) => ({ width, height, sample: I420 });

function distanceOf(width: number, height: number, one: Uint8Array, other: Uint8Array): number {
  const { small, distance } = sceneCuts(layout(width, height));
  return distance(small(one), small(other));
}

t.test('of single pixels: the differences of Y, U and V', async (t) => {
  t.equal(distanceOf(1, 1, Uint8Array.of(10, 20, 30), Uint8Array.of(13, 15, 37)), 3 + 5 + 7);
  const [one, other] = [Uint8Array.of(0, 0, 0, 0, 128, 128), Uint8Array.of(0, 8, 0, 0, 128, 132)];
  t.equal(distanceOf(2, 2, one, other), 2 + 4, 'means of planes');
});

t.test(
  'of frames of any size: nothing to themselves, the most from black to white, alike both ways',
  async (t) => {
    const random = randomNumbers(2);
    for (const [width, height] of [
      ...[
        [2, 2],
        [3, 5],
        [63, 37],
        [64, 36],
        [65, 35],
        [255, 143],
        [320, 181],
        [1921, 1081],
      ],
    ] as const) {
      const size = frameBytes(layout(width, height));
      const [black, white] = [new Uint8Array(size), new Uint8Array(size).fill(255)];
      const noise = Uint8Array.from({ length: size }, () => Math.floor(256 * random()));
      const what = `${width}x${height}`;
      t.equal(distanceOf(width, height, noise, noise), 0, what);
      t.equal(distanceOf(width, height, black, white), MOST_CUT_THRESHOLD, what);
      const there = distanceOf(width, height, noise, black);
      t.equal(there, distanceOf(width, height, black, noise), what);
      t.ok(there > CUT_THRESHOLD && there < MOST_CUT_THRESHOLD, what);
      const brighter = noise.map((level) => Math.min(255, level + 4));
      t.ok(
        distanceOf(width, height, noise, brighter) <= 12,
        `${what}: light that changes a little is no cut`,
      );
    }
  },
);

t.test('every part of a frame counts', async (t) => {
  const [width, height] = [130, 75];
  const grey = new Uint8Array(frameBytes(layout(width, height))).fill(100);
  for (let top = 0; top < height; top += 25) {
    for (let left = 0; left < width; left += 26) {
      const block = grey.slice();
      for (let row = top; row < top + 25; row++) block.fill(200, row * width + left, row * width + left + 26);
      const apart = distanceOf(width, height, grey, block);
      t.ok(apart > 4 && apart < 9, `a fifteenth of the frame at ${left},${top}: ${apart}`);
    }
  }
});
