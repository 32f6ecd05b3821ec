/** The motion between frames, found inside the graph by matching luma, coarse to fine. */
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Size } from '../load/network.js';
import { extend } from './i420-ends.js';

/** A move in pixels: down and to the right. */
type Move = readonly [down: number, right: number];

/** One choice for each block: int64 [N, 1, rows, columns], an index into `moves`. */
interface Choice {
  readonly index: string;
  readonly moves: readonly Move[];
}

/** For each block of a frame, or for all of it, where it was in the frame before: whole pixels. */
export interface Flow {
  /** True if there are blocks of `BLOCK` pixels; otherwise the frame is one. */
  readonly inBlocks: boolean;
  /** What was found from coarse to fine. The moves add up. */
  readonly found: readonly Choice[];
  /** What stands for it all in blocks whose last choice is this index: the motion of the frame. */
  readonly instead?: { readonly index: number; readonly flow: Flow };
}

/** What a move must be better by: at least, and for each unit of it. In levels. */
interface Gain {
  readonly least: number;
  readonly perUnit: number;
}

/** A resolution of the search: luma is averaged over squares of `unit` pixels. */
interface Level {
  readonly unit: number;
  /** Moves are tried up to so many units in each direction. */
  readonly reach: number;
  /** Every so many samples are compared, in each direction: of blocks, and of the frame. */
  readonly step: { readonly blocks: number; readonly frame: number };
}

const LEVELS: readonly [Level, ...Level[]] = [
  { unit: 8, reach: 4, step: { blocks: 1, frame: 1 } },
  { unit: 4, reach: 1, step: { blocks: 1, frame: 1 } },
  { unit: 2, reach: 1, step: { blocks: 1, frame: 2 } },
  { unit: 1, reach: 1, step: { blocks: 2, frame: 4 } },
];

/** Side of a block in pixels of the source: a multiple of each `unit * step`. */
const BLOCK = 8;

/**
 * Luma is compared less its mean over squares of so many samples of a level: where light changes, nothing
 * moves.
 */
const AROUND = 5;

/** The longest move, in pixels. */
export const MOST_MOVE = LEVELS.reduce((sum, { unit, reach }) => sum + unit * reach, 0);

/**
 * What a move must be better by than what is likely: the frame stays, blocks move as the frame does, and as a
 * coarser level found. The frame has more to tell.
 */
const GAIN: Readonly<Record<'blocks' | 'frame', Gain>> = {
  blocks: { least: 0.5, perUnit: 0.05 },
  frame: { least: 0.1, perUnit: 0.01 },
};

/** Larger differences count as this for the frame: what moves in it must not outweigh it. */
const MOST_APART = 10;

/** The luma of frames, and of those before them, by the unit of a level. */
interface Lumas {
  readonly now: ReadonlyMap<number, string>;
  readonly past: ReadonlyMap<number, string>;
  /** Size of a frame with its padding. */
  readonly size: Size;
  readonly count: number;
}

/**
 * Finds the motion of frames: first that of the whole frame, then that of its blocks. Motion of more than
 * `MOST_MOVE` pixels is not found, nor that of what fills no block.
 *
 * @param frames luma as on the wire, [N, 1, height, width].
 * @param before luma of the frame before each, likewise.
 * @param codes of a sample that make a level of 8 bits.
 */
export function findFlow(
  builder: GraphBuilder,
  frames: string,
  before: string,
  { width, height }: Size,
  count: number,
  codes: number,
): Flow {
  const size = { width: roundUp(width, BLOCK), height: roundUp(height, BLOCK) };
  const levels = (x: string) => {
    const luma = builder.cast(extend(builder, x, { width, height }, size), 'float32');
    return pyramid(builder, builder.scaleAndShift(luma, [], [1 / codes], [0]));
  };
  const lumas = { now: levels(frames), past: levels(before), size, count };
  const frame = searched(builder, lumas, undefined);
  const blocks = searched(builder, lumas, frame);
  return { ...blocks, instead: { index: (blocks.found.at(-1)?.moves.length ?? 0) - 1, flow: frame } };
}

/** Searches at all levels: for the motion of the frame, or, where that is known, of its blocks. */
function searched(builder: GraphBuilder, lumas: Lumas, frame: Flow | undefined): Flow {
  const found: Choice[] = [];
  const inBlocks = frame !== undefined;
  for (const [at, level] of LEVELS.entries()) {
    const likely = at === 0 || at === LEVELS.length - 1 ? frame : undefined;
    found.push(chosen(builder, { inBlocks, found: [...found] }, lumas, level, likely));
  }
  return { inBlocks, found };
}

/**
 * Returns the best moves of a level beside those found before it. `likely` is how the frame moves: it decides
 * what the first choice of blocks tends to, and can be their last one.
 */
function chosen(
  builder: GraphBuilder,
  flow: Flow,
  { now, past, size, count }: Lumas,
  level: Level,
  likely: Flow | undefined,
): Choice {
  const { unit } = level;
  const step = flow.inBlocks ? level.step.blocks : level.step.frame;
  const [present, before] = [now.get(unit) ?? '', past.get(unit) ?? ''];
  const sides = { width: size.width / unit, height: size.height / unit };
  const margin = Math.ceil(MOST_MOVE / unit);
  const stride = sides.width + 2 * margin;
  const padded = builder.pad(before, border(margin), 0);
  const pace = { scale: square(1 / unit), step: square(step) };
  const reading = {
    ...{ stride, plane: stride * (sides.height + 2 * margin), first: margin * (stride + 1) },
    ...{ size: sides, ...pace },
  };
  const dims = [count, 1, Math.ceil(sides.height / step), Math.ceil(sides.width / step)];
  const [plane, moves] = [sides.width * sides.height, movesOf(level)];
  const unmoved = { ...{ stride: sides.width, plane, first: 0, size: sides }, ...pace };
  const own =
    step === 1 ? present : builder.take(present, placesOf(builder, undefined, count, unmoved), dims);
  const isFirst = flow.found.length === 0;
  const offersFrame = likely !== undefined && !isFirst;

  const steps = moves.map(([down, right]) => (down / unit) * stride + right / unit);
  const tried = builder.node('Add', [
    placesOf(builder, flow, count, reading),
    builder.int32s([1, moves.length, 1, 1], steps),
  ]);
  const places = offersFrame ? builder.concat([tried, placesOf(builder, likely, count, reading)], 1) : tried;
  const all: readonly Move[] = offersFrame ? [...moves, [0, 0]] : moves;
  const then = builder.take(padded, places, dims.with(1, all.length));
  const apart = builder.node('Abs', [builder.node('Sub', [then, own])]);
  // The last choice is made for each block alone: what moves must not take along what is beside it.
  const costs = flow.inBlocks
    ? ofBlocks(builder, apart, BLOCK / (unit * step), offersFrame ? 1 : 3)
    : builder.mean(builder.clip(apart, 0, MOST_APART), [2, 3]);
  const gain = flow.inBlocks ? GAIN.blocks : GAIN.frame;
  const needed =
    likely?.found[0] === undefined || !isFirst
      ? builder.floats([1, all.length, 1, 1], gainsOf(all, [0, 0], unit, gain))
      : gainsFrom(builder, likely.found[0], unit, gain, count);
  return { index: builder.argMin(builder.node('Add', [costs, needed]), 1), moves: all };
}

/** The place of planes in memory, and what of them is read. */
export interface Reading {
  /** Samples of a row of a plane, and of a whole plane; 0 if all N read the same plane. */
  readonly stride: number;
  readonly plane: number;
  /** The place in a plane of the sample at row 0 and column 0. */
  readonly first: number;
  readonly size: Size;
  /** Samples for each pixel of the source. */
  readonly scale: Axes;
  /** Every so many samples are read. */
  readonly step: Axes;
}

/** A number across and one down. */
export interface Axes {
  readonly x: number;
  readonly y: number;
}

/** Returns the same number in each direction. */
export function square(side: number): Axes {
  return { x: side, y: side };
}

/**
 * Returns the places, in N planes one after another, of what a flow moved to each sample: int32
 * [N, 1, rows, columns]. Without a flow nothing moved.
 */
export function placesOf(
  builder: GraphBuilder,
  flow: Flow | undefined,
  count: number,
  reading: Reading,
): string {
  const { stride, plane, first, size, scale, step } = reading;
  const range = (side: number, every: number) =>
    Array.from({ length: Math.ceil(side / every) }, (_, at) => every * at);
  const [columns, rows] = [range(size.width, step.x), range(size.height, step.y)];
  const across = builder.int32s([1, 1, 1, columns.length], columns);
  const down = builder.int32s(
    [1, 1, rows.length, 1],
    rows.map((at) => first + at * stride),
  );
  const spread = (x: string, axis: number, places: readonly number[], along: number): string => {
    if (!flow?.inBlocks) return x;
    return builder.gather(
      x,
      axis,
      places.map((at) => Math.floor(at / (BLOCK * along))),
    );
  };
  const offsets = flow && offsetsOf(builder, flow, stride, scale);
  const wide =
    offsets === undefined ? across : builder.node('Add', [spread(offsets, 3, columns, scale.x), across]);
  const high = offsets === undefined ? wide : spread(wide, 2, rows, scale.y);
  const inPlane = builder.node('Add', [high, down]);
  if (count === 1 || plane === 0) return inPlane;
  const planes = Array.from({ length: count }, (_, at) => at * plane);
  return builder.node('Add', [inPlane, builder.int32s([count, 1, 1, 1], planes)]);
}

/**
 * Returns how far the samples of each block are from where they were, in a plane that is stored row by row:
 * int32 [N, 1, rows, columns]; undefined if nothing was found yet. Half a sample is cut off.
 */
function offsetsOf(
  builder: GraphBuilder,
  { found, instead }: Flow,
  stride: number,
  scale: Axes,
): string | undefined {
  const parts = found.map(({ index, moves }) => {
    const offsets = moves.map(
      ([down, right]) => Math.trunc(scale.y * down) * stride + Math.trunc(scale.x * right),
    );
    return builder.gatherAt(builder.int32s([offsets.length], offsets), 0, index);
  });
  if (parts.length === 0) return undefined;
  const own = parts.reduce((sum, one) => builder.node('Add', [sum, one]));
  const last = found.at(-1);
  const other = instead && offsetsOf(builder, instead.flow, stride, scale);
  if (instead === undefined || last === undefined || other === undefined) return own;
  const isOther = last.moves.map((_, at) => Number(at === instead.index));
  const share = builder.gatherAt(builder.int32s([isOther.length], isOther), 0, last.index);
  return builder.node('Add', [own, builder.node('Mul', [builder.node('Sub', [other, own]), share])]);
}

/** Returns the pads of a border of so many samples around planes. */
export function border(width: number): readonly number[] {
  return [0, 0, width, width, 0, 0, width, width];
}

function roundUp(size: number, step: number): number {
  return Math.ceil(size / step) * step;
}

/** Returns the luma at each level, by its unit, less the mean around each sample. */
function pyramid(builder: GraphBuilder, luma: string): ReadonlyMap<number, string> {
  const levels = new Map<number, string>();
  let [value, at] = [luma, 1];
  for (const { unit } of LEVELS.toReversed()) {
    value = unit === at ? value : builder.averagePool(value, unit / at, unit / at, 0);
    at = unit;
    const around = builder.averagePool(value, AROUND, 1, (AROUND - 1) / 2);
    levels.set(unit, builder.node('Sub', [value, around]));
  }
  return levels;
}

function movesOf({ unit, reach }: Level): readonly Move[] {
  const steps = Array.from({ length: 2 * reach + 1 }, (_, at) => unit * (at - reach));
  return steps.flatMap((down) => steps.map((right) => [down, right] as const));
}

/** Returns what each move must be better by than the likely one. */
function gainsOf(
  moves: readonly Move[],
  likely: Move,
  unit: number,
  { least, perUnit }: Gain,
): readonly number[] {
  return moves.map(([down, right]) => {
    const length = (Math.abs(down - likely[0]) + Math.abs(right - likely[1])) / unit;
    return length === 0 ? 0 : least + perUnit * length;
  });
}

/** Returns the same where the likely one was chosen for each frame: [N, moves, 1, 1]. */
function gainsFrom(
  builder: GraphBuilder,
  { index, moves }: Choice,
  unit: number,
  gain: Gain,
  count: number,
): string {
  const all = moves.flatMap((likely) => gainsOf(moves, likely, unit, gain));
  const table = builder.floats([moves.length, moves.length], all);
  return builder.reshape(builder.gatherAt(table, 0, index), [count, moves.length, 1, 1]);
}

/**
 * Returns the mean differences of blocks, with those beside them in squares of `around`: [N, moves, rows,
 * columns].
 */
function ofBlocks(builder: GraphBuilder, apart: string, side: number, around: number): string {
  const blocks = side === 1 ? apart : builder.averagePool(apart, side, side, 0);
  return around === 1 ? blocks : builder.averagePool(blocks, around, 1, (around - 1) / 2);
}
