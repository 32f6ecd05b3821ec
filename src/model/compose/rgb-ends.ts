import { neutralChroma, type SampleFormat } from '../../video/formats/frame-format.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Affine } from '../passes/affine-conv-fusion.js';
import {
  BOUNDS,
  type ChannelOrder,
  type ChromaSampling,
  isWhole,
  type PixelTensor,
  type ValueRange,
} from '../ports/tensors.js';
import { type ColourCoding, codedFromRgb, greyFromLuma, lumaFromGrey, rgbFromCoded } from './colour.js';
import { blockSamples } from './i420-ends.js';

/**
 * Weights, along one side of a block, of the samples around a chroma sample, and of the chroma samples around
 * a pixel. `lead` is how far the weights begin before the block.
 */
interface Siting {
  readonly up: { readonly weights: readonly number[]; readonly lead: number };
  readonly down: { readonly weights: readonly number[]; readonly lead: number };
}

/** In the middle of its pixels, whose chroma it is; the round trip is exact. */
const MIDDLE: Siting = { up: { weights: [1, 1], lead: 0 }, down: { weights: [0.5, 0.5], lead: 0 } };

/**
 * Positions of a chroma sample along the sides that are halved.
 *
 * - nearest: in the middle of its pixels.
 * - linear: the default of H.264 and MPEG-2 (ITU-T H.264 figures E-1, type 0, and 6-2), on the left column
 *   and in 4:2:0 halfway between the rows; bilinear upsampling, [1 2 1] / 4 downsampling.
 */
const SITING: Readonly<Record<ChromaSampling, { readonly rows: Siting; readonly columns: Siting }>> = {
  nearest: { rows: MIDDLE, columns: MIDDLE },
  linear: {
    rows: { up: { weights: [0.25, 0.75, 0.75, 0.25], lead: 1 }, down: MIDDLE.down },
    columns: { up: { weights: [0.5, 1, 0.5], lead: 1 }, down: { weights: [0.25, 0.5, 0.25], lead: 1 } },
  },
};

/** Returns where chroma lies. Sides that are not halved have a sample for each pixel, whatever the siting. */
function sitingOf({ chromaShift }: SampleFormat, channels: ChannelOrder, chroma: ChromaSampling) {
  const { rows, columns } = SITING[channels === 'grey' ? 'nearest' : chroma];
  return { rows: chromaShift.y === 1 ? rows : MIDDLE, columns: chromaShift.x === 1 ? columns : MIDDLE };
}

/** Returns the weight of the pixel at `place` of a kernel in a sample, along one side. */
function weightAt({ weights, lead }: Siting['up'], place: number, own: number, isHalved: boolean): number {
  return isHalved ? (weights[place] ?? 0) : Number(place - lead === own);
}

/**
 * Converts blocks, float [N, samples, h, w], coded, to images, float [N, C, 2h, 2w] in `tensor`'s range and
 * channel order, clipped to that range as a stored image would be. One transposed convolution does chroma,
 * matrix, range and order.
 */
export function pixelsFromBlocks(
  builder: GraphBuilder,
  blocks: string,
  size: { readonly width: number; readonly height: number },
  coding: ColourCoding,
  tensor: Omit<PixelTensor, 'name'>,
  chroma: ChromaSampling,
): string {
  const [low, high] = bounds(tensor.range);
  const colour = channelsFromCoded(coding, tensor.channels);
  const channels = colour.rows.length;
  const { rows, columns } = sitingOf(coding.sample, tensor.channels, chroma);
  const rounding = isWhole(tensor.type) ? 0.5 : 0;

  const samples = blockSamples(coding.sample);
  const weights: number[] = [];
  for (const { component, row: ownRow, column: ownColumn } of samples) {
    const isHalved = halvedSides(coding.sample, component);
    for (const factors of colour.rows) {
      for (const row of rows.up.weights.keys()) {
        const rowWeight = weightAt(rows.up, row, ownRow, isHalved.rows);
        for (const column of columns.up.weights.keys()) {
          const weight = rowWeight * weightAt(columns.up, column, ownColumn, isHalved.columns);
          weights.push((high - low) * weight * (factors[component] ?? 0));
        }
      }
    }
  }
  const [isTall, isWide] = [rows.up.lead > 0, columns.up.lead > 0];
  const extended = repeatEdges(builder, blocks, size, isTall, isWide);
  const pixels = builder.convTranspose(extended, {
    dims: [samples.length, channels, rows.up.weights.length, columns.up.weights.length],
    weights,
    bias: colour.offset.map((one) => low + (high - low) * one + rounding),
    stride: 2,
    // Twice the extension, and the reach of the kernel beyond its block.
    pads: [isTall ? 3 : 0, isWide ? 1 : 0, isTall ? 3 : 0, isWide ? 2 : 0],
  });
  const clipped = builder.clip(pixels, low, high);
  if (typeof tensor.range === 'string') return clipped;
  const { mean, std } = tensor.range;
  return builder.scaleAndShift(
    clipped,
    [1, channels, 1, 1],
    std.map((one) => 1 / one),
    std.map((one, at) => -(mean[at] ?? 0) / one),
  );
}

/**
 * Converts images, float [N, C, 2h, 2w] in `tensor`'s range, to blocks, float [N, samples, h, w], coded,
 * times `gain`, plus `bias`. Clips images to their range first. Grey images get neutral chroma.
 */
export function blocksFromPixels(
  builder: GraphBuilder,
  pixels: string,
  coding: ColourCoding,
  tensor: Omit<PixelTensor, 'name'>,
  chroma: ChromaSampling,
  gain: number,
  bias: number,
): string {
  const [low, high] = bounds(tensor.range);
  const colour = codedFromChannels(coding, tensor.channels);
  const channels = tensor.channels === 'grey' ? 1 : 3;
  const { rows, columns } = sitingOf(coding.sample, tensor.channels, chroma);

  const samples = blockSamples(coding.sample);
  const weights: number[] = [];
  for (const { component, row: ownRow, column: ownColumn } of samples) {
    const isHalved = halvedSides(coding.sample, component);
    for (const factor of colour.rows[component] ?? []) {
      for (const row of rows.down.weights.keys()) {
        const rowWeight = weightAt(rows.down, row, ownRow, isHalved.rows);
        for (const column of columns.down.weights.keys()) {
          const weight = rowWeight * weightAt(columns.down, column, ownColumn, isHalved.columns);
          weights.push((gain * weight * factor) / (high - low));
        }
      }
    }
  }
  const clipped = builder.clip(toBounds(builder, pixels, tensor.range, channels), low, high);
  const { lead } = columns.down;
  const padded = lead === 0 ? clipped : builder.concat([builder.slice(clipped, 3, 0, lead), clipped], 3);
  return builder.conv(padded, {
    dims: [samples.length, channels, rows.down.weights.length, columns.down.weights.length],
    weights,
    bias: samples.map(({ component }) => {
      const zero = (colour.rows[component] ?? []).reduce(
        (sum, factor) => sum + (factor * low) / (high - low),
        0,
      );
      return gain * ((colour.offset[component] ?? 0) - zero) + bias;
    }),
    stride: 2,
  });
}

function halvedSides({ chromaShift: { x, y } }: SampleFormat, component: number) {
  return { rows: component > 0 && y === 1, columns: component > 0 && x === 1 };
}

function bounds(range: ValueRange): readonly [low: number, high: number] {
  return typeof range === 'string' ? BOUNDS[range] : [0, 1];
}

function toBounds(builder: GraphBuilder, pixels: string, range: ValueRange, channels: number): string {
  return typeof range === 'string'
    ? pixels
    : builder.scaleAndShift(pixels, [1, channels, 1, 1], range.std, range.mean);
}

/** Returns the map coded (Y, U, V) -> the channels in their order, 0..1. */
function channelsFromCoded(coding: ColourCoding, channels: ChannelOrder): Affine {
  if (channels === 'grey') {
    const { factor, offset } = greyFromLuma(coding);
    return { rows: [[factor, 0, 0]], offset: [offset] };
  }
  const rgb = rgbFromCoded(coding);
  return channels === 'rgb' ? rgb : { rows: rgb.rows.toReversed(), offset: rgb.offset.toReversed() };
}

/** Returns the map the channels in their order, 0..1 -> coded (Y, U, V). */
function codedFromChannels(coding: ColourCoding, channels: ChannelOrder): Affine {
  if (channels === 'grey') return codedFromGrey(coding);
  const coded = codedFromRgb(coding);
  return channels === 'rgb'
    ? coded
    : { rows: coded.rows.map((row) => row.toReversed()), offset: coded.offset };
}

function codedFromGrey(coding: ColourCoding): Affine {
  const { factor, offset } = lumaFromGrey(coding);
  const neutral = neutralChroma(coding.sample);
  return { rows: [[factor], [0], [0]], offset: [offset, neutral, neutral] };
}

/**
 * Extends [N, C, h, w] to [N, C, h + 2, w]: repeats the top and bottom rows; and to the width w + 1: repeats
 * the right column.
 */
function repeatEdges(
  builder: GraphBuilder,
  x: string,
  { width, height }: { readonly width: number; readonly height: number },
  isTall: boolean,
  isWide: boolean,
): string {
  const rows = isTall
    ? builder.concat([builder.slice(x, 2, 0, 1), x, builder.slice(x, 2, height - 1, height)], 2)
    : x;
  return isWide ? builder.concat([rows, builder.slice(rows, 3, width - 1, width)], 3) : rows;
}
