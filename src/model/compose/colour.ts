import {
  type ColourMatrix,
  codesPerLevel,
  type FrameFormat,
  largestCode,
  neutralChroma,
} from '../../video/formats/frame-format.js';
import type { Affine } from '../passes/affine-conv-fusion.js';

/** The meaning of coded samples. */
export type ColourCoding = Pick<FrameFormat, 'matrix' | 'range' | 'sample'>;

/**
 * Weights of R' and B' in Y': ITU-R BT.601-7 2.5.1, BT.709-6 item 3.2, BT.2020-2 table 4 (non-constant
 * luminance).
 */
const LUMA_WEIGHTS: Readonly<Record<ColourMatrix, { readonly red: number; readonly blue: number }>> = {
  bt601: { red: 0.299, blue: 0.114 },
  bt709: { red: 0.2126, blue: 0.0722 },
  bt2020: { red: 0.2627, blue: 0.0593 },
};

interface Levels {
  readonly black: number;
  /** From black to white. */
  readonly luma: number;
  readonly chroma: number;
  readonly neutral: number;
}

/**
 * Returns the levels of a coding: BT.709-6 item 3.4 (limited, in whole steps of 8-bit codes); ITU-T T.871
 * (JFIF) for full range.
 */
function levelsOf({ range, sample }: Pick<ColourCoding, 'range' | 'sample'>): Levels {
  const neutral = neutralChroma(sample);
  const largest = largestCode(sample);
  if (range === 'full') return { black: 0, luma: largest, chroma: largest, neutral };
  const step = codesPerLevel(sample);
  return { black: 16 * step, luma: 219 * step, chroma: 224 * step, neutral };
}

/** Returns the map coded (Y, U, V) -> (R, G, B), 0..1. */
export function rgbFromCoded(coding: ColourCoding): Affine {
  const { red, blue } = LUMA_WEIGHTS[coding.matrix];
  const green = 1 - red - blue;
  const { black, luma, chroma, neutral } = levelsOf(coding);
  const fromU = (2 * (1 - blue)) / chroma;
  const fromV = (2 * (1 - red)) / chroma;
  return shifted(
    [
      [1 / luma, 0, fromV],
      [1 / luma, (-blue / green) * fromU, (-red / green) * fromV],
      [1 / luma, fromU, 0],
    ],
    [black, neutral, neutral],
  );
}

/** Returns the map (R, G, B), 0..1 -> coded (Y, U, V), not rounded. */
export function codedFromRgb(coding: ColourCoding): Affine {
  const { red, blue } = LUMA_WEIGHTS[coding.matrix];
  const green = 1 - red - blue;
  const { black, luma, chroma, neutral } = levelsOf(coding);
  const toU = chroma / (2 * (1 - blue));
  const toV = chroma / (2 * (1 - red));
  return {
    rows: [
      [red * luma, green * luma, blue * luma],
      [-red * toU, -green * toU, (1 - blue) * toU],
      [(1 - red) * toV, -green * toV, -blue * toV],
    ],
    offset: [black, neutral, neutral],
  };
}

/** Returns the map coded Y -> grey, 0..1. */
export function greyFromLuma(coding: ColourCoding): { readonly factor: number; readonly offset: number } {
  const { black, luma } = levelsOf(coding);
  return { factor: 1 / luma, offset: -black / luma };
}

/** Returns the map grey, 0..1 -> coded Y, not rounded. */
export function lumaFromGrey(coding: ColourCoding): { readonly factor: number; readonly offset: number } {
  const { black, luma } = levelsOf(coding);
  return { factor: luma, offset: black };
}

/**
 * Returns the map of the six samples of a 2x2 block (four luma, U, V; coded) from one coding to
 * another. It is exact if a chroma sample is that of all four pixels of its block: then greys have no chroma,
 * so chroma does not depend on luma.
 */
export function recodeBlock(from: ColourCoding, to: ColourCoding): Affine {
  const pixel = after(codedFromRgb(to), rgbFromCoded(from));
  const cell = (row: number, column: number) => pixel.rows[row]?.[column] ?? 0;
  const luma = [0, 1, 2, 3].map((at) => [0, 1, 2, 3].map((other) => (other === at ? cell(0, 0) : 0)));
  return {
    rows: [
      ...luma.map((row) => [...row, cell(0, 1), cell(0, 2)]),
      [0, 0, 0, 0, cell(1, 1), cell(1, 2)],
      [0, 0, 0, 0, cell(2, 1), cell(2, 2)],
    ],
    offset: [0, 0, 0, 0, 1, 2].map((row) => pixel.offset[row] ?? 0),
  };
}

/** Returns the map x -> second(first(x)). */
export function after(second: Affine, first: Affine): Affine {
  const columns = first.rows[0]?.length ?? 0;
  return {
    rows: second.rows.map((row) =>
      Array.from({ length: columns }, (_, column) =>
        row.reduce((sum, factor, at) => sum + factor * (first.rows[at]?.[column] ?? 0), 0),
      ),
    ),
    offset: second.rows.map((row, at) =>
      row.reduce((sum, factor, inner) => sum + factor * (first.offset[inner] ?? 0), second.offset[at] ?? 0),
    ),
  };
}

/** Returns the map x -> factor * x + offset, for each of `size` numbers. */
export function uniform(size: number, factor: number, offset: number): Affine {
  return {
    rows: Array.from({ length: size }, (_, row) =>
      Array.from({ length: size }, (_, at) => (at === row ? factor : 0)),
    ),
    offset: Array.from({ length: size }, () => offset),
  };
}

/** Returns the map x -> rows (x - zero). */
function shifted(rows: readonly (readonly number[])[], zero: readonly number[]): Affine {
  return {
    rows,
    offset: rows.map((row) => -row.reduce((sum, factor, at) => sum + factor * (zero[at] ?? 0), 0)),
  };
}
