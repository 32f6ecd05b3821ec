import { JobError } from '../../system/errors.js';
import { largestCode } from '../../video/formats/frame-format.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { inlineGraph, prefixed } from '../graph/inline.js';
import type { BlockIo } from '../load/loaded-model.js';
import {
  type ComposedNetwork,
  type ComposePlan,
  checkNetwork,
  fromSampleType,
  guardSize,
  toSampleType,
} from '../load/network.js';
import { type Affine, fuseIntoFirst, fuseIntoLast } from '../passes/affine-conv-fusion.js';
import { finiteCheck } from '../passes/finite-check.js';
import { isWhole, type NamedRange } from '../ports/tensors.js';
import { after, type ColourCoding, recodeBlock, uniform } from './colour.js';

/**
 * Runs blocks through an I420-native network. The conversions between the wire's levels and the network's
 * numbers (division by the largest code, another matrix or range, the strength, the rounding) are one linear
 * map of the six channels on either side. They are fused into the weights of the network's first and last
 * convolutions if possible.
 */
export function blocksThroughNetwork(
  builder: GraphBuilder,
  blocks: string,
  plan: ComposePlan,
  io: BlockIo,
): ComposedNetwork {
  const { model, graph, batch, padded, input } = plan;
  const { scale, strength } = model;
  if (
    model.fixedSize &&
    (model.fixedSize.width !== padded.width || model.fixedSize.height !== padded.height)
  ) {
    throw new JobError(
      'model',
      `"${model.file}" takes only blocks of ${model.fixedSize.width}x${model.fixedSize.height} frames, ` +
        `and the video is ${input.width}x${input.height}`,
      { hint: 'export the model with dynamic height and width' },
    );
  }
  const dims = (factor: number) => [batch, 6, (factor * padded.height) / 2, (factor * padded.width) / 2];
  const facts = checkNetwork(plan, dims(1), io.output.name, dims(scale));
  const trained: ColourCoding = {
    matrix: io.matrix ?? input.matrix,
    range: io.range ?? input.range,
    sample: input.sample,
  };
  const recoded = trained.matrix !== input.matrix || trained.range !== input.range;

  const largest = largestCode(input.sample);
  const toNetwork = fromLevels(io.input.range, largest, isWhole(io.input.type) ? 0.5 : 0);
  const before = recoded ? after(toNetwork, recodeBlock(input, trained)) : toNetwork;
  const levels = toLevels(io.output.range, largest);
  const back = recoded ? after(recodeBlock(trained, input), levels) : levels;
  const behind = after(uniform(6, strength, 0.5), back);

  const direct = inlineGraph(graph, new Map([[io.input.name, blocks]]));
  const entered =
    (io.input.type === 'float32' ? fuseIntoFirst(direct, blocks, before) : undefined) ??
    inlineGraph(graph, new Map([[io.input.name, enter(builder, blocks, before, io)]]));
  const output = prefixed(io.output.name);
  const left = io.output.type === 'float32' ? fuseIntoLast(entered, output, behind) : undefined;
  const network = left ?? entered;
  builder.include(network);
  const made = guardSize(builder, output, dims(scale), facts);
  const finite = finiteCheck(builder, network, { value: made, output, type: io.output.type, batch }, facts);
  const result =
    left === undefined ? map(builder, fromSampleType(builder, made, io.output.type), behind) : made;

  const geometry = {
    ...{ modelWidth: padded.width, modelHeight: padded.height, scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0 },
    ...{ sourceWidth: input.width, sourceHeight: input.height },
  };
  return { ...facts, blocks: result, finite, geometry, included: network, notes: [] };
}

function enter(builder: GraphBuilder, blocks: string, before: Affine, io: BlockIo): string {
  const mapped = map(builder, blocks, before);
  const fits = isWhole(io.input.type) ? builder.clip(mapped, 0, 255) : mapped;
  return toSampleType(builder, fits, io.input.type);
}

/** Adds the nodes of a linear map of the six channels: none, a product and a sum, or a 1x1 convolution. */
function map(builder: GraphBuilder, blocks: string, affine: Affine): string {
  const factor = affine.rows[0]?.[0] ?? 1;
  const offset = affine.offset[0] ?? 0;
  const plain = uniform(6, factor, offset);
  const isUniform =
    affine.rows.flat().every((one, at) => one === plain.rows.flat()[at]) &&
    affine.offset.every((one) => one === offset);
  if (isUniform) return builder.scaleAndShift(blocks, [], [factor], [offset]);
  return builder.conv(blocks, { dims: [6, 6, 1, 1], weights: affine.rows.flat(), bias: affine.offset });
}

function fromLevels(range: NamedRange, largest: number, rounding: number): Affine {
  switch (range) {
    case '0..1':
      return uniform(6, 1 / largest, 0);
    case '0..255':
      return uniform(6, 255 / largest, rounding);
    case '-1..1':
      return uniform(6, 2 / largest, -1);
  }
}

function toLevels(range: NamedRange, largest: number): Affine {
  switch (range) {
    case '0..1':
      return uniform(6, largest, 0);
    case '0..255':
      return uniform(6, largest / 255, 0);
    case '-1..1':
      return uniform(6, largest / 2, largest / 2);
  }
}
