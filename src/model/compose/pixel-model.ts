import type { Geometry } from '../../table/geometry.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { inlineGraph, prefixed } from '../graph/inline.js';
import { countMacs } from '../graph/macs.js';
import type { GraphProto } from '../graph/onnx.js';
import type { PixelIo, TableIo } from '../load/loaded-model.js';
import {
  type ComposedNetwork,
  type ComposePlan,
  checkNetwork,
  fromSampleType,
  guardSize,
  type NetworkFacts,
  networkShapes,
  type Size,
  toSampleType,
} from '../load/network.js';
import { finiteCheck, type NetworkEnd } from '../passes/finite-check.js';
import type { SeveralFrames } from '../ports/several.js';
import {
  axesOf,
  type ChromaSampling,
  channelCount,
  type Fit,
  type PixelTensor,
  type TensorLayout,
} from '../ports/tensors.js';
import { offsetsOf } from '../ports/window.js';
import { fitPixels } from './fit.js';
import { resizePixels } from './resize.js';
import { blocksFromPixels, pixelsFromBlocks } from './rgb-ends.js';
import { enterStates } from './state-ends.js';

/** Int32 [offsets, batch]: the place of each neighbour of each frame among the frames of the run. */
export const NEIGHBOURS_INPUT = 'neighbours';

/** Returns a run of images and its halo in the numbers of an input: float NCHW, of the padded size. */
export type PixelsFor = (tensor: PixelTensor) => string;

/** Runs blocks through a network on RGB or grey images. For a network of fixed size, images are resized. */
export function blocksThroughPixels(
  builder: GraphBuilder,
  blocks: string,
  plan: ComposePlan,
  io: PixelIo,
): ComposedNetwork {
  const { model, input } = plan;
  const pixels = pixelsOf(builder, blocks, plan, io.chroma);
  const { styled, ...network } = pixelsThroughNetwork(builder, pixels, plan, io);
  return {
    ...network,
    blocks: blocksFromPixels(builder, styled, input, io.output, io.chroma, model.strength, 0.5),
  };
}

/** Runs blocks through a network that gives no image. */
export function blocksToTable(
  builder: GraphBuilder,
  blocks: string,
  plan: ComposePlan,
  io: TableIo,
): ComposedNetwork {
  return pixelsToTable(builder, pixelsOf(builder, blocks, plan, io.chroma), plan, io);
}

/**
 * Runs images of the padded size through a network on images. `styled` is float NCHW in the numbers of its
 * output, at the padded size times the scale.
 */
export function pixelsThroughNetwork(
  builder: GraphBuilder,
  pixels: PixelsFor,
  plan: ComposePlan,
  io: PixelIo,
): Omit<ComposedNetwork, 'blocks'> & { readonly styled: string } {
  const { model, batch, padded } = plan;
  const { scale } = model;
  const size = model.fixedSize ?? padded;
  const outputSize = upscaled(model.sources?.sizesPicture ? padded : size, scale);
  const outputDims = dimsOf(io.output, batch, outputSize);
  const facts = checkNetwork(plan, dimsOf(io.input, batch, size), io.output.name, outputDims);

  const { network, geometry } = enterNetwork(builder, pixels, plan, io, 'stretch');
  const output = prefixed(io.output.name);
  const value =
    model.several === undefined
      ? guardSize(builder, output, outputDims, facts)
      : builder.reshape(takenFrom(builder, output, model.several), outputDims);
  const finite = checkedFrames(builder, network, { value, output, type: io.output.type, batch }, facts, plan);
  const made = fromTensor(builder, value, io.output);

  const resized = size.width !== padded.width || size.height !== padded.height;
  return {
    ...facts,
    styled: resizePixels(builder, made, outputSize, upscaled(padded, scale)),
    finite,
    geometry,
    included: network,
    notes: resized
      ? [
          `frames are resized to ${size.width}x${size.height}, the model's fixed size${
            model.sources?.sizesPicture ? '; its picture has the size of the source' : ', and back'
          }`,
        ]
      : [],
  };
}

/** Runs such images through a network that gives no image. */
export function pixelsToTable(
  builder: GraphBuilder,
  pixels: PixelsFor,
  plan: ComposePlan,
  io: TableIo,
): ComposedNetwork {
  const { model, batch, padded } = plan;
  const size = model.fixedSize ?? padded;
  const { network, geometry } = enterNetwork(builder, pixels, plan, io, io.fit);
  const shapes = networkShapes(plan, dimsOf(io.input, batch, size));
  const resized = size.width !== padded.width || size.height !== padded.height;
  return {
    macs: countMacs(shapes),
    verified: true,
    shapes,
    blocks: undefined,
    finite: undefined,
    geometry,
    included: network,
    notes: resized
      ? [
          `frames are fitted to ${size.width}x${size.height}, the model's size (${io.fit}; "fit" in its manifest says how)`,
        ]
      : [],
  };
}

function pixelsOf(
  builder: GraphBuilder,
  blocks: string,
  { padded, input }: ComposePlan,
  chroma: ChromaSampling,
): PixelsFor {
  const size = { width: padded.width / 2, height: padded.height / 2 };
  return (tensor) => pixelsFromBlocks(builder, blocks, size, input, tensor, chroma);
}

/** Includes the network behind images of the padded size; says how its input lies in the frame. */
function enterNetwork(
  builder: GraphBuilder,
  pixels: PixelsFor,
  plan: ComposePlan,
  io: PixelIo | TableIo,
  fit: Fit,
): { readonly network: GraphProto; readonly geometry: Geometry } {
  const { model, graph, frames, padded, input } = plan;
  const sizes = { source: input, padded, size: model.fixedSize ?? padded };
  const fitted = fitPixels(builder, pixels(io.input), sizes, io.input, fit, frames);
  const feeds = feedsOf(builder, fitted.pixels, plan, io.input);
  const images = sourceImages(builder, pixels, plan);
  const states = enterStates(builder, model.recurrence);
  const network = inlineGraph(graph, new Map([...feeds, ...images, ...states]));
  builder.include(network);
  return { network, geometry: fitted.geometry };
}

/** Returns the frames of an output that are made. */
function takenFrom(builder: GraphBuilder, output: string, several: SeveralFrames): string {
  return several.kind === 'take' ? builder.slice(output, 1, several.place, several.place + 1) : output;
}

/** Adds the check of finite numbers. Frames of a chunk depend on each other: it is one for all of them. */
function checkedFrames(
  builder: GraphBuilder,
  network: GraphProto,
  end: NetworkEnd,
  facts: NetworkFacts,
  { model, batch }: ComposePlan,
): string | undefined {
  if (model.several?.kind !== 'chunk') return finiteCheck(builder, network, end, facts);
  const one = finiteCheck(builder, network, { ...end, batch: 1 }, facts);
  return one && builder.concat(Array<string>(batch).fill(one), 0);
}

/** Returns the tensor of each input that takes the source frame, by its name. */
function sourceImages(
  builder: GraphBuilder,
  pixels: PixelsFor,
  { model, batch, frames, padded }: ComposePlan,
): ReadonlyMap<string, string> {
  const before = model.window?.before ?? 0;
  return new Map(
    (model.sources?.feeds ?? []).map(({ tensor, size = padded }) => {
      const all = pixels(tensor);
      const own = frames === batch ? all : builder.slice(all, 0, before, before + batch);
      return [tensor.name, toTensor(builder, resizePixels(builder, own, padded, size), tensor)];
    }),
  );
}

export function upscaled(size: Size, scale: number): Size {
  return { width: size.width * scale, height: size.height * scale };
}

/** Returns the dimensions of a tensor of images of a size. */
export function dimsOf(tensor: PixelTensor, batch: number, { width, height }: Size): readonly number[] {
  const channels = channelCount(tensor.channels);
  switch (tensor.layout) {
    case 'nchw':
      return [batch, channels, height, width];
    case 'nhwc':
      return [batch, height, width, channels];
    case 'nhw':
      return [batch, height, width];
  }
}

/**
 * Returns the tensor of each input that takes frames, by its name. `pixels` are those of a run of frames and
 * its halo: frame i of the batch is frame i + `before` of them. Where neighbours stop at scene cuts, an input
 * of the graph says which they are.
 */
function feedsOf(
  builder: GraphBuilder,
  pixels: string,
  { model, batch, frames, padded }: ComposePlan,
  tensor: PixelTensor,
): ReadonlyMap<string, string> {
  const all = toTensor(builder, pixels, tensor);
  const size = model.fixedSize ?? padded;
  const before = model.window?.before ?? 0;
  const offsets = offsetsOf(model.feeds);
  const at = (offset: number): string => {
    if (frames === batch) return all;
    if (model.cuts?.neighbours !== true)
      return builder.slice(all, 0, before + offset, before + offset + batch);
    const place = offsets.indexOf(offset);
    const places = builder.reshape(builder.slice(NEIGHBOURS_INPUT, 0, place, place + 1), [batch]);
    return builder.node('Gather', [all, places]);
  };
  return new Map(
    model.feeds.map(({ name, offsets, stack }) => {
      const [first = all, ...others] = offsets.map(at);
      if (stack === 'chunk') return [name, builder.unsqueeze(all, 0)];
      if (stack === 'single') return [name, builder.reshape(first, dimsOf(tensor, 1, size).slice(1))];
      if (stack === undefined || others.length === 0) return [name, first];
      if (stack === 'channels')
        return [name, builder.concat([first, ...others], axesOf(tensor.layout).channels)];
      return [
        name,
        builder.concat(
          [first, ...others].map((one) => builder.unsqueeze(one, 1)),
          1,
        ),
      ];
    }),
  );
}

/**
 * Converts float NCHW to the tensor's type and layout. The transpose comes last, when samples may be one
 * byte.
 */
function toTensor(builder: GraphBuilder, pixels: string, { type, layout }: PixelTensor): string {
  const samples = toSampleType(builder, pixels, type);
  return layout === 'nchw' ? samples : builder.transpose(samples, [0, 2, 3, 1]);
}

/** Converts images in a tensor's type and layout to float NCHW. */
export function fromTensor(builder: GraphBuilder, x: string, { type, layout }: PixelTensor): string {
  return fromSampleType(builder, planesOf(builder, x, layout), type);
}

function planesOf(builder: GraphBuilder, x: string, layout: TensorLayout): string {
  switch (layout) {
    case 'nchw':
      return x;
    case 'nhwc':
      return builder.transpose(x, [0, 3, 1, 2]);
    case 'nhw':
      return builder.unsqueeze(x, 1);
  }
}
