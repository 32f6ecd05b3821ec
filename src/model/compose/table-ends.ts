/** From a network's outputs to the tensors that a table is made of. */
import { JobError } from '../../system/errors.js';
import { isRefusal } from '../../system/refusal.js';
import { tableDecoder } from '../../table/decoder.js';
import type { Geometry } from '../../table/geometry.js';
import type { TableSpec } from '../../table/spec.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { prefixed } from '../graph/inline.js';
import { elements } from '../graph/onnx.js';
import { firstUnknownNode } from '../graph/shapes.js';
import type { ModelTable } from '../load/loaded-model.js';
import type { ComposedNetwork, ComposePlan } from '../load/network.js';
import { finiteCheck } from '../passes/finite-check.js';
import { declaredEnds, endText } from '../ports/ends.js';

/** What every rank needs to make rows of the tensors of a frame. */
export interface TablePlan {
  readonly spec: TableSpec;
  /** The tensors of a frame, float32, in the order of the graph's outputs after the first. */
  readonly shapes: readonly (readonly number[])[];
  readonly geometry: Geometry;
  /** Bytes of a frame's packed rows: see `TableDecoder`. */
  readonly frameBytes: number;
}

export interface TableEnds {
  readonly plan: TablePlan;
  /** Float32 [batch, numbers] for each tensor: new nodes that nothing reads. */
  readonly tensors: readonly string[];
  /** bool [batch, 1], one for each output that may hold others than finite numbers. */
  readonly finite: readonly string[];
}

/** Element types of which a cast to float32 fails when it runs, if at all. */
const NO_NUMBERS: readonly string[] = ['string', 'unknown'];

/**
 * Adds the nodes that give the outputs of a table.
 *
 * @throws {JobError} model: when an output has no numbers, batch axis or known shape, or does not fit the
 * table.
 */
export function tableEnds(
  builder: GraphBuilder,
  table: ModelTable,
  plan: ComposePlan,
  network: ComposedNetwork,
): TableEnds {
  const { model, graph, batch } = plan;
  const declared = new Map(declaredEnds(graph).outputs.map((end) => [end.name, end]));
  const batchAxis = declaredEnds(graph).inputs.find(({ name }) => name === model.io.input.name)?.dims?.[0];
  const shapes: (readonly number[])[] = [];
  const tensors: string[] = [];
  const finite: string[] = [];
  for (const name of table.ends) {
    const end = declared.get(name) ?? { name, type: 'unknown', dims: undefined };
    const refuse = (why: string, hint: string): never => {
      throw new JobError('model', `the output ${endText(end)} of "${model.file}" ${why}`, { hint });
    };
    if (NO_NUMBERS.includes(end.type)) {
      refuse('holds no numbers', 'give the role "table" to an output of numbers');
    }
    const known = network.shapes.of(name)?.dims ?? fixedDims(end.dims, batch, batchAxis);
    if (known === undefined) {
      const lost = firstUnknownNode(network.shapes, name)?.opType;
      return refuse(
        `has a size that is not known before it runs${lost ? ` (its operator ${lost} is not supported for this)` : ''}`,
        'export it with a fixed shape',
      );
    }
    const [first, ...shape] = known;
    if (first !== batch) {
      refuse(
        `has no batch axis: it is [${known.join(', ')}] for ${batch} frames`,
        'export it so that its first dimension is that of the frames',
      );
    }
    shapes.push(shape);
    const value = prefixed(name);
    const end_ = { value, output: value, type: end.type, batch };
    const check = finiteCheck(builder, network.included, end_, network);
    if (check !== undefined) finite.push(check);
    tensors.push(builder.cast(builder.reshape(value, [batch, elements(shape)]), 'float32'));
  }
  const { geometry } = network;
  const decoder = tableDecoder(table.spec, shapes, geometry);
  if (isRefusal(decoder)) {
    throw new JobError('model', `the table of "${model.file}" cannot be made: ${decoder.refusal}`, {
      hint: 'correct the output with the role "table" in its manifest',
    });
  }
  return { plan: { spec: table.spec, shapes, geometry, frameBytes: decoder.frameBytes }, tensors, finite };
}

/**
 * Returns the dimensions that a file declares, if all but the first are fixed. An open first one is that of
 * the frames only if that of the frames is open, too.
 */
function fixedDims(
  dims: readonly (number | string)[] | undefined,
  batch: number,
  batchAxis: number | string | undefined,
): readonly number[] | undefined {
  const [first, ...others] = dims ?? [];
  if (typeof first === 'string' && typeof batchAxis === 'number') return undefined;
  if (first === undefined || !others.every((dim) => typeof dim === 'number')) return undefined;
  return [typeof first === 'number' ? first : batch, ...others];
}
