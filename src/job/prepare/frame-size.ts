/** Frames that are scaled before the model: what depends on it in a job. */
import { type ComposedGraph, compose } from '../../model/compose/compose.js';
import type { TablePlan } from '../../model/compose/table-ends.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { WirePlan } from '../../video/frames/wire.js';
import type { Identity } from '../journal/identity.js';

/**
 * Composes the graph for the frames of a wire. Its tables have positions in pixels of the source.
 *
 * @throws {JobError} model: when the model cannot take such frames.
 */
export function composeFor(model: LoadedModel, wire: WirePlan, batch: number): ComposedGraph {
  const graph = compose(model, wire.format, batch);
  return graph.table === undefined ? graph : { ...graph, table: inSourcePixels(graph.table, wire) };
}

/** Returns tables with positions in pixels of the frames before they were scaled. */
function inSourcePixels(table: TablePlan, { format, unscaled }: WirePlan): TablePlan {
  if (unscaled === undefined) return table;
  const tables = table.tables.map((one) => ({
    ...one,
    geometry: {
      ...one.geometry,
      scaleX: (one.geometry.scaleX * unscaled.width) / format.width,
      scaleY: (one.geometry.scaleY * unscaled.height) / format.height,
      ...{ sourceWidth: unscaled.width, sourceHeight: unscaled.height },
    },
  }));
  return { ...table, tables };
}

/** Returns what of the scaling must be equal for a run to reuse earlier work: nothing without it. */
export function scalingIdentity({ format, unscaled, sampleAspectRatio: aspect }: WirePlan): Identity {
  if (unscaled === undefined) return {};
  const shape = aspect === undefined ? '' : `, sample aspect ratio ${aspect.num}:${aspect.den}`;
  return { 'frames scaled to': `${format.width}x${format.height}${shape}` };
}
