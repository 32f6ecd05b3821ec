import { JobError } from '../../system/errors.js';
import { type FrameFormat, frameBytes } from '../../video/formats/frame-format.js';
import { createGraphBuilder, type GraphBuilder } from '../graph/graph-builder.js';
import { withoutUnread } from '../graph/graph-reading.js';
import { prefixed } from '../graph/inline.js';
import { DataType, encodeModel, opsetOf, toNumber, type ValueInfoProto } from '../graph/onnx.js';
import type { LoadedModel } from '../load/loaded-model.js';
import type { ComposedNetwork, ComposePlan, Size } from '../load/network.js';
import { fuseUpsampleConvs } from '../passes/upsample-conv-fusion.js';
import { blocksThroughNetwork } from './block-model.js';
import { blocksFromFrames, framesFromBlocks, paddedSize } from './i420-ends.js';
import { blocksThroughPixels } from './pixel-model.js';

export const INPUT_NAME = 'frames';
export const OUTPUT_NAME = 'styled';

/** A whole graph from wire frames to wire frames, for one video. */
export interface ComposedGraph {
  /** An ONNX file: `frames` uint8 [batch, inputBytes] -> `styled` uint8 [batch, rowBytes]. */
  readonly bytes: Uint8Array;
  readonly input: FrameFormat;
  readonly output: FrameFormat;
  /** Bytes of one frame. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /**
   * Bytes of one row of the result: a frame, and a byte that is 1 where the network gave finite numbers only for it. That
   * byte goes with the frame to the root.
   */
  readonly rowBytes: number;
  /** Multiply-adds of the network a source pixel; undefined where neither graph nor manifest tells. */
  readonly macsPerPixel: number | undefined;
  /**
   * Whether the network's output size was worked out and is right. If not, a wrong size makes the first run fail: run
   * the graph once, on any frame, before real work starts.
   */
  readonly verified: boolean;
  /** What the user should know, one line each: resizing. */
  readonly notes: readonly string[];
}

/** Initializers that are no inputs came with IR version 4; 8 is what the ONNX schema used here is. */
const IR_VERSION = 8;

/**
 * Builds `wire frames -> what the network eats -> network -> wire frames` for one frame size, colour coding and batch;
 * every shape is static. Results are clipped to 0..255 and rounded, halves up.
 *
 * Blocks of I420, float [batch, 6, h/2, w/2] in coded levels 0..255, are the common ground of both kinds of model.
 *
 * @param input format of the source frames.
 * @param batch frames a run, at least 1; must equal `model.fixedBatch` where that is set.
 * @throws {JobError} model: when the model cannot take such frames, or its output is known to have the wrong size.
 */
export function compose(model: LoadedModel, input: FrameFormat, batch: number): ComposedGraph {
  checkRequest(model, batch);
  const { scale, strength } = model;
  const opset = opsetOf(model.proto) ?? 0;
  const builder = createGraphBuilder(opset);
  const padded = padding(model, input);
  const plan: ComposePlan = { model, graph: model.proto.graph ?? {}, input, batch, opset, padded };

  const blocks = builder.cast(blocksFromFrames(builder, INPUT_NAME, input, padded, batch), 'float32');
  const network = through(builder, blocks, plan);
  const mixed =
    strength === 1
      ? network.blocks
      : builder.node('Add', [network.blocks, builder.scaleAndShift(blocks, [], [1 - strength], [0])]);
  // Either network has added 0.5: cutting off the fraction rounds.
  const samples = builder.cast(builder.clip(mixed, 0, 255), 'uint8');
  const size = upscaled(input, scale);
  const frames = framesFromBlocks(builder, samples, size, upscaled(padded, scale), batch, network.finite);
  builder.nameOutput(frames, OUTPUT_NAME);

  // What runs in int8 is found by its weights.
  const kept = new Set(model.int8?.map(({ weight }) => prefixed(weight)));
  const inputBytes = frameBytes(input.width, input.height);
  const outputBytes = frameBytes(size.width, size.height);
  const rowBytes = outputBytes + 1;
  return {
    bytes: encodeModel({
      irVersion: Math.max(IR_VERSION, toNumber(model.proto.irVersion)),
      producerName: 'framescatter',
      opsetImport: model.proto.opsetImport,
      functions: model.proto.functions,
      graph: {
        name: 'framescatter',
        ...withoutUnread(fuseUpsampleConvs(builder.graph(), opset, INPUT_NAME, [batch, inputBytes], kept)),
        input: [frameTensor(INPUT_NAME, batch, inputBytes)],
        output: [frameTensor(OUTPUT_NAME, batch, rowBytes)],
      },
    }),
    input,
    output: { ...input, ...size },
    inputBytes,
    outputBytes,
    rowBytes,
    macsPerPixel:
      network.macs === undefined ? model.macsPerPixel : network.macs / (batch * input.width * input.height),
    verified: network.verified,
    notes: network.notes,
  };
}

function through(builder: GraphBuilder, blocks: string, plan: ComposePlan): ComposedNetwork {
  const { io } = plan.model;
  switch (io.io) {
    case 'i420':
      return blocksThroughNetwork(builder, blocks, plan, io);
    case 'rgb':
      return blocksThroughPixels(builder, blocks, plan, io);
  }
}

function checkRequest(model: LoadedModel, batch: number): void {
  if (model.fixedBatch !== undefined && model.fixedBatch !== batch) {
    throw new JobError(
      'model',
      `"${model.file}" takes ${model.fixedBatch} frames at a time, and ${batch} were asked for`,
      {
        hint: `Use --batch ${model.fixedBatch}, or export the model with its batch dimension left open.`,
      },
    );
  }
  if (model.scale !== 1 && model.strength !== 1) {
    throw new JobError(
      'model',
      `"${model.file}" enlarges frames ${model.scale} times: it takes no --strength`,
      {
        hint: 'A strength mixes a frame with its result, which must be of one size.',
      },
    );
  }
}

/** A frame that is just what a model of fixed size takes stays as it is; else padding, or none before a resize. */
function padding(model: LoadedModel, input: FrameFormat): Size {
  const { fixedSize } = model;
  if (fixedSize === undefined) return paddedSize(input, model.multiple);
  const even = { width: input.width + (input.width % 2), height: input.height + (input.height % 2) };
  const fits = even.width === fixedSize.width && even.height === fixedSize.height;
  return fits ? even : paddedSize(input, 2);
}

function upscaled(size: Size, scale: number): Size {
  return { width: size.width * scale, height: size.height * scale };
}

function frameTensor(name: string, batch: number, bytes: number): ValueInfoProto {
  const shape = { dim: [{ dimValue: batch }, { dimValue: bytes }] };
  return { name, type: { tensorType: { elemType: DataType.uint8, shape } } };
}
