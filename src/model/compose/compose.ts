import { JobError } from '../../system/errors.js';
import { type FrameFormat, frameBytes, largestCode } from '../../video/formats/frame-format.js';
import { createGraphBuilder, type GraphBuilder } from '../graph/graph-builder.js';
import { withoutUnread } from '../graph/graph-reading.js';
import { prefixed } from '../graph/inline.js';
import { DataType, encodeModel, opsetOf, toNumber, type ValueInfoProto } from '../graph/onnx.js';
import type { LoadedModel } from '../load/loaded-model.js';
import type { ComposedNetwork, ComposePlan, Size } from '../load/network.js';
import { fuseUpsampleConvs } from '../passes/upsample-conv-fusion.js';
import { type RunSize, withConstants } from '../ports/with-constants.js';
import { blocksThroughNetwork } from './block-model.js';
import { blocksFromFrames, framesFromBlocks, paddedSize } from './i420-ends.js';
import { blocksThroughPixels } from './pixel-model.js';

export const INPUT_NAME = 'frames';
export const OUTPUT_NAME = 'styled';

/** A complete graph from wire frames to wire frames, for one video. */
export interface ComposedGraph {
  /** An ONNX file: `frames` uint8 [batch, inputBytes] -> `styled` uint8 [batch, rowBytes]. */
  readonly bytes: Uint8Array;
  readonly input: FrameFormat;
  readonly output: FrameFormat;
  /** Bytes of one frame. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /**
   * Bytes of one row of the result: a frame, and a check byte that is 1 if the network gave finite numbers
   * only for it. The check byte goes to the root with the frame.
   */
  readonly rowBytes: number;
  /** MACs of the network per source pixel; undefined if neither the graph nor the manifest says. */
  readonly macsPerPixel: number | undefined;
  /**
   * True if the network's output size was inferred and is right. If not, a wrong size makes the first run
   * fail: make a dry run before the first frame.
   */
  readonly verified: boolean;
  /** Notes for the user, one line each: resizing. */
  readonly notes: readonly string[];
}

/** Initializers that are not inputs need IR version 4; the ONNX schema used here is 8. */
const IR_VERSION = 8;

/**
 * Builds `wire frames -> the network's input -> network -> wire frames` for one frame size, colour coding and
 * batch. Every shape is static. Results are clipped to the codes and rounded half up.
 *
 * Both kinds of model are connected through blocks of I420: float [batch, 6, h/2, w/2] in coded levels.
 *
 * @param input format of the source frames.
 * @param batch frames per run, at least 1; must equal `model.fixedBatch` if that is set.
 * @throws {JobError} model: when the model cannot take such frames, or its output is known to have the wrong
 *   size.
 */
export function compose(model: LoadedModel, input: FrameFormat, batch: number): ComposedGraph {
  checkRequest(model, batch);
  const { scale, strength } = model;
  const opset = opsetOf(model.proto) ?? 0;
  const builder = createGraphBuilder(opset);
  const padded = padding(model, input);
  const graph = withConstants(model.proto.graph ?? {}, model.constants, runSize(model, padded, batch));
  const plan: ComposePlan = { model, graph, input, batch, opset, padded };

  const blocks = builder.cast(blocksFromFrames(builder, INPUT_NAME, input, padded, batch), 'float32');
  const network = through(builder, blocks, plan);
  const mixed =
    strength === 1
      ? network.blocks
      : builder.node('Add', [network.blocks, builder.scaleAndShift(blocks, [], [1 - strength], [0])]);
  // Both kinds of network have added 0.5, so the cast, which truncates, rounds.
  const samples = builder.cast(builder.clip(mixed, 0, largestCode(input.sample)), 'uint8');
  const output = { ...input, ...upscaled(input, scale) };
  const frames = framesFromBlocks(builder, samples, output, upscaled(padded, scale), batch, network.finite);
  builder.nameOutput(frames, OUTPUT_NAME);

  // The int8 pass finds its convolutions by their weights, so those must stay.
  const kept = new Set(model.int8?.map(({ weight }) => prefixed(weight)));
  const inputBytes = frameBytes(input);
  const outputBytes = frameBytes(output);
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
    output,
    inputBytes,
    outputBytes,
    rowBytes,
    macsPerPixel:
      network.macs === undefined ? model.macsPerPixel : network.macs / (batch * input.width * input.height),
    verified: network.verified,
    notes: network.notes,
  };
}

/** Returns the size of the frames that the network gets. */
function runSize({ io, fixedSize }: LoadedModel, padded: Size, batch: number): RunSize {
  const { width, height } = fixedSize ?? padded;
  return io.io === 'rgb'
    ? { batch, width, height, layout: io.input.layout }
    : { batch, width: width / 2, height: height / 2, layout: 'nchw' };
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

/**
 * Returns the padded size. For a model of fixed size a frame of another size is resized, and needs only even
 * sides.
 */
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
