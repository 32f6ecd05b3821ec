/** Optical flow and the warping error, on frames whose motion and flicker are known. */
import t from 'tap';
import { opticalFlow } from '../../../src/video/compare/optical-flow.js';
import { type SmallFrame, smallFrames, smallSize } from '../../../src/video/compare/small-frame.js';
import { trackOf, warpingError } from '../../../src/video/compare/warping.js';
import { type FrameFormat, frameBytes, I420 } from '../../../src/video/formats/frame-format.js';
import { randomNumbers } from '../../fixtures/random.js';

const SIZE = { width: 160, height: 96 };
/** Corners of the cells of several octaves of noise. */
const OCTAVES = [4, 8, 16, 32].map((cell, at) => {
  const dice = randomNumbers(at + 1);
  return { cell, corners: Float64Array.from({ length: 128 * 128 }, dice) };
});

/** The level of an endless surface at a place, from 0 to 255. */
function surface(x: number, y: number): number {
  let [sum, all] = [0, 0];
  for (const { cell, corners } of OCTAVES) {
    const [across, down] = [(x + 1000) / cell, (y + 1000) / cell];
    const [column, row] = [Math.floor(across), Math.floor(down)];
    const ease = (part: number): number => part * part * (3 - 2 * part);
    const [fx, fy] = [ease(across - column), ease(down - row)];
    const corner = (dx: number, dy: number): number =>
      corners[((row + dy) % 128) * 128 + ((column + dx) % 128)] ?? 0;
    const top = corner(0, 0) * (1 - fx) + corner(1, 0) * fx;
    const bottom = corner(0, 1) * (1 - fx) + corner(1, 1) * fx;
    sum += cell * (top * (1 - fy) + bottom * fy);
    all += cell;
  }
  return (255 * sum) / all;
}

/** A frame with the level that a function gives for each pixel: grey. */
function frameOf(level: (x: number, y: number) => number, { width, height } = SIZE): SmallFrame {
  const luma = Float32Array.from({ length: width * height }, (_, at) =>
    level(at % width, Math.floor(at / width)),
  );
  const rgb = Float32Array.from(
    { length: 3 * width * height },
    (_, at) => (luma[Math.floor(at / 3)] ?? 0) / 255,
  );
  return { width, height, luma, rgb };
}

/** A window over the surface, moved by so much. */
const moved = (right: number, down: number): SmallFrame =>
  frameOf((x, y) => Math.round(surface(x + right, y + down)));

t.test('the flow of a pan is found, to a tenth of a pixel', async (t) => {
  const before = moved(0, 0);
  for (const [right, down] of [
    [0, 0],
    [1, 0],
    [2.5, 1.5],
    [-7.25, 4.5],
    [18, -9],
  ] as const) {
    const now = moved(right, down);
    const { right: across, down: below } = opticalFlow(now, before);
    const apart: number[] = [];
    for (let y = 20; y < SIZE.height - 20; y++)
      for (let x = 30; x < SIZE.width - 30; x++) {
        const at = y * SIZE.width + x;
        apart.push(Math.hypot((across[at] ?? 0) - right, (below[at] ?? 0) - down));
      }
    const mean = apart.reduce((sum, one) => sum + one, 0) / apart.length;
    t.ok(mean < 0.1, `${right}, ${down}: ${mean.toFixed(3)} pixels apart`);

    const track = trackOf(before, now);
    // What has just come into view cannot be followed, nor what lies close to it.
    const inBoth = (1 - Math.abs(right) / SIZE.width) * (1 - Math.abs(down) / SIZE.height);
    const seen = track.count / (SIZE.width * SIZE.height);
    t.ok(seen <= inBoth + 1e-9 && seen > inBoth - 0.15, `${seen.toFixed(2)} of ${inBoth.toFixed(2)} is seen`);
    const error = warpingError(before, now, track);
    t.ok(error < 2e-5, `${error} for a frame that only moved`);
    const still = {
      ...track,
      flow: { ...track.flow, right: track.flow.right.map(() => 0), down: track.flow.down.map(() => 0) },
    };
    if (Math.hypot(right, down) > 2)
      t.ok(warpingError(before, now, still) > 50 * error, 'without the flow it would count as flicker');
  }
});

t.test('the error of independent noise is twice its variance, also in a pan', async (t) => {
  for (const [right, down] of [
    [0, 0],
    [3, 0],
  ] as const) {
    const [before, now] = [moved(0, 0), moved(right, down)];
    const track = trackOf(before, now);
    const dice = randomNumbers(9);
    const noise = 0.2;
    const noisy = (frame: SmallFrame): SmallFrame => ({
      ...frame,
      rgb: frame.rgb.map((level) => level + noise * (dice() - 0.5)),
    });
    const expected = (2 * noise ** 2) / 12;
    const error = warpingError(noisy(before), noisy(now), track);
    t.ok(Math.abs(error / expected - 1) < 0.05, `${error} and ${expected}`);
  }
});

t.test('what is hidden or uncovered, and boundaries of motion, are not seen', async (t) => {
  // A square of the surface moves over another part of it.
  const scene = (left: number): SmallFrame =>
    frameOf((x, y) =>
      x >= left && x < left + 48 && y >= 24 && y < 72
        ? Math.round(surface(x - left + 500, y + 300))
        : Math.round(surface(x, y)),
    );
  const [before, now] = [scene(40), scene(48)];
  const { seen, flow } = trackOf(before, now);
  const at = (x: number, y: number): number => y * SIZE.width + x;
  const share = (x0: number, x1: number, y0: number, y1: number): number => {
    let count = 0;
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) count += seen[at(x, y)] ?? 0;
    return count / ((x1 - x0) * (y1 - y0));
  };
  t.ok(share(40, 48, 30, 66) < 0.05, 'what the square uncovers');
  t.ok(share(60, 84, 36, 60) > 0.95, 'the middle of the square');
  t.ok(share(110, 150, 10, 86) > 0.95, 'the ground away from it');
  t.ok(Math.abs((flow.right[at(72, 48)] ?? 0) + 8) < 0.1, 'the square came from the left');
});

t.test('a plain frame that gets lighter has no motion, and all of it counts', async (t) => {
  const track = trackOf(
    frameOf(() => 100),
    frameOf(() => 110),
  );
  t.ok(track.flow.right.every((move) => move === 0) && track.flow.down.every((move) => move === 0));
  t.equal(track.count, SIZE.width * SIZE.height);
  const error = warpingError(
    frameOf(() => 100),
    frameOf(() => 110),
    track,
  );
  t.ok(Math.abs(error - (10 / 255) ** 2) < 1e-7);
});

t.test('frames of a few pixels work', async (t) => {
  for (const size of [
    { width: 1, height: 1 },
    { width: 3, height: 20 },
    { width: 17, height: 2 },
  ]) {
    const frame = frameOf((x, y) => 10 * x + y, size);
    const track = trackOf(frame, frame);
    t.equal(track.count, size.width * size.height);
    t.equal(warpingError(frame, frame, track), 0);
  }
});

t.test('small frames are means of areas, at most 320 pixels a side', async (t) => {
  t.same(smallSize({ width: 1920, height: 1080 }), { width: 320, height: 180 });
  t.same(smallSize({ width: 480, height: 854 }), { width: 180, height: 320 });
  t.same(smallSize({ width: 64, height: 48 }), { width: 64, height: 48 });
  const format: FrameFormat = { width: 9, height: 5, sample: I420, matrix: 'bt709', range: 'full' };
  const frame = Uint8Array.from({ length: frameBytes(format) }, (_, at) => (at < 45 ? 3 * at : 128));
  const { luma, rgb } = smallFrames(format, { width: 3, height: 2 })(frame);
  const mean = (weights: readonly number[], rows: readonly number[], first: number): number => {
    let [sum, all] = [0, 0];
    for (const [row, weight] of rows.entries())
      for (const column of [0, 1, 2]) {
        sum +=
          weight *
          (weights[column] ?? 1) *
          (frame[(row + Math.floor(first / 9)) * 9 + (first % 9) + column] ?? 0);
        all += weight * (weights[column] ?? 1);
      }
    return sum / all;
  };
  // Rows 0, 1 and half of row 2; then the other half, and rows 3 and 4.
  const expected = [0, 3, 6, 18, 21, 24].map((first, at) =>
    mean([1, 1, 1], at < 3 ? [1, 1, 0.5] : [0.5, 1, 1], first),
  );
  t.same(
    [...luma].map((level) => level.toFixed(3)),
    expected.map((level) => level.toFixed(3)),
  );
  t.same(
    [...rgb].map((level) => Math.round(255 * level)),
    expected.flatMap((level) => Array(3).fill(Math.round(level))),
  );
});
