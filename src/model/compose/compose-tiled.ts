import { type FrameFormat, frameBytes } from '../../video/formats/frame-format.js';
import type { LoadedModel } from '../load/loaded-model.js';
import { type ComposedGraph, compose } from './compose.js';
import type { TilePlan } from './tile-plan.js';

/** Composes the graph of a model for tiles, as one that makes frames of `input`: see `planTiles`. */
export function composeTiled(
  model: LoadedModel,
  input: FrameFormat,
  batch: number,
  tiles: TilePlan,
): ComposedGraph {
  const { width, height } = tiles.tile;
  const graph = compose(model, { ...input, width, height }, batch);
  const output = { ...input, width: input.width * tiles.scale, height: input.height * tiles.scale };
  const outputBytes = frameBytes(output);
  const perPixel = graph.macsPerPixel;
  const pixels = tiles.columns.length * tiles.rows.length * width * height;
  return {
    ...graph,
    ...{ input, output, outputBytes, tiles },
    inputBytes: frameBytes(input),
    rowBytes: outputBytes + input.sample.bytesPerSample,
    macsPerPixel: perPixel && (perPixel * pixels) / (input.width * input.height),
  };
}
