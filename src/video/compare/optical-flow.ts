/**
 * Dense optical flow by inverse search: Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense
 * Inverse Search" (2016), without its variational refinement. Pure, and the same numbers on every machine.
 *
 * Luma is matched from coarse to fine. At each resolution patches lie on a grid, half over each other. The
 * move of a patch is found by Gauss-Newton steps, from the best of the coarser resolution's and its
 * neighbours' moves. Patches are compared less their means: where light changes, nothing moves. A pixel's
 * move is the mean of its patches' moves, weighted by how well each explains the pixel.
 */
import { type Level, type Luma, levelsOf, MARGIN } from './luma-levels.js';
import type { Extent } from './small-frame.js';

/** Moves of pixels, row by row: a pixel at (x, y) of one frame is at (x + right, y + down) of the other. */
export interface OpticalFlow extends Extent {
  readonly right: Float32Array;
  readonly down: Float32Array;
}

/** Side of a patch, and pixels from one to the next. */
const PATCH = 8;
const STRIDE = 4;
const PIXELS = PATCH * PATCH;
/** The coarsest resolution has at least so many pixels a side. */
const COARSEST = 2 * PATCH;
/** Gauss-Newton steps of a patch at most, in each sweep; and the step that ends them, in pixels. */
const STEPS = 6;
const SMALL_STEP = 0.02;
/** A patch has its move if it differs by no more than this: squared levels, the mean of its pixels. */
const SAME = 0.05;
/** Directions of the sweeps: of coarse resolutions, and of the finest one, which begins near its goal. */
const SWEEPS = { coarse: [1, -1], finest: [1] } as const;
/** A patch has no more than this much further to go than what it began with. */
const MOST_FURTHER = PATCH;
/** Added to the squared gradients of a patch: of a plain one, the move hardly changes. */
const DAMPING = 16;

/** The moves of the patches of a level. */
interface Patches {
  readonly across: readonly number[];
  readonly down: readonly number[];
  readonly moves: Float64Array;
}

/**
 * Returns the flow from one frame to another of the same size. It finds moves of up to about an eighth of the
 * longer side, and nothing that is smaller than a patch at the resolution at which its move is seen.
 */
export function opticalFlow(from: Luma, to: Luma): OpticalFlow {
  const levels = levelsOf(from, COARSEST).map((level, at) => ({ level, at }));
  const targets = levelsOf(to, COARSEST);
  let flow: OpticalFlow | undefined;
  for (const { level, at } of levels.toReversed()) {
    const target = targets[at];
    if (target === undefined) throw new RangeError('the frames have different sizes');
    flow = spread(level, target, matched(level, target, flow, at === 0));
  }
  if (flow === undefined) throw new RangeError('a frame has no pixels');
  return flow;
}

/** Returns the places of patches along a side: every `STRIDE`, and one at the end. */
function placesAlong(side: number): readonly number[] {
  const last = Math.max(0, side - PATCH);
  const places = Array.from({ length: Math.floor(last / STRIDE) + 1 }, (_, at) => at * STRIDE);
  return places.at(-1) === last ? places : [...places, last];
}

/** Finds the move of each patch: `coarser` is the flow at half the resolution, if there is one. */
function matched(from: Level, to: Level, coarser: OpticalFlow | undefined, isFinest: boolean): Patches {
  const [across, down] = [placesAlong(from.width), placesAlong(from.height)];
  const moves = new Float64Array(2 * across.length * down.length);
  const search = patchSearch(from, to);
  for (const sweep of coarser === undefined || !isFinest ? SWEEPS.coarse : SWEEPS.finest) {
    for (let row = 0; row < down.length; row++) {
      for (let column = 0; column < across.length; column++) {
        const y = sweep === 1 ? row : down.length - 1 - row;
        const x = sweep === 1 ? column : across.length - 1 - column;
        const at = 2 * (y * across.length + x);
        search.begin(across[x] ?? 0, down[y] ?? 0);
        if (sweep === 1) {
          const [right, below] =
            coarser === undefined ? [0, 0] : moveIn(coarser, across[x] ?? 0, down[y] ?? 0);
          search.offer(0, 0);
          search.offer(right, below);
        } else search.offer(moves[at] ?? 0, moves[at + 1] ?? 0);
        const beside = x - sweep;
        const above = y - sweep;
        if (beside >= 0 && beside < across.length)
          search.offer(moves[at - 2 * sweep] ?? 0, moves[at - 2 * sweep + 1] ?? 0);
        if (above >= 0 && above < down.length) {
          const near = at - 2 * sweep * across.length;
          search.offer(moves[near] ?? 0, moves[near + 1] ?? 0);
        }
        search.refine();
        moves[at] = search.best.right;
        moves[at + 1] = search.best.down;
      }
    }
  }
  return { across, down, moves };
}

/** Returns the move of a coarser flow in the middle of a patch, in pixels of this resolution. */
function moveIn(flow: OpticalFlow, left: number, top: number): readonly [number, number] {
  const x = Math.min(flow.width - 1, (left + PATCH / 2) >> 1);
  const y = Math.min(flow.height - 1, (top + PATCH / 2) >> 1);
  const at = y * flow.width + x;
  return [2 * (flow.right[at] ?? 0), 2 * (flow.down[at] ?? 0)];
}

/** Searches the place of one patch after another. */
function patchSearch(from: Level, to: Level) {
  const own = new Float64Array(PIXELS);
  const gradients = { across: new Float64Array(PIXELS), down: new Float64Array(PIXELS) };
  const apart = new Float64Array(PIXELS);
  const best = { right: 0, down: 0, cost: Number.POSITIVE_INFINITY };
  let [left, top] = [0, 0];
  let [xx, xy, yy] = [0, 0, 0];

  /** Fills `apart` with what differs at a move, less the mean; returns the sum of its squares. */
  function costAt(right: number, below: number): number {
    const x = clamped(left + right, to.width);
    const y = clamped(top + below, to.height);
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const [fx, fy] = [x - column, y - row];
    const [w00, w01, w10, w11] = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy];
    const { padded, stride } = to;
    let sum = 0;
    let squares = 0;
    for (let i = 0, k = 0; i < PATCH; i++) {
      let at = (row + MARGIN + i) * stride + column + MARGIN;
      for (let j = 0; j < PATCH; j++, k++, at++) {
        const there =
          w00 * (padded[at] ?? 0) +
          w01 * (padded[at + 1] ?? 0) +
          w10 * (padded[at + stride] ?? 0) +
          w11 * (padded[at + stride + 1] ?? 0);
        const difference = there - (own[k] ?? 0);
        apart[k] = difference;
        sum += difference;
        squares += difference * difference;
      }
    }
    const mean = sum / PIXELS;
    for (let k = 0; k < PIXELS; k++) apart[k] = (apart[k] ?? 0) - mean;
    return squares - sum * mean;
  }

  return {
    best,

    /** Begins with the patch whose left upper corner is there. */
    begin(x: number, y: number): void {
      [left, top] = [x, y];
      [xx, xy, yy] = [DAMPING, 0, DAMPING];
      let [sumX, sumY] = [0, 0];
      const { padded, stride } = from;
      for (let i = 0, k = 0; i < PATCH; i++) {
        let at = (y + MARGIN + i) * stride + x + MARGIN;
        for (let j = 0; j < PATCH; j++, k++, at++) {
          own[k] = padded[at] ?? 0;
          const gx = ((padded[at + 1] ?? 0) - (padded[at - 1] ?? 0)) / 2;
          const gy = ((padded[at + stride] ?? 0) - (padded[at - stride] ?? 0)) / 2;
          gradients.across[k] = gx;
          gradients.down[k] = gy;
          sumX += gx;
          sumY += gy;
          xx += gx * gx;
          xy += gx * gy;
          yy += gy * gy;
        }
      }
      xx -= (sumX * sumX) / PIXELS;
      xy -= (sumX * sumY) / PIXELS;
      yy -= (sumY * sumY) / PIXELS;
      best.cost = Number.POSITIVE_INFINITY;
    },

    /** Takes a move if it is better than those before it. */
    offer(right: number, below: number): void {
      if (right === best.right && below === best.down && best.cost < Number.POSITIVE_INFINITY) return;
      const cost = costAt(right, below);
      if (cost < best.cost) Object.assign(best, { right, down: below, cost });
    },

    /** Improves the best move by Gauss-Newton steps, as long as they improve it. */
    refine(): void {
      if (best.cost <= SAME * PIXELS) return;
      const determinant = xx * yy - xy * xy;
      const start = { right: best.right, down: best.down };
      let { right, down } = best;
      costAt(right, down);
      for (let step = 0; step < STEPS; step++) {
        let [bx, by] = [0, 0];
        for (let k = 0; k < PIXELS; k++) {
          bx += (gradients.across[k] ?? 0) * (apart[k] ?? 0);
          by += (gradients.down[k] ?? 0) * (apart[k] ?? 0);
        }
        const dx = (yy * bx - xy * by) / determinant;
        const dy = (xx * by - xy * bx) / determinant;
        right -= dx;
        down -= dy;
        if (Math.abs(right - start.right) > MOST_FURTHER || Math.abs(down - start.down) > MOST_FURTHER)
          return;
        const cost = costAt(right, down);
        if (cost >= best.cost) return;
        Object.assign(best, { right, down, cost });
        if (dx * dx + dy * dy < SMALL_STEP * SMALL_STEP) return;
      }
    },
  };
}

/** Returns a coordinate of a patch at which all of it lies within the margins. */
function clamped(at: number, side: number): number {
  const most = MARGIN - PATCH;
  return Math.min(side + most - 1, Math.max(-most, at));
}

/** Returns the move of each pixel from those of the patches over it. */
function spread(from: Level, to: Level, { across, down, moves }: Patches): OpticalFlow {
  const { width, height } = from;
  const weights = new Float64Array(width * height);
  const [rights, downs] = [new Float64Array(width * height), new Float64Array(width * height)];
  for (const [row, top] of down.entries()) {
    for (const [column, left] of across.entries()) {
      const at = 2 * (row * across.length + column);
      const [right, below] = [moves[at] ?? 0, moves[at + 1] ?? 0];
      const [x0, y0] = [clamped(left + right, width), clamped(top + below, height)];
      const [cx, cy] = [Math.floor(x0), Math.floor(y0)];
      const [fx, fy] = [x0 - cx, y0 - cy];
      for (let i = 0; i < Math.min(PATCH, height - top); i++) {
        for (let j = 0; j < Math.min(PATCH, width - left); j++) {
          const there = (cy + MARGIN + i) * to.stride + cx + MARGIN + j;
          const { padded, stride } = to;
          const value =
            (1 - fy) * ((1 - fx) * (padded[there] ?? 0) + fx * (padded[there + 1] ?? 0)) +
            fy * ((1 - fx) * (padded[there + stride] ?? 0) + fx * (padded[there + stride + 1] ?? 0));
          const here = from.padded[(top + MARGIN + i) * from.stride + left + MARGIN + j] ?? 0;
          const weight = 1 / Math.max(1, Math.abs(value - here));
          const pixel = (top + i) * width + left + j;
          weights[pixel] = (weights[pixel] ?? 0) + weight;
          rights[pixel] = (rights[pixel] ?? 0) + weight * right;
          downs[pixel] = (downs[pixel] ?? 0) + weight * below;
        }
      }
    }
  }
  const moved = (sums: Float64Array): Float32Array =>
    Float32Array.from(sums, (sum, pixel) => sum / (weights[pixel] ?? 1));
  return { width, height, right: moved(rights), down: moved(downs) };
}
