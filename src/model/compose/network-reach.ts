import { type Reach, reachOf, type Unbounded } from '../graph/reach.js';
import type { Shapes } from '../graph/shapes.js';
import type { ModelIo } from '../load/loaded-model.js';
import { axesOf } from '../ports/tensors.js';

/** Returns how far a network looks that makes pictures of frames, in pixels of the frames. */
export function networkReach(io: ModelIo, shapes: Shapes): Reach | Unbounded {
  if (io.io === 'table') return { operator: 'its table' };
  const { height, width } = axesOf(io.io === 'i420' ? 'nchw' : io.input.layout);
  const isFlat = shapes.of(io.input.name)?.dims.length === 3;
  const axes = isFlat ? ([1, 2] as const) : ([height, width] as const);
  return reachOf(shapes, io.input.name, axes, io.io === 'i420' ? 2 : 1, io.output.name);
}
