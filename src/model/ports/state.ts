/** Models that take, for a frame, what they gave for the frame before. */
import type { Shapes } from '../graph/shapes.js';
import type { Constant } from './constants.js';
import { axesOf } from './tensors.js';
import type { RunSize } from './with-constants.js';

/** A tensor that a network gives for a frame, and takes for the next one. */
export interface State {
  readonly input: string;
  readonly output: string;
  /** What it takes where the state begins anew, with the input's declared type and dimensions. */
  readonly initial: Constant;
}

/** The states of a network. */
export interface Recurrence {
  readonly states: readonly State[];
  /** All begin anew at every frame whose number, from 0, is a multiple of this: at the start of a run. */
  readonly every: number;
}

/** What stops at scene cuts. */
export interface CutRule {
  /** The distance of two frames from which they are of two scenes: see `SceneCuts`. */
  readonly threshold: number;
  /** True if frames of another scene are none of a frame's neighbours. */
  readonly neighbours: boolean;
  /** True if states begin anew at the first frame of a scene. */
  readonly states: boolean;
}

/** The most frames of a run. */
export const MOST_RUN = 100_000;

/** The shapes of a network with states. */
export interface Settled {
  readonly shapes: Shapes;
  /** The first state whose dimensions differ from those of the output that it comes from, or are unknown. */
  readonly open: State | undefined;
}

/** Shapes are followed so often: a network may come to the size of its states in steps. */
const MOST_ROUNDS = 4;

/** In place of dimensions that are not known. */
const UNKNOWN = [Number.NaN];

/**
 * Finds dimensions for the states that are the same in and out. What the file leaves open is tried as the
 * size of the frames, and then as 1, for networks that broadcast their first state.
 *
 * @param infer follows the network's shapes for given dimensions of its states.
 */
export function settleStates(
  states: readonly State[],
  run: RunSize,
  infer: (states: ReadonlyMap<string, readonly number[]>) => Shapes,
): Settled {
  let best: Settled | undefined;
  for (const open of [likeFrames(run), () => 1]) {
    let dims = new Map(states.map((state) => [state.input, startDims(state, open)]));
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const shapes = infer(dims);
      const given = states.map(({ input, output }) => [input, shapes.of(output)?.dims ?? UNKNOWN] as const);
      const odd = given.findIndex(([input, next]) => next.join() !== dims.get(input)?.join());
      best = { shapes, open: states[odd] };
      if (best.open === undefined) return best;
      const misfit = states.find(({ initial }, at) => !isDeclared(given[at]?.[1] ?? UNKNOWN, initial.dims));
      if (misfit !== undefined) {
        best = { shapes, open: misfit };
        break;
      }
      dims = new Map(given);
    }
  }
  return best ?? { shapes: infer(new Map()), open: undefined };
}

/**
 * Returns whether the first value of a state of these dimensions fills it: each of its dimensions, from the
 * last, is the same or 1.
 */
export function startsAs({ initial: { value } }: State, dims: readonly number[]): boolean {
  const own = value.kind === 'tensor' ? value.dims : [];
  const offset = dims.length - own.length;
  return offset >= 0 && own.every((dim, at) => dim === 1 || dim === dims[at + offset]);
}

/** Returns the size of an open dimension: that of the frames in its place. */
function likeFrames({ batch, width, height, layout }: RunSize) {
  const axes = axesOf(layout);
  return (at: number, count: number): number => {
    if (at === 0) return batch;
    if (count !== 4) return 1;
    return at === axes.height ? height : at === axes.width ? width : 1;
  };
}

/** Returns whether dimensions are known, and fit those that the file declares. */
function isDeclared(dims: readonly number[], declared: Constant['dims']): boolean {
  if (dims === UNKNOWN || declared === undefined) return dims !== UNKNOWN;
  const fits = (size: number, at: number) => typeof declared[at] !== 'number' || declared[at] === size;
  return dims.length === declared.length && dims.every(fits);
}

function startDims(
  { initial: { dims, value } }: State,
  open: (at: number, count: number) => number,
): readonly number[] {
  const given = value.kind === 'tensor' ? value.dims : [];
  const { length } = dims ?? given;
  return Array.from({ length }, (_, at) => {
    const declared = dims?.[at];
    return typeof declared === 'number' ? declared : (given[at] ?? open(at, length));
  });
}
