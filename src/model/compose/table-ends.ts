/** From a network's outputs to the tensors that a table is made of. */
import { JobError } from '../../system/errors.js';
import { isRefusal } from '../../system/refusal.js';
import { type OpenRows, tableDecoder } from '../../table/decoder.js';
import type { Geometry } from '../../table/geometry.js';
import { keptType } from '../../table/kept-types.js';
import type { NumberType } from '../../table/numbers.js';
import type { TableSpec } from '../../table/spec.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { prefixed } from '../graph/inline.js';
import { elements } from '../graph/onnx.js';
import { firstUnknownNode } from '../graph/shapes.js';
import type { ModelTable } from '../load/loaded-model.js';
import type { ComposedNetwork, ComposePlan } from '../load/network.js';
import { checkedFloats, finiteCheck, finiteFrames, mayBeNonFinite } from '../passes/finite-check.js';
import { type DeclaredEnd, declaredEnds, endText } from '../ports/ends.js';
import { isOfOneFrame, type OpenShape, openShape } from '../ports/open-rows.js';
import { fixedRows } from './fixed-rows.js';

/** What every rank needs to make the rows of a table of the tensors of a frame. */
export interface OneTable {
  /** The name of its first output. */
  readonly name: string;
  readonly spec: TableSpec;
  /** The tensors of a frame. */
  readonly shapes: readonly (readonly number[])[];
  readonly types: readonly NumberType[];
  /** With open rows, a float32 tensor of their numbers follows those of `shapes`. */
  readonly open?: OpenRows;
  readonly geometry: Geometry;
  /** Bytes of a frame's packed rows: see `TableDecoder`. */
  readonly frameBytes: number;
}

/** The tables of a job. */
export interface TablePlan {
  /** At least one. Their tensors follow each other as the graph's outputs after the first. */
  readonly tables: readonly OneTable[];
  /** Bytes of a frame's packed rows of all tables, one after another. */
  readonly frameBytes: number;
}

/** A tensor [batch, numbers] that leaves the composed graph. */
export interface TableTensor {
  readonly value: string;
  readonly type: NumberType;
  readonly numbers: number;
}

/** Operators whose first axis is that of rows of which only a run tells how many there are. */
const GIVE_ROWS: readonly string[] = ['NonMaxSuppression', 'NonZero', 'Compress', 'Unique'];

export interface TableEnds<Plan = TablePlan> {
  readonly plan: Plan;
  /** New nodes that nothing reads. */
  readonly tensors: readonly TableTensor[];
  /** bool [batch, 1], one for each output that may hold others than finite numbers. */
  readonly finite: readonly string[];
}

/** Element types of which a cast to float32 fails when it runs, if at all. */
const NO_NUMBERS: readonly string[] = ['string', 'unknown'];

/**
 * Adds the nodes that give the outputs of the model's tables; undefined if it has none.
 *
 * @throws {JobError} model: when an output has no numbers, batch axis or known shape, or does not fit its
 * table.
 */
export function tableEnds(
  builder: GraphBuilder,
  plan: ComposePlan,
  network: ComposedNetwork,
): TableEnds | undefined {
  const made = plan.model.tables.map((table) => oneTable(builder, table, plan, network));
  if (made.length === 0) return undefined;
  const tables = made.map((one) => one.plan);
  const frameBytes = tables.reduce((sum, one) => sum + one.frameBytes, 0);
  return {
    plan: { tables, frameBytes },
    tensors: made.flatMap((one) => one.tensors),
    finite: made.flatMap((one) => one.finite),
  };
}

function oneTable(
  builder: GraphBuilder,
  table: ModelTable,
  plan: ComposePlan,
  network: ComposedNetwork,
): TableEnds<OneTable> {
  const { model } = plan;
  const declared = new Map(declaredEnds(plan.graph).outputs.map((end) => [end.name, end]));
  const ends = table.ends.map((name, at) => {
    const end = declared.get(name) ?? { name, type: 'unknown', dims: undefined };
    const shape = shapeOf(end, table, plan, network);
    return addedEnd(builder, end, shape, typeOf(end, at, table, model.file), plan, network);
  });
  const counts = ends.flatMap(({ count }) => count ?? []);
  const shapes = ends.map(({ shape }) => shape);
  const types = ends.map(({ type }) => type);
  const isOpen = table.rows !== undefined && counts.length > 0;
  const open = isOpen ? { most: table.rows, tensors: counts.length } : undefined;
  const { geometry } = network;
  const decoder = tableDecoder(table.spec, shapes, geometry, { types, open });
  if (isRefusal(decoder)) {
    throw new JobError('model', `the table of "${model.file}" cannot be made: ${decoder.refusal}`, {
      hint: 'correct the output with the role "table" in its manifest',
    });
  }
  const { frameBytes } = decoder;
  const tensors = ends.map(({ tensor: value, type, shape }) => ({ value, type, numbers: elements(shape) }));
  const { name, spec } = table;
  return {
    plan: { name, spec, shapes, types, geometry, frameBytes, ...(open === undefined ? {} : { open }) },
    tensors: isOpen ? [...tensors, countTensor(builder, counts)] : tensors,
    finite: ends.flatMap(({ finite }) => finite ?? []),
  };
}

function countTensor(builder: GraphBuilder, counts: readonly string[]): TableTensor {
  const value = builder.cast(builder.concat(counts, 1), 'float32');
  return { value, type: 'float32', numbers: counts.length };
}

/** The shape of an output for each frame, or that of one with open rows, and the most of them. */
type EndShape =
  | { readonly isOpen: false; readonly shape: readonly number[] }
  | { readonly isOpen: true; readonly open: OpenShape; readonly most: number };

/** Returns the shape of an output, without its batch axis. */
function shapeOf(
  end: DeclaredEnd,
  table: ModelTable,
  { model, graph, batch }: ComposePlan,
  { shapes }: ComposedNetwork,
): EndShape {
  const refuse = (why: string, hint: string): never => {
    throw new JobError('model', `the output ${endText(end)} of "${model.file}" ${why}`, { hint });
  };
  if (NO_NUMBERS.includes(end.type)) {
    refuse('holds no numbers', 'give the role "table" to an output of numbers');
  }
  const declared = declaredEnds(graph);
  const frames = model.io.input.name;
  const inferred = shapes.of(end.name)?.dims;
  const lost = firstUnknownNode(shapes, end.name)?.opType;
  if (table.rows !== undefined) {
    const isOne = isOfOneFrame(table, declared, frames);
    if (isOne && batch !== 1) refuse('has no batch axis', 'export it with one, or with a batch of 1');
    if (isOne && inferred !== undefined) return { isOpen: false, shape: inferred };
    const open = inferred === undefined ? openShape(table, declared, end.name, frames) : undefined;
    if (open !== undefined && (open.axis === 0) === isOne) return { isOpen: true, open, most: table.rows };
    const own = isOne ? end.dims : end.dims?.slice(1);
    if (inferred === undefined && own?.every((dim) => typeof dim === 'number')) {
      return { isOpen: false, shape: own };
    }
  }
  const batchAxis = declared.inputs.find(({ name }) => name === frames)?.dims?.[0];
  const isOfRows = GIVE_ROWS.includes(lost ?? '') && end.dims?.[0] !== batchAxis;
  const known = inferred ?? (isOfRows ? undefined : fixedDims(end.dims, batch, batchAxis));
  if (known === undefined) {
    return refuse(
      `has a size that is not known before it runs${lost ? ` (its operator ${lost} is not supported for this)` : ''}`,
      table.rows === undefined
        ? 'export it with a fixed shape, or state the most rows of a frame beside its role: "rows": 100'
        : 'export it so that nothing but its number of rows is open',
    );
  }
  const [first, ...shape] = known;
  if (first !== batch) {
    refuse(
      `has no batch axis: it is [${known.join(', ')}] for ${batch} frames`,
      'export it so that its first dimension is that of the frames',
    );
  }
  return { isOpen: false, shape };
}

/** Returns the type in which an output is taken. */
function typeOf(end: DeclaredEnd, at: number, { spec }: ModelTable, file: string): NumberType {
  const type = keptType(spec, at, end.type);
  if (type !== undefined) return type;
  throw new JobError('model', `no column can hold the numbers of the output ${endText(end)} of "${file}"`, {
    hint: 'add a Cast to int64 or float64 to the graph',
  });
}

interface AddedEnd {
  /** [batch, numbers] of `type`. */
  readonly tensor: string;
  readonly type: NumberType;
  readonly shape: readonly number[];
  readonly finite: string | undefined;
  /** Float32 [batch, 1], if the rows are open. */
  readonly count?: string;
}

function addedEnd(
  builder: GraphBuilder,
  { name, type: declared }: DeclaredEnd,
  found: EndShape,
  type: NumberType,
  { batch }: ComposePlan,
  network: ComposedNetwork,
): AddedEnd {
  const value = prefixed(name);
  if (!found.isOpen) {
    const { shape } = found;
    const end = { value, output: value, type: declared, batch };
    const finite = finiteCheck(builder, network.included, end, network);
    const tensor = builder.cast(builder.reshape(value, [batch, elements(shape)]), type);
    return { tensor, type, shape, finite };
  }
  const { open, most } = found;
  const { tensor, count } = fixedRows(builder, value, open, most, batch, type);
  const shape = [most, ...open.row];
  // Of open tensors the rows that stay are checked: a mean over none would be NaN.
  const finite = mayBeNonFinite(declared)
    ? finiteFrames(builder, checkedFloats(builder, tensor, type), batch, 1)
    : undefined;
  // The cast comes last, as for other ends: the fp16 pass keeps the type of what it gives.
  const flat = builder.cast(builder.reshape(tensor, [batch, elements(shape)]), type);
  return { tensor: flat, type, shape, finite, count };
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
