/**
 * The warping error of Lai et al., "Learning Blind Video Temporal Consistency" (2018, section 4): how much a
 * video flickers. Pure.
 *
 * Each frame is compared with the one before, warped by the optical flow of the source: the mean squared
 * difference of R'G'B' from 0 to 1 over the pixels that both frames show. Pixels are left out as in Ruder et
 * al., "Artistic Style Transfer for Videos" (2016): where forward and backward flow disagree, at boundaries
 * of motion, and where the flow leaves the frame. The flow counts only where it explains the frames better
 * than standing still does. models/train/warping.py measures alike, with OpenCV's flow.
 */
import type { Luma } from './luma-levels.js';
import { type OpticalFlow, opticalFlow } from './optical-flow.js';
import type { Extent, SmallFrame } from './small-frame.js';

/** The way from each pixel of a frame to the one before it. */
export interface Track {
  /** A pixel at (x, y) was at (x, y) + flow in the frame before. */
  readonly flow: OpticalFlow;
  /** 1 where both frames show it, else 0. */
  readonly seen: Uint8Array;
  /** The number of pixels that both frames show. */
  readonly count: number;
}

/**
 * A flow must lower the mean squared difference of luma, in levels of 255 over a square of so many pixels a
 * side, by this much.
 */
const AROUND = 15;
const BETTER = 1;

/** Returns the track of a frame of the source after the frame before it. */
export function trackOf(before: Luma, now: Luma): Track {
  const forward = trusted(before, now);
  const backward = trusted(now, before);
  const seen = consistent(forward, backward);
  return { flow: backward, seen, count: seen.reduce((sum, one) => sum + one, 0) };
}

/** Returns the warping error of two frames that follow each other, by the track of the source. */
export function warpingError(before: SmallFrame, now: SmallFrame, { flow, seen, count }: Track): number {
  const { width, height } = flow;
  const sample = [0, 1, 2].map((channel) => bilinear(before.rgb, { width, height }, 3, channel));
  let sum = 0;
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      if (seen[pixel] === 0) continue;
      const [left, top] = [x + (flow.right[pixel] ?? 0), y + (flow.down[pixel] ?? 0)];
      for (let channel = 0; channel < 3; channel++) {
        const apart = (now.rgb[3 * pixel + channel] ?? 0) - (sample[channel]?.(left, top) ?? 0);
        sum += apart * apart;
      }
    }
  }
  return sum / (3 * count);
}

/** Returns the flow, and none where it explains the frames no better than standing still. */
function trusted(from: Luma, to: Luma): OpticalFlow {
  const flow = opticalFlow(from, to);
  const { width, height } = flow;
  const sample = bilinear(to.luma, flow, 1, 0);
  const still = new Float64Array(width * height);
  const moved = new Float64Array(width * height);
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const here = from.luma[pixel] ?? 0;
      still[pixel] = (here - (to.luma[pixel] ?? 0)) ** 2;
      moved[pixel] = (here - sample(x + (flow.right[pixel] ?? 0), y + (flow.down[pixel] ?? 0))) ** 2;
    }
  }
  const [standing, moving] = [meanAround(still, flow), meanAround(moved, flow)];
  const kept = (moves: Float32Array): Float32Array =>
    moves.map((move, pixel) => ((standing[pixel] ?? 0) > (moving[pixel] ?? 0) + BETTER ? move : 0));
  return { width, height, right: kept(flow.right), down: kept(flow.down) };
}

/**
 * Returns 1 for each pixel of a frame that the frame before shows, too, and that is not at a boundary of
 * motion (Ruder et al. 2016, equations 5 and 6).
 */
function consistent(forward: OpticalFlow, backward: OpticalFlow): Uint8Array {
  const { width, height } = backward;
  const seen = new Uint8Array(width * height);
  const [there, below] = [bilinear(forward.right, forward, 1, 0), bilinear(forward.down, forward, 1, 0)];
  const gradients = [slopes(backward.right, backward), slopes(backward.down, backward)];
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const [right, down] = [backward.right[pixel] ?? 0, backward.down[pixel] ?? 0];
      const [left, top] = [x + right, y + down];
      if (left < 0 || left > width - 1 || top < 0 || top > height - 1) continue;
      const [cameRight, cameDown] = [there(left, top), below(left, top)];
      const back = right * right + down * down;
      const came = cameRight * cameRight + cameDown * cameDown;
      const apart = (cameRight + right) ** 2 + (cameDown + down) ** 2;
      const slope = (gradients[0]?.[pixel] ?? 0) + (gradients[1]?.[pixel] ?? 0);
      if (apart <= 0.01 * (came + back) + 0.5 && slope <= 0.01 * back + 0.002) seen[pixel] = 1;
    }
  }
  return seen;
}

/** Returns the squared length of the gradient at each pixel: central differences, one-sided at the edges. */
function slopes(values: Float32Array, { width, height }: Extent): Float64Array {
  const made = new Float64Array(width * height);
  const slope = (at: number, low: number, high: number, unit: number): number =>
    low + high === 0 ? 0 : (((values[at + high] ?? 0) - (values[at - low] ?? 0)) * unit) / (low + high);
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const across = slope(pixel, x > 0 ? 1 : 0, x < width - 1 ? 1 : 0, 1);
      const down = slope(pixel, y > 0 ? width : 0, y < height - 1 ? width : 0, width);
      made[pixel] = across * across + down * down;
    }
  }
  return made;
}

/** Returns the mean over the square around each pixel, of what lies in the frame. */
function meanAround(values: Float64Array, { width, height }: Extent): Float64Array {
  const rows = meanAlong(values, { length: width, step: 1 }, { length: height, step: width });
  return meanAlong(rows, { length: height, step: width }, { length: width, step: 1 });
}

/** A direction in a plane: so many pixels, each so many values after the one before. */
interface Direction {
  readonly length: number;
  readonly step: number;
}

/** Returns the mean of the pixels around each along one direction: a sum that moves on with its window. */
function meanAlong(values: Float64Array, along: Direction, across: Direction): Float64Array {
  const reach = (AROUND - 1) / 2;
  const made = new Float64Array(values.length);
  for (let line = 0; line < across.length; line++) {
    const first = line * across.step;
    let [sum, count] = [0, 0];
    for (let at = -reach; at < along.length; at++) {
      const [next, past] = [at + reach, at - reach - 1];
      if (next < along.length) {
        sum += values[first + next * along.step] ?? 0;
        count += 1;
      }
      if (past >= 0) {
        sum -= values[first + past * along.step] ?? 0;
        count -= 1;
      }
      if (at >= 0) made[first + at * along.step] = sum / count;
    }
  }
  return made;
}

/** Returns what samples one of several interleaved channels between its pixels; the edge goes on outside. */
function bilinear(
  values: Float32Array,
  { width, height }: Extent,
  channels: number,
  channel: number,
): (x: number, y: number) => number {
  return (x, y) => {
    const [left, top] = [Math.min(width - 1, Math.max(0, x)), Math.min(height - 1, Math.max(0, y))];
    const [column, row] = [Math.floor(left), Math.floor(top)];
    const [fx, fy] = [left - column, top - row];
    const at = (row * width + column) * channels + channel;
    const next = column < width - 1 ? channels : 0;
    const below = row < height - 1 ? width * channels : 0;
    return (
      (1 - fy) * ((1 - fx) * (values[at] ?? 0) + fx * (values[at + next] ?? 0)) +
      fy * ((1 - fx) * (values[at + below] ?? 0) + fx * (values[at + below + next] ?? 0))
    );
  };
}
