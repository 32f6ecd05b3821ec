/** Composes a model with pictures: whole RGB samples in and out, where frames of videos are I420. */
import { JobError } from '../../system/errors.js';
import { type FrameFormat, I420 } from '../../video/formats/frame-format.js';
import { createGraphBuilder, type GraphBuilder } from '../graph/graph-builder.js';
import { DataType, opsetOf } from '../graph/onnx.js';
import type { LoadedModel } from '../load/loaded-model.js';
import type { ComposedNetwork, ComposePlan, Size } from '../load/network.js';
import { takesAnySize } from '../ports/source.js';
import { withConstants } from '../ports/with-constants.js';
import { blocksThroughNetwork } from './block-model.js';
import { checkRequest, composedFile, finiteFlag, runSize, tableTensors } from './composed-file.js';
import { crop, extend, paddedSize } from './i420-ends.js';
import { type PixelsFor, pixelsThroughNetwork, pixelsToTable } from './pixel-model.js';
import { blocksFromPixels, pixelsFromBlocks } from './rgb-ends.js';
import { numbersFromSamples, samplesFromNumbers } from './sample-ends.js';
import { type OneTable, tableEnds } from './table-ends.js';

const INPUT_NAME = 'pictures';
const OUTPUT_NAME = 'styled';

/** A complete graph from pictures of one size to pictures, or to the tensors of a table. */
export interface PictureGraph {
  /**
   * An ONNX file: `pictures` uint8 [batch, inputBytes] -> `styled` uint8 [batch, rowBytes]; and the tensors
   * of a table, `table_0`, ..., [batch, numbers].
   */
  readonly bytes: Uint8Array;
  readonly batch: number;
  /** Size of the pictures that go in: RGB, 8 bits, interleaved, row by row. */
  readonly input: Size;
  /** Size of those that come out, likewise; undefined if the model gives none. */
  readonly output: Size | undefined;
  readonly table: OneTable | undefined;
  readonly inputBytes: number;
  /** Bytes of the result for a picture: its samples, if any, and a byte that is 1 if numbers are finite. */
  readonly rowBytes: number;
}

/** Returns the bytes of an RGB picture. */
export function pictureBytes({ width, height }: Size): number {
  return 3 * width * height;
}

/**
 * Builds `pictures -> the network's input -> network -> pictures` for one size and batch. A model of I420
 * blocks gets full-range 4:2:0 that is never rounded; any other model gets every pixel.
 *
 * @param model one that gives a picture or a table; if it gives both, the picture alone is made.
 * @throws {JobError} model: when the model cannot take such pictures.
 */
export function composePicture(model: LoadedModel, size: Size, batch: number): PictureGraph {
  refuseOpenInputs(model);
  checkRequest(model, batch);
  const opset = opsetOf(model.proto) ?? 0;
  const builder = createGraphBuilder(opset);
  const isFree = model.fixedSize === undefined || takesAnySize(model.sources);
  const padded = isFree ? paddedSize(size, model.multiple) : size;
  const graph = withConstants(model.proto.graph ?? {}, model.constants, runSize(model, padded, batch));
  const input = codingOf(model, size);
  const plan: ComposePlan = { model, graph, input, batch, frames: batch, opset, padded };

  const bytes = builder.reshape(INPUT_NAME, [batch, size.height, size.width, 3]);
  const planes = extend(builder, builder.transpose(bytes, [0, 3, 1, 2]), size, padded);
  const source = builder.cast(planes, 'float32');
  const made = through(builder, source, plan);
  const output = made.samples === undefined ? undefined : upscaled(size, model.scale);
  const table = made.samples === undefined ? tableEnds(builder, plan, made) : undefined;
  const finite = finiteFlag(builder, made, table?.finite ?? [], batch, 'uint8');
  const picture = (samples: string, to: Size): string => {
    const mixed =
      model.strength === 1
        ? builder.scaleAndShift(samples, [], [1], [0.5])
        : builder.node('Add', [
            builder.scaleAndShift(samples, [], [model.strength], [0.5]),
            builder.scaleAndShift(source, [], [1 - model.strength], [0]),
          ]);
    // 0.5 was added, so the cast, which truncates, rounds.
    const whole = builder.cast(builder.clip(mixed, 0, 255), 'uint8');
    const own = crop(builder, whole, to, upscaled(padded, model.scale));
    return builder.reshape(builder.transpose(own, [0, 2, 3, 1]), [batch, pictureBytes(to)]);
  };
  const parts = made.samples === undefined || output === undefined ? [] : [picture(made.samples, output)];
  builder.nameOutput(builder.concat([...parts, finite], 1), OUTPUT_NAME);
  const tensors = tableTensors(builder, table, batch);
  const [inputBytes, outputBytes] = [pictureBytes(size), output === undefined ? 0 : pictureBytes(output)];
  return {
    bytes: composedFile(builder, model, {
      input: [{ name: INPUT_NAME, type: DataType.uint8, dims: [batch, inputBytes] }],
      output: [{ name: OUTPUT_NAME, type: DataType.uint8, dims: [batch, outputBytes + 1] }, ...tensors],
    }),
    batch,
    input: { width: size.width, height: size.height },
    output,
    table: table?.plan.tables[0],
    inputBytes,
    rowBytes: outputBytes + 1,
  };
}

/** A network behind pictures: `samples`, float NCHW 0..255 and RGB, at the padded size times the scale. */
type Made = ComposedNetwork & { readonly samples: string | undefined };

function through(builder: GraphBuilder, source: string, plan: ComposePlan): Made {
  const { io } = plan.model;
  const numbers: PixelsFor = (tensor) => numbersFromSamples(builder, source, tensor);
  switch (io.io) {
    case 'i420':
      return throughBlocks(builder, source, plan);
    case 'rgb': {
      const { styled, ...network } = pixelsThroughNetwork(builder, numbers, plan, io);
      return { ...network, blocks: undefined, samples: samplesFromNumbers(builder, styled, io.output) };
    }
    case 'table':
      return { ...pixelsToTable(builder, numbers, plan, io), samples: undefined };
  }
}

const RGB = { layout: 'nchw', type: 'float32', channels: 'rgb', range: '0..255' } as const;

/** Chroma is interpolated: nearest would show the blocks. */
const CHROMA = 'linear';

function throughBlocks(builder: GraphBuilder, source: string, plan: ComposePlan): Made {
  const { model, input, padded } = plan;
  if (model.io.io !== 'i420') throw new JobError('internal', 'the model does not take blocks');
  const blocks = blocksFromPixels(builder, source, input, RGB, CHROMA, 1, 0);
  // The strength mixes pixels, whose chroma is whole.
  const whole: ComposePlan = { ...plan, model: { ...model, strength: 1 } };
  const network = blocksThroughNetwork(builder, blocks, whole, model.io);
  const made = builder.scaleAndShift(network.blocks ?? blocks, [], [1], [-0.5]);
  const half = upscaled({ width: padded.width / 2, height: padded.height / 2 }, model.scale);
  const samples = pixelsFromBlocks(builder, made, half, input, RGB, CHROMA);
  return { ...network, samples };
}

/** Returns the coding of 4:2:0: what the network was trained with, or that of JPEG. */
function codingOf({ io }: LoadedModel, { width, height }: Size): FrameFormat {
  const own = io.io === 'i420' ? io : undefined;
  return { width, height, sample: I420, matrix: own?.matrix ?? 'bt601', range: own?.range ?? 'full' };
}

/** Refuses a model that needs more than the picture: neighbouring frames, or what it gave before. */
function refuseOpenInputs({ file, proto, feeds, constants, window, sources, several }: LoadedModel): void {
  const initialized = new Set(proto.graph?.initializer?.map(({ name }) => name));
  const images = (sources?.feeds ?? []).map(({ tensor }) => tensor);
  const known = new Set([...feeds, ...constants, ...images].map(({ name }) => name));
  const open = proto.graph?.input?.find(({ name }) => !initialized.has(name) && !known.has(name ?? ''));
  if (window === undefined && several === undefined && open === undefined) return;
  throw new JobError('model', `"${file}" looks at more than one frame, and a picture is by itself`, {
    hint: 'pictures take a model that works frame by frame',
  });
}

function upscaled(size: Size, scale: number): Size {
  return { width: size.width * scale, height: size.height * scale };
}
