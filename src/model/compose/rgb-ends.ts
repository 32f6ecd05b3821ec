import { neutralChroma } from '../../video/formats/frame-format.js';
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

/**
 * Positions of a chroma sample, as weights of the pixels around the first row and column of its block.
 *
 * - nearest: in the middle of its four pixels; the round trip is exact.
 * - linear: the default of H.264 and MPEG-2 (ITU-T H.264 figure E-1, type 0), on the left column, halfway
 *   between the rows; bilinear upsampling, [1 2 1] / 4 downsampling.
 */
const SITING = {
  nearest: {
    up: { rows: [1, 1], columns: [1, 1], top: 0, left: 0 },
    down: { rows: [0.5, 0.5], columns: [0.5, 0.5], left: 0 },
  },
  linear: {
    up: { rows: [0.25, 0.75, 0.75, 0.25], columns: [0.5, 1, 0.5], top: 1, left: 1 },
    down: { rows: [0.5, 0.5], columns: [0.25, 0.5, 0.25], left: 1 },
  },
} as const;

/**
 * Converts blocks, float [N, 6, h, w], coded, to images, float [N, C, 2h, 2w] in `tensor`'s range and
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
  const sampling = tensor.channels === 'grey' ? 'nearest' : chroma;
  const { rows, columns, top, left } = SITING[sampling].up;
  const rounding = isWhole(tensor.type) ? 0.5 : 0;

  const weights: number[] = [];
  for (let sample = 0; sample < 6; sample++) {
    for (const factors of colour.rows) {
      for (const [row, rowWeight] of rows.entries()) {
        for (const [column, columnWeight] of columns.entries()) {
          const isSample = row - top === sample >> 1 && column - left === (sample & 1);
          const weight = sample < 4 ? Number(isSample) : rowWeight * columnWeight;
          weights.push((high - low) * weight * (factors[Math.max(0, sample - 3)] ?? 0));
        }
      }
    }
  }
  const pixels = builder.convTranspose(sampling === 'linear' ? repeatEdges(builder, blocks, size) : blocks, {
    dims: [6, channels, rows.length, columns.length],
    weights,
    bias: colour.offset.map((one) => low + (high - low) * one + rounding),
    stride: 2,
    // Twice the extension, and the reach of the kernel beyond its block.
    pads: sampling === 'linear' ? [3, 1, 3, 2] : [0, 0, 0, 0],
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
 * Converts images, float [N, C, 2h, 2w] in `tensor`'s range, to blocks, float [N, 6, h, w], coded,
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
  const sampling = tensor.channels === 'grey' ? 'nearest' : chroma;
  const { rows, columns, left } = SITING[sampling].down;

  const weights: number[] = [];
  for (let sample = 0; sample < 6; sample++) {
    const factors = colour.rows[Math.max(0, sample - 3)] ?? [];
    for (const factor of factors) {
      for (const [row, rowWeight] of rows.entries()) {
        for (const [column, columnWeight] of columns.entries()) {
          const isSample = row === sample >> 1 && column - left === (sample & 1);
          const weight = sample < 4 ? Number(isSample) : rowWeight * columnWeight;
          weights.push((gain * weight * factor) / (high - low));
        }
      }
    }
  }
  const clipped = builder.clip(toBounds(builder, pixels, tensor.range, channels), low, high);
  const padded = left === 0 ? clipped : builder.concat([builder.slice(clipped, 3, 0, left), clipped], 3);
  return builder.conv(padded, {
    dims: [6, channels, rows.length, columns.length],
    weights,
    bias: [0, 0, 0, 0, 1, 2].map((at) => {
      const zero = (colour.rows[at] ?? []).reduce((sum, factor) => sum + (factor * low) / (high - low), 0);
      return gain * ((colour.offset[at] ?? 0) - zero) + bias;
    }),
    stride: 2,
  });
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

/** Extends [N, C, h, w] to [N, C, h + 2, w + 1]: repeats the top and bottom rows and the right column. */
function repeatEdges(
  builder: GraphBuilder,
  x: string,
  { width, height }: { readonly width: number; readonly height: number },
): string {
  const rows = builder.concat([builder.slice(x, 2, 0, 1), x, builder.slice(x, 2, height - 1, height)], 2);
  return builder.concat([rows, builder.slice(rows, 3, width - 1, width)], 3);
}
