/** Where one scene ends and the next begins: a pure function of the pixels of two frames. */
import {
  chromaSize,
  codesPerLevel,
  type FrameLayout,
  type Samples,
  samplesOf,
} from '../formats/frame-format.js';

/** The distance from which two frames are of two scenes, in levels of 8 bits; see `SceneCuts.distance`. */
export const CUT_THRESHOLD = 30;
export const MOST_CUT_THRESHOLD = 3 * 255;

/** The most cells of a small picture, and the most samples of a cell that are looked at, each way. */
const CELLS = { across: 64, down: 36 };
const SAMPLES = 4;

/** Makes small pictures of frames of one layout, and compares them. */
export interface SceneCuts {
  /** Returns the small picture of a frame: the sum of the samples in each cell of Y, then of U and V. */
  small(frame: Uint8Array): Int32Array;
  /**
   * Returns how far apart two frames are: the mean difference of the cells of Y, plus those of U and of V.
   * PySceneDetect's content detector likewise takes mean differences of three channels of small frames. All
   * but the last division is done in whole numbers: every machine gets the same.
   */
  distance(one: Int32Array, other: Int32Array): number;
}

/** The cells of a plane, and where their samples lie in the frame. */
interface Grid {
  /** Column of each sample, those of a cell together. */
  readonly columns: readonly number[];
  /** Offset of each row of samples, those of a cell together. */
  readonly rows: readonly number[];
  /** Cells across, and samples of each, across and down. */
  readonly across: number;
  readonly samples: { readonly across: number; readonly down: number };
  readonly cells: number;
}

/** Plans the small pictures of frames of one layout. */
export function sceneCuts(layout: FrameLayout): SceneCuts {
  const { width, height, sample } = layout;
  const codes = codesPerLevel(sample);
  const chroma = chromaSize(layout);
  const [luma, quarter] = [width * height, chroma.width * chroma.height];
  const grids = [
    gridOf(width, height, 0),
    gridOf(chroma.width, chroma.height, luma),
    gridOf(chroma.width, chroma.height, luma + quarter),
  ];
  const cells = grids.reduce((sum, grid) => sum + grid.cells, 0);
  return {
    small(frame) {
      const all = samplesOf(frame, sample);
      const sums = new Int32Array(cells);
      let first = 0;
      for (const grid of grids) {
        addSamples(all, grid, sums.subarray(first, first + grid.cells));
        first += grid.cells;
      }
      return sums;
    },
    distance(one, other) {
      let total = 0;
      let at = 0;
      for (const { cells, samples } of grids) {
        let sum = 0;
        for (const end = at + cells; at < end; at++) sum += Math.abs((one[at] ?? 0) - (other[at] ?? 0));
        total += sum / (codes * cells * samples.across * samples.down);
      }
      return total;
    },
  };
}

function gridOf(width: number, height: number, offset: number): Grid {
  const [across, down] = [Math.min(CELLS.across, width), Math.min(CELLS.down, height)];
  const samples = { across: samplesPerCell(width, across), down: samplesPerCell(height, down) };
  return {
    columns: places(width, across * samples.across),
    rows: places(height, down * samples.down).map((row) => offset + row * width),
    ...{ across, samples, cells: across * down },
  };
}

function samplesPerCell(size: number, cells: number): number {
  return Math.min(SAMPLES, Math.floor(size / cells));
}

/** Returns `count` places, evenly spread over a side. */
function places(size: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => Math.floor(((2 * at + 1) * size) / (2 * count)));
}

function addSamples(frame: Samples, { columns, rows, across, samples }: Grid, sums: Int32Array): void {
  for (const [at, row] of rows.entries()) {
    const first = Math.floor(at / samples.down) * across;
    for (let cell = 0, place = 0; cell < across; cell++) {
      let sum = 0;
      for (const end = place + samples.across; place < end; place++)
        sum += frame[row + (columns[place] ?? 0)] ?? 0;
      sums[first + cell] = (sums[first + cell] ?? 0) + sum;
    }
  }
}
