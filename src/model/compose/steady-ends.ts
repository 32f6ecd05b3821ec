/** Holds what a model drew for the frame before where the source did not change, so that it flickers less. */
import {
  chromaSize,
  codesPerLevel,
  type FrameFormat,
  largestCode,
} from '../../video/formats/frame-format.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Size } from '../load/network.js';
import { type Planes, sampleTensor } from './i420-ends.js';
import { RESET_INPUT, type StateTensor } from './state-ends.js';
import { type Axes, border, findFlow, MOST_MOVE, placesOf, type Reading, square } from './steady-flow.js';

/** What the stage needs to know of a run. */
export interface SteadyPlan {
  /** How much is held where the source did not change: above 0, at most 1. */
  readonly steady: number;
  readonly source: Pick<FrameFormat, 'width' | 'height' | 'sample'>;
  /** Output size over source size. */
  readonly scale: number;
  readonly batch: number;
  /** The number of the stage's first state. */
  readonly firstState: number;
  /** True if the network may have given NaN, which must not go from frame to frame. */
  readonly mayBeNaN: boolean;
}

/** The planes as they are given out, and what goes to the next frame. */
export interface SteadyEnds {
  readonly planes: Planes;
  readonly states: readonly StateTensor[];
}

/**
 * Mean differences of luma up to which all is held, and from which nothing is: noise, and another thing. In
 * levels of 8 bits, as is all luma of the source here.
 */
const SAME = 2;
const OTHER = 8;
/** Differences are averaged over squares of so many pixels, and the largest of so many counts. */
const BLUR = 3;
const SPREAD = 3;
/** Luma beyond the borders of a frame: like none inside, and exact in float16. */
const OUTSIDE = 512;
/** Steps of a level that a state is kept in, where NaN must be found. */
const STEPS = 64;

/**
 * Mixes the planes of each frame with those given out for the frame before, moved as the source has moved: up
 * to `steady` where the source is the same as what is held, nothing where it is not. What is held of the
 * source is mixed alike, so it tells what of the planes is out of date.
 *
 * @param frames luma of the source as on the wire, [batch, 1, height, width].
 * @param planes of the output, float, in codes of the wire.
 */
export function steadied(
  builder: GraphBuilder,
  frames: string,
  planes: Planes,
  plan: SteadyPlan,
): SteadyEnds {
  const { steady, source, scale, batch, firstState } = plan;
  const size = { width: source.width, height: source.height };
  const to = { width: scale * size.width, height: scale * size.height };
  const chroma = chromaSize({ ...source, ...to });
  const { chromaShift } = source.sample;
  const units = {
    luma: square(scale),
    chroma: { x: scale / 2 ** chromaShift.x, y: scale / 2 ** chromaShift.y },
  };
  const name = (at: number): string => `state_${firstState + at}`;
  const states = [
    { input: name(0), type: sampleTensor(source), dims: [1, 1, size.height, size.width] },
    { input: name(1), type: 'float32', dims: [1, 1, size.height, size.width] },
    { input: name(2), type: 'float32', dims: [1, 1, to.height, to.width] },
    { input: name(3), type: 'float32', dims: [1, 2, chroma.height, chroma.width] },
  ] as const;

  const one = (x: string, at: number): string => (batch === 1 ? x : builder.slice(x, 0, at, at + 1));
  const joined = (parts: readonly string[]): string =>
    batch === 1 ? (parts[0] ?? '') : builder.concat(parts, 0);
  const before = batch === 1 ? name(0) : builder.concat([name(0), builder.slice(frames, 0, 0, batch - 1)], 0);
  const codes = codesPerLevel(source.sample);
  const flow = findFlow(builder, frames, before, size, batch, codes);
  const past = {
    source: placesOf(builder, flow, batch, inBorder(size)),
    luma: placesOf(builder, flow, batch, inGuards(to, units.luma)),
    chroma: placesOf(builder, flow, batch, inGuards(chroma, units.chroma)),
  };
  const given = { luma: sound(builder, planes.luma, plan), chroma: sound(builder, planes.chroma, plan) };
  const now = builder.scaleAndShift(builder.cast(frames, 'float32'), [], [1 / codes], [0]);
  const anew = builder.reshape(builder.cast(RESET_INPUT, 'float32'), [batch, 1, 1, 1]);
  const keeps = builder.scaleAndShift(anew, [], [-1], [1]);

  // Only the mixing goes frame by frame: motion is found for all of a batch at once.
  const [seen = '', luma = '', colours = ''] = states
    .slice(1)
    .map(({ input }) => builder.cast(input, 'float32'));
  let held = { source: seen, luma, chroma: colours };
  const made: Planes[] = [];
  for (let at = 0; at < batch; at++) {
    const present = one(now, at);
    const moved = fromBorder(builder, held.source, one(past.source, at), size);
    const alike = weightOf(builder, builder.node('Abs', [builder.node('Sub', [moved, present])]), steady);
    const weight = builder.node('Mul', [alike, one(keeps, at)]);
    const plane = (kind: 'luma' | 'chroma', count: number, side: Size): string =>
      mixed(
        builder,
        one(given[kind], at),
        fromGuards(builder, held[kind], one(past[kind], at), count, side, units[kind]),
        pick(builder, weight, size, side, units[kind]),
      );
    held = {
      source: mixed(builder, present, moved, weight),
      luma: plane('luma', 1, to),
      chroma: plane('chroma', 2, chroma),
    };
    made.push(held);
  }
  const next = [one(frames, batch - 1), held.source, held.luma, held.chroma];
  return {
    planes: { luma: joined(made.map((all) => all.luma)), chroma: joined(made.map((all) => all.chroma)) },
    states: states.map((state, at) => {
      const output = `next_${firstState + at}`;
      builder.nameOutput(builder.cast(next[at] ?? '', state.type), output);
      return { ...state, output };
    }),
  };
}

/** Returns `own`, and as much of `other` as the weight says. */
function mixed(builder: GraphBuilder, own: string, other: string, weight: string): string {
  return builder.node('Add', [own, builder.node('Mul', [weight, builder.node('Sub', [other, own])])]);
}

/** Returns the weight of what is held, for each pixel of the source, by its differences from the source. */
function weightOf(builder: GraphBuilder, apart: string, steady: number): string {
  const mean = builder.averagePool(apart, BLUR, 1, (BLUR - 1) / 2);
  const most = builder.maxPool(mean, SPREAD, 1, (SPREAD - 1) / 2);
  const slope = steady / (OTHER - SAME);
  return builder.clip(builder.scaleAndShift(most, [], [-slope], [OTHER * slope]), 0, steady);
}

/** Says how a plane of the source lies in memory, with a border as wide as the longest move. */
function inBorder(size: Size): Reading {
  const stride = size.width + 2 * MOST_MOVE;
  return { stride, plane: 0, first: MOST_MOVE * (stride + 1), size, scale: square(1), step: square(1) };
}

/** Returns the samples of a plane of the source at places of `inBorder`. What is outside is like nothing. */
function fromBorder(builder: GraphBuilder, plane: string, places: string, size: Size): string {
  const padded = builder.pad(plane, border(MOST_MOVE), OUTSIDE);
  return builder.take(padded, places, [1, 1, size.height, size.width]);
}

/** Says how planes lie in memory between two guards, so that places outside of them are in memory, too. */
function inGuards(size: Size, scale: Axes): Reading {
  return { stride: size.width, plane: 0, first: guardOf(size, scale), size, scale, step: square(1) };
}

function guardOf({ width }: Size, { x, y }: Axes): number {
  return Math.ceil(y * MOST_MOVE) * width + Math.ceil(x * MOST_MOVE);
}

/** Returns the samples of planes, [1, count, h, w], at places of `inGuards`. What is outside is anything. */
function fromGuards(
  builder: GraphBuilder,
  planes: string,
  places: string,
  count: number,
  size: Size,
  scale: Axes,
): string {
  const [guard, samples] = [guardOf(size, scale), size.width * size.height];
  const padded = builder.pad(builder.reshape(planes, [count, samples]), [0, guard, 0, guard], 0);
  const first = Array.from({ length: count }, (_, at) => at * (samples + 2 * guard));
  const all = count === 1 ? places : builder.node('Add', [places, builder.int32s([1, count, 1, 1], first)]);
  return builder.take(padded, all, [1, count, size.height, size.width]);
}

/** Takes, for each sample of a plane, the weight of its pixel. */
function pick(builder: GraphBuilder, weight: string, from: Size, to: Size, scale: Axes): string {
  if (scale.x === 1 && scale.y === 1) return weight;
  if (scale.x <= 1 && scale.y <= 1) {
    const step = { x: 1 / scale.x, y: 1 / scale.y };
    const reading = { stride: from.width, plane: 0, first: 0, size: from, scale: square(1), step };
    return builder.take(weight, placesOf(builder, undefined, 1, reading), [1, 1, to.height, to.width]);
  }
  const along = (x: string, axis: number, was: number, side: number, unit: number): string => {
    if (unit === 1) return x;
    const pixels = Array.from({ length: side }, (_, at) => Math.min(was - 1, Math.floor(at / unit)));
    return builder.gather(x, axis, pixels);
  };
  const wide = along(weight, 3, from.width, to.width, scale.x);
  return along(wide, 2, from.height, to.height, scale.y);
}

/** Returns planes without NaN: whole steps of a level, as which NaN is none. */
function sound(builder: GraphBuilder, plane: string, { mayBeNaN, source }: SteadyPlan): string {
  if (!mayBeNaN) return plane;
  const largest = largestCode(source.sample);
  const steps = builder.cast(builder.scaleAndShift(plane, [], [STEPS], [0]), 'int32');
  return builder.clip(
    builder.scaleAndShift(builder.cast(steps, 'float32'), [], [1 / STEPS], [0]),
    0,
    largest,
  );
}
