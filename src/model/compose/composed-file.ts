/** What composed graphs of frames and of pictures have in common: the ends of the network, and the file. */
import { JobError } from '../../system/errors.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { withoutUnread } from '../graph/graph-reading.js';
import { prefixed } from '../graph/inline.js';
import { DataType, encodeModel, opsetOf, toNumber, type ValueInfoProto } from '../graph/onnx.js';
import type { LoadedModel } from '../load/loaded-model.js';
import type { ComposedNetwork, Size } from '../load/network.js';
import { fuseUpsampleConvs } from '../passes/upsample-conv-fusion.js';
import type { RunSize } from '../ports/with-constants.js';
import type { SampleTensor } from './i420-ends.js';
import type { TableEnds } from './table-ends.js';

/** Initializers that are not inputs need IR version 4; the ONNX schema used here is 8. */
const IR_VERSION = 8;

/** Refuses what a model cannot be combined with: a batch, a strength. */
export function checkRequest(model: LoadedModel, batch: number): void {
  if (model.io.io === 'table' && model.strength !== 1) {
    throw new JobError('model', `"${model.file}" gives no picture, so --strength does not apply`);
  }
  if (model.io.io === 'table' && model.steady !== 0) {
    throw new JobError('model', `"${model.file}" gives no picture, so --steady does not apply`);
  }
  if (model.recurrence !== undefined && (model.fixedBatch ?? 1) !== 1) {
    throw new JobError(
      'model',
      `"${model.file}" takes ${model.fixedBatch} frames per batch, and its state goes from one frame to the next`,
      { hint: 'export it with a batch of 1, or with a dynamic batch dimension' },
    );
  }
  if (model.recurrence !== undefined && batch !== 1) {
    throw new JobError(
      'model',
      `"${model.file}" has a state, which goes from frame to frame: --batch ${batch} does not apply`,
      { hint: 'omit --batch' },
    );
  }
  if (model.several?.kind === 'chunk' && model.several.frames !== batch) {
    throw new JobError(
      'model',
      `"${model.file}" makes ${model.several.frames} frames together: --batch ${batch} does not apply`,
      { hint: 'omit --batch' },
    );
  }
  if (model.fixedBatch !== undefined && model.fixedBatch !== batch) {
    throw new JobError(
      'model',
      `"${model.file}" takes ${model.fixedBatch} frames per batch, and --batch is ${batch}`,
      {
        hint: `use --batch ${model.fixedBatch}, or export the model with a dynamic batch dimension`,
      },
    );
  }
  if (model.scale !== 1 && model.strength !== 1) {
    throw new JobError(
      'model',
      `"${model.file}" upscales frames ${model.scale} times, which --strength cannot be combined with`,
      {
        hint: 'omit --strength: it mixes a frame with its result, and both must have one size',
      },
    );
  }
}

/** Returns the size of the frames that the network gets. */
export function runSize({ io, fixedSize, several }: LoadedModel, padded: Size, frames: number): RunSize {
  const { width, height } = fixedSize ?? padded;
  // A chunk is alone in its batch.
  const batch = several?.kind === 'chunk' ? 1 : frames;
  return io.io === 'i420'
    ? { batch, width: width / 2, height: height / 2, layout: 'nchw' }
    : { batch, width, height, layout: io.input.layout };
}

/** The word that ends a row of 16-bit samples where numbers are finite: its last byte is the check byte. */
const FINITE_WORD = 0x0101;

/**
 * Adds the check of each row, [batch, 1] of the type of its samples: its last byte is 1 if the network gave
 * finite numbers only, and 0 otherwise. `others` are the checks of its outputs beside the main picture: bool
 * [batch, 1].
 */
export function finiteFlag(
  builder: GraphBuilder,
  network: Pick<ComposedNetwork, 'finite'>,
  others: readonly string[],
  batch: number,
  type: SampleTensor,
): string {
  const isWord = type === 'uint16';
  const checks = [...(network.finite === undefined ? [] : [network.finite]), ...others];
  if (checks.length === 0) {
    const ones = Array<number>(batch).fill(isWord ? FINITE_WORD : 1);
    return isWord ? builder.cast(builder.int32s([batch, 1], ones), type) : builder.bytes([batch, 1], ones);
  }
  const all = checks.reduce((one, other) => builder.node('And', [one, other]));
  // Few providers multiply words.
  const flag = isWord ? builder.scaleAndShift(builder.cast(all, 'float32'), [], [FINITE_WORD], [0]) : all;
  return builder.cast(flag, type);
}

/** Makes the tensors of tables outputs of the graph: `table_0`, ... */
export function tableTensors(
  builder: GraphBuilder,
  table: Pick<TableEnds, 'tensors'> | undefined,
  batch: number,
): readonly Tensor[] {
  return (table?.tensors ?? []).map(({ value, type, numbers }, at) => {
    const name = `table_${at}`;
    builder.nameOutput(value, name);
    return { name, type: DataType[type], dims: [batch, numbers] };
  });
}

/** Encodes a composed graph with its ends. The first input is that of frames or pictures. */
export function composedFile(
  builder: GraphBuilder,
  { proto, int8 }: Pick<LoadedModel, 'proto' | 'int8'>,
  ends: { readonly input: readonly [Tensor, ...Tensor[]]; readonly output: readonly Tensor[] },
): Uint8Array {
  const [{ name, dims }] = ends.input;
  // The int8 pass finds its convolutions by their weights, so those must stay.
  const kept = new Set(int8?.map(({ weight }) => prefixed(weight)));
  const graph = fuseUpsampleConvs(builder.graph(), opsetOf(proto) ?? 0, name, dims, kept);
  return encodeModel({
    irVersion: Math.max(IR_VERSION, toNumber(proto.irVersion)),
    producerName: 'framescatter',
    opsetImport: proto.opsetImport,
    functions: proto.functions,
    graph: {
      name: 'framescatter',
      ...withoutUnread(graph),
      input: ends.input.map(valueInfo),
      output: ends.output.map(valueInfo),
    },
  });
}

/** An input or output of a composed graph. */
export interface Tensor {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
}

function valueInfo({ name, type, dims }: Tensor): ValueInfoProto {
  const shape = { dim: dims.map((dimValue) => ({ dimValue })) };
  return { name, type: { tensorType: { elemType: type, shape } } };
}
