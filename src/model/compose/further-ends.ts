/** From the pictures that a network gives beside its main one to wire frames. */
import { type FrameFormat, largestCode } from '../../video/formats/frame-format.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { prefixed } from '../graph/inline.js';
import type { FurtherPicture, PixelIo } from '../load/loaded-model.js';
import { type ComposedNetwork, type ComposePlan, checkOutput, guardSize } from '../load/network.js';
import { finiteCheck } from '../passes/finite-check.js';
import { framesFromPlanes, planesFromBlocks, sampleTensor } from './i420-ends.js';
import { dimsOf, fromTensor, upscaled } from './pixel-model.js';
import { resizePixels } from './resize.js';
import { blocksFromPixels } from './rgb-ends.js';

/** The frames of a further picture. */
export interface FurtherFrames {
  /** The name of the model's output. */
  readonly name: string;
  readonly format: FrameFormat;
}

export interface FurtherEnds {
  readonly frames: readonly FurtherFrames[];
  /** Wire frames, [batch, samples], of each. */
  readonly rows: readonly string[];
  /** bool [batch, 1], one for each picture that may hold others than finite numbers. */
  readonly finite: readonly string[];
  /** True if the size of each was inferred, and is right. */
  readonly verified: boolean;
}

/**
 * Adds the nodes that make wire frames of the model's further pictures. Neither the strength nor anything
 * else that mixes a frame with its source changes them.
 *
 * @throws {JobError} model: when one is known to have another size than the model's description says.
 */
export function furtherEnds(builder: GraphBuilder, plan: ComposePlan, network: ComposedNetwork): FurtherEnds {
  const { io, pictures } = plan.model;
  const made = io.io === 'rgb' ? pictures.map((one) => furtherEnd(builder, one, io, plan, network)) : [];
  return {
    frames: made.map(({ name, format }) => ({ name, format })),
    rows: made.map(({ row }) => row),
    finite: made.flatMap(({ finite }) => finite ?? []),
    verified: made.every(({ verified }) => verified),
  };
}

function furtherEnd(
  builder: GraphBuilder,
  { name, tensor, scale }: FurtherPicture,
  { input, chroma }: PixelIo,
  plan: ComposePlan,
  { shapes, included }: ComposedNetwork,
) {
  const { model, batch, padded } = plan;
  const size = model.fixedSize ?? padded;
  const made = upscaled(size, scale);
  const dims = dimsOf(tensor, batch, made);
  const facts = checkOutput(plan, shapes, dimsOf(input, batch, size), name, dims, undefined);
  const output = prefixed(name);
  const value = guardSize(builder, output, dims, facts);
  const finite = finiteCheck(builder, included, { value, output, type: tensor.type, batch }, facts);
  const large = upscaled(padded, scale);
  const pixels = resizePixels(builder, fromTensor(builder, value, tensor), made, large);
  // 0.5 is added, so the cast, which truncates, rounds.
  const blocks = blocksFromPixels(builder, pixels, plan.input, tensor, chroma, 1, 0.5);
  const format = { ...plan.input, ...upscaled(plan.input, scale) };
  const levels = builder.clip(blocks, 0, largestCode(plan.input.sample));
  const { luma, chroma: colours } = planesFromBlocks(builder, levels, format, large, batch);
  const type = sampleTensor(format);
  const whole = { luma: builder.cast(luma, type), chroma: builder.cast(colours, type) };
  const row = framesFromPlanes(builder, whole, format, batch, []);
  return { name, format, row, finite, verified: facts.verified };
}
