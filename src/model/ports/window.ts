/** Models that look at the frames around a frame. */
import type { Edge } from './edges.js';
import { imagesOf } from './several.js';
import { axesOf, type TensorLayout } from './tensors.js';

/** How the frames of a window lie in one tensor: [N, T*C, H, W], or [N, T, C, H, W]. */
export type Stack = 'channels' | 'time';
export const STACKS: readonly Stack[] = ['channels', 'time'];

/** The numbers of frames before and after each frame that a model looks at. */
export interface Window {
  readonly before: number;
  readonly after: number;
  readonly edge: Edge;
}

/** An input of a network that takes frames. */
export interface Feed {
  readonly name: string;
  /** The distances of its frames from the frame that is made: 0 is that frame, -1 the one before. */
  readonly offsets: readonly number[];
  /**
   * Undefined: it takes one image. `single`: one without a batch axis, [C, H, W]. `chunk`: all frames of a
   * chunk, [1, T, C, H, W], which are its offsets.
   */
  readonly stack: Stack | 'single' | 'chunk' | undefined;
}

/** The most frames before or after a frame. */
export const MOST_REACH = 32;

/**
 * Returns the window that the inputs together look at; undefined if each frame is enough by itself. A mirror
 * at a scene cut shows frames of the other side.
 */
export function windowOf(feeds: readonly Feed[], edge: Edge, stopsAtCuts = false): Window | undefined {
  const offsets = feeds.flatMap((feed) => feed.offsets);
  const [before, after] = [Math.max(0, ...offsets.map((one) => -one)), Math.max(0, ...offsets)];
  if (before + after === 0) return undefined;
  const reach = Math.max(before, after);
  return stopsAtCuts && edge === 'reflect' ? { before: reach, after: reach, edge } : { before, after, edge };
}

/** Returns the distances of all frames that the inputs take, each once. */
export function offsetsOf(feeds: readonly Feed[]): readonly number[] {
  return [...new Set(feeds.flatMap(({ offsets }) => offsets))].sort((a, b) => a - b);
}

/** Returns how many frames more than its own a run of frames needs. */
export function haloOf(window: Window | undefined): number {
  return window === undefined ? 0 : window.before + window.after;
}

/**
 * Returns the dimensions of one image in an input of these dimensions; undefined if they are not those of so
 * many frames.
 */
export function imageDims(
  { offsets, stack }: Feed,
  dims: readonly (number | undefined)[],
): readonly (number | undefined)[] | undefined {
  const count = offsets.length;
  switch (stack) {
    case undefined:
      return dims;
    case 'single':
      return dims.length === 3 ? [1, ...dims] : undefined;
    case 'chunk':
      return imagesOf({ kind: 'chunk', frames: count, edge: 'replicate' }, dims);
    case 'time': {
      const [first, frames, ...others] = dims;
      return dims.length === 5 && (frames === undefined || frames === count) ? [first, ...others] : undefined;
    }
    case 'channels': {
      const at = [1, 3].find((axis) => [count, 3 * count].includes(dims[axis] ?? 0));
      if (at !== undefined) return dims.map((dim, axis) => (axis === at ? (dim ?? 0) / count : dim));
      return dims[1] === undefined && dims[3] === undefined ? dims : undefined;
    }
  }
}

/** Returns the dimensions of an input, for images of these dimensions. */
export function stackedDims<T extends number | undefined>(
  { offsets, stack }: Feed,
  dims: readonly T[],
  layout: TensorLayout,
): readonly (T | number)[] {
  const [first, ...others] = dims;
  switch (stack) {
    case undefined:
      return dims;
    case 'single':
      return others;
    case 'chunk':
      return [1, ...dims];
    case 'time':
      return first === undefined && dims.length === 0 ? dims : [first as T, offsets.length, ...others];
    case 'channels':
      return dims.map((dim, at) =>
        at === axesOf(layout).channels && dim !== undefined ? dim * offsets.length : dim,
      );
  }
}
