import {
  type FrameFormat,
  frameBytes,
  frameSamples,
  largestCode,
  type SampleFormat,
} from '../../video/formats/frame-format.js';
import { createGraphBuilder, type GraphBuilder } from '../graph/graph-builder.js';
import { DataType, opsetOf } from '../graph/onnx.js';
import type { Reach, Unbounded } from '../graph/reach.js';
import type { LoadedModel } from '../load/loaded-model.js';
import type { ComposedNetwork, ComposePlan, Size } from '../load/network.js';
import { type Chunk, chunkOf } from '../ports/several.js';
import { takesAnySize } from '../ports/source.js';
import type { CutRule } from '../ports/state.js';
import { steadyRun } from '../ports/steady.js';
import { haloOf, offsetsOf, type Window } from '../ports/window.js';
import { withConstants } from '../ports/with-constants.js';
import { blocksThroughNetwork } from './block-model.js';
import { checkRequest, composedFile, finiteFlag, runSize, tableTensors } from './composed-file.js';
import { type FurtherFrames, furtherEnds } from './further-ends.js';
import {
  blocksFromFrames,
  framesFromPlanes,
  type Planes,
  paddedSize,
  planesFromBlocks,
  sampleTensor,
} from './i420-ends.js';
import { networkReach } from './network-reach.js';
import { blocksThroughPixels, blocksToTable, NEIGHBOURS_INPUT } from './pixel-model.js';
import { leaveStates, RESET_INPUT, type StateTensor, stateBytes } from './state-ends.js';
import { steadied } from './steady-ends.js';
import { type TablePlan, tableEnds } from './table-ends.js';
import type { TilePlan } from './tile-plan.js';

export const INPUT_NAME = 'frames';
export const OUTPUT_NAME = 'styled';

/** What a rank needs to find scene cuts in its frames, and to stop at them. */
export interface CutPlan extends CutRule {
  readonly width: number;
  readonly height: number;
  readonly sample: SampleFormat;
  /** The distances of the frames that the graph takes for each of its frames, in the order of its input. */
  readonly offsets: readonly number[];
}

/** A complete graph from wire frames to wire frames, for one video. */
export interface ComposedGraph {
  /**
   * An ONNX file: `frames` [batch + halo, samples] -> `styled` [batch, row], both uint8, or uint16 where
   * samples have more than 8 bits; and the tensors of its tables, `table_0`, ..., [batch, numbers]; see
   * `TablePlan`. Where neighbours stop at
   * scene cuts, it takes the place of each of them among the frames, `neighbours` int32 [offsets, batch]; of
   * a network with states, `reset` bool [] and the states, `state_0`, ..., float32, which come out as
   * `next_0`, ...
   */
  readonly bytes: Uint8Array;
  readonly input: FrameFormat;
  /** Undefined if the model gives no picture. */
  readonly output: FrameFormat | undefined;
  /** The frames of further pictures, which follow the main one's in a row. */
  readonly further: readonly FurtherFrames[];
  /** Bytes of one frame. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** The frames around each frame that the graph takes. */
  readonly window: Window | undefined;
  /** Frames of a run, at whose start states or chunks begin; undefined if there are none. */
  readonly every: number | undefined;
  /** The frames that are made together, if any are. */
  readonly chunk: Chunk | undefined;
  readonly cuts: CutPlan | undefined;
  /** The tables, if the model gives any. */
  readonly table: TablePlan | undefined;
  /**
   * Bytes of one row of the result: a frame, if any; those of further pictures; room for the packed rows of a
   * table, if any, which the rank fills in; and a check byte that is 1 if the network gave finite numbers
   * only for it. Where samples have two bytes and the row would end amid one, a byte before the table is
   * unused. All of it goes to the root together.
   */
  readonly rowBytes: number;
  /** Bytes of the states of a session: what goes into a run, and what comes out. */
  readonly stateBytes: number;
  /** MACs of the network per source pixel; undefined if neither the graph nor the manifest says. */
  readonly macsPerPixel: number | undefined;
  /**
   * True if the network's output size was inferred and is right. If not, a wrong size makes the first run
   * fail: make a dry run before the first frame.
   */
  readonly verified: boolean;
  /** Returns how far the network looks. */
  readonly looks: () => Reach | Unbounded;
  /** The tiles that the graph takes in place of whole frames, if it does: see `composeTiled`. */
  readonly tiles?: TilePlan;
  /** Notes for the user, one line each: resizing. */
  readonly notes: readonly string[];
}

/**
 * Builds `wire frames -> the network's input -> network -> wire frames` for one frame size, colour coding and
 * batch. Every shape is static. Results are clipped to the codes and rounded half up.
 *
 * Both kinds of model are connected through blocks of 2x2 pixels: float [batch, samples, h/2, w/2] in coded
 * levels. Models on blocks take frames of 4:2:0, whose blocks have six samples.
 *
 * @param input format of the source frames.
 * @param batch frames per run, at least 1; must equal `model.fixedBatch` if that is set.
 * @throws {JobError} model: when the model cannot take such frames, or its output is known to have the wrong
 *   size.
 */
export function compose(model: LoadedModel, input: FrameFormat, batch: number): ComposedGraph {
  checkRequest(model, batch);
  const { scale, strength, steady } = model;
  const chunk = chunkOf(model.several);
  const opset = opsetOf(model.proto) ?? 0;
  const builder = createGraphBuilder(opset);
  const padded = padding(model, input);
  const graph = withConstants(model.proto.graph ?? {}, model.constants, runSize(model, padded, batch));
  const halo = haloOf(model.window);
  const frames = batch + halo;
  const plan: ComposePlan = { model, graph, input, batch, frames, opset, padded };

  const blocks = builder.cast(blocksFromFrames(builder, INPUT_NAME, input, padded, frames), 'float32');
  const network = through(builder, blocks, plan);
  const before = model.window?.before ?? 0;
  const own = halo === 0 ? blocks : builder.slice(blocks, 0, before, before + batch);
  const table = tableEnds(builder, plan, network);
  const type = sampleTensor(input);
  const { bytesPerSample } = input.sample;
  const ending = Math.ceil(((table?.plan.frameBytes ?? 0) + 1) / bytesPerSample);
  const room = table === undefined ? [] : [builder.zeroBytes([batch, ending - 1], type)];
  const others = furtherEnds(builder, plan, network);
  const checks = [...(table?.finite ?? []), ...others.finite];
  const beside = [...others.rows, ...room, finiteFlag(builder, network, checks, batch, type)];
  const output = network.blocks === undefined ? undefined : { ...input, ...upscaled(input, scale) };
  const picture = (styled: string, to: FrameFormat): Picture => {
    const mixed =
      strength === 1
        ? styled
        : builder.node('Add', [styled, builder.scaleAndShift(own, [], [1 - strength], [0])]);
    // Both kinds of network have added 0.5, so the cast, which truncates, rounds.
    const levels = builder.clip(mixed, 0, largestCode(input.sample));
    const planes = (samples: string): Planes =>
      planesFromBlocks(builder, samples, to, upscaled(padded, scale), batch);
    const whole = (samples: string): string => builder.cast(samples, type);
    const rowsOf = (all: Planes): string => framesFromPlanes(builder, all, to, batch, beside);
    if (steady === 0) return { rows: rowsOf(planes(whole(levels))), states: [] };
    const held = steadied(builder, lumaOf(builder, plan), planes(levels), {
      ...{ steady, source: input, scale, batch },
      firstState: model.recurrence?.states.length ?? 0,
      mayBeNaN: network.finite !== undefined,
    });
    return {
      rows: rowsOf({ luma: whole(held.planes.luma), chroma: whole(held.planes.chroma) }),
      states: held.states,
    };
  };
  const made =
    network.blocks === undefined || output === undefined
      ? { rows: builder.concat(beside, 1), states: [] }
      : picture(network.blocks, output);
  builder.nameOutput(made.rows, OUTPUT_NAME);
  const tensors = tableTensors(builder, table, batch);

  const states = [...leaveStates(builder, model.recurrence, network.shapes), ...made.states];
  const offsets = offsetsOf(model.feeds);
  const further = [
    ...(model.cuts?.neighbours
      ? [{ name: NEIGHBOURS_INPUT, type: DataType.int32, dims: [offsets.length, batch] }]
      : []),
    ...(states.length === 0
      ? []
      : [{ name: RESET_INPUT, type: DataType.bool, dims: batch === 1 ? [] : [batch] }]),
    ...states.map(({ input: name, type, dims }) => ({ name, type: DataType[type], dims })),
  ];
  const next = states.map(({ output: name, type, dims }) => ({ name, type: DataType[type], dims }));

  const inputBytes = frameBytes(input);
  const outputBytes = output === undefined ? 0 : frameBytes(output);
  const framesBytes = others.frames.reduce((sum, { format }) => sum + frameBytes(format), outputBytes);
  const rowBytes = framesBytes + ending * bytesPerSample;
  return {
    bytes: composedFile(builder, model, {
      input: [{ name: INPUT_NAME, type: DataType[type], dims: [frames, frameSamples(input)] }, ...further],
      output: [
        { name: OUTPUT_NAME, type: DataType[type], dims: [batch, rowBytes / bytesPerSample] },
        ...tensors,
        ...next,
      ],
    }),
    input,
    output,
    further: others.frames,
    inputBytes,
    outputBytes,
    window: model.window,
    every:
      model.recurrence?.every ?? (steady === 0 ? chunk?.frames : steadyRun(batch, inputBytes, framesBytes)),
    chunk,
    cuts: model.cuts && {
      ...model.cuts,
      ...{ width: input.width, height: input.height, sample: input.sample, offsets },
    },
    table: table?.plan,
    rowBytes,
    stateBytes: 2 * states.reduce((sum, state) => sum + stateBytes(state), 0),
    macsPerPixel:
      network.macs === undefined ? model.macsPerPixel : network.macs / (batch * input.width * input.height),
    verified: network.verified && others.verified,
    looks: () => networkReach(model.io, network.shapes),
    notes: network.notes,
  };
}

/** The rows of the result, and the states that holding their frames against flicker takes. */
interface Picture {
  readonly rows: string;
  readonly states: readonly StateTensor[];
}

/** Returns the luma of the frames of a batch, without those around it: [batch, 1, height, width]. */
function lumaOf(builder: GraphBuilder, { model, input, batch, frames }: ComposePlan): string {
  const before = model.window?.before ?? 0;
  const own = frames === batch ? INPUT_NAME : builder.slice(INPUT_NAME, 0, before, before + batch);
  const luma = builder.slice(own, 1, 0, input.width * input.height);
  return builder.reshape(luma, [batch, 1, input.height, input.width]);
}

function through(builder: GraphBuilder, blocks: string, plan: ComposePlan): ComposedNetwork {
  const { io } = plan.model;
  switch (io.io) {
    case 'i420':
      return blocksThroughNetwork(builder, blocks, plan, io);
    case 'rgb':
      return blocksThroughPixels(builder, blocks, plan, io);
    case 'table':
      return blocksToTable(builder, blocks, plan, io);
  }
}

/**
 * Returns the padded size. For a model of fixed size a frame of another size is resized, and needs only even
 * sides.
 */
function padding(model: LoadedModel, input: FrameFormat): Size {
  const { fixedSize, sources } = model;
  if (fixedSize === undefined || takesAnySize(sources)) return paddedSize(input, model.multiple);
  return { width: input.width + (input.width % 2), height: input.height + (input.height % 2) };
}

function upscaled(size: Size, scale: number): Size {
  return { width: size.width * scale, height: size.height * scale };
}
