import { chromaSize, type FrameLayout, frameSamples } from '../../video/formats/frame-format.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Size } from '../load/network.js';

/**
 * Smaller frames are padded to this size: networks that pad by reflection need it, also in their downsampled
 * layers.
 */
const LEAST_SIDE = 32;

/**
 * Returns the size, even and a multiple of `multiple`, to which a frame is padded on the right and at the
 * bottom.
 */
export function paddedSize(size: Size, multiple: number): Size {
  const step = multiple % 2 === 0 ? multiple : 2 * multiple;
  const pad = (side: number) => Math.ceil(Math.max(side, LEAST_SIDE) / step) * step;
  return { width: pad(size.width), height: pad(size.height) };
}

/** The type of wire samples in a graph. */
export type SampleTensor = 'uint8' | 'uint16';

/** Returns the type of the samples of a format in a graph. */
export function sampleTensor({ sample }: Pick<FrameLayout, 'sample'>): SampleTensor {
  return sample.bytesPerSample === 1 ? 'uint8' : 'uint16';
}

/**
 * Converts wire frames, [batch, samples], to blocks: [batch, 6, h/2, w/2] for the padded size w x h, both of
 * the type of their samples. Channels: Y(0,0), Y(0,1), Y(1,0), Y(1,1) (row, column), U, V, as coded. Pads
 * by reflection; an odd side first repeats its last sample, so that the last block is complete.
 *
 * The luma goes through two transposes, rows then columns. ONNX Runtime has a fast path for each: 1 ms per
 * 1080p frame on one core, where a single five-dimensional transpose takes 20 ms.
 */
export function blocksFromFrames(
  builder: GraphBuilder,
  frames: string,
  size: FrameLayout,
  padded: Size,
  batch: number,
): string {
  const { width, height } = size;
  const chroma = chromaSize(size);
  const [w, h] = [padded.width / 2, padded.height / 2];
  const lumaSamples = width * height;

  const plane = builder.reshape(builder.slice(frames, 1, 0, lumaSamples), [batch, 1, height, width]);
  const luma = extend(builder, plane, size, padded);
  const rows = builder.transpose(builder.reshape(luma, [batch, h, 2, padded.width]), [0, 2, 1, 3]);
  const columns = builder.transpose(builder.reshape(rows, [2 * batch, h * w, 2]), [0, 2, 1]);

  const colours = builder.slice(frames, 1, lumaSamples, frameSamples(size));
  const planes = builder.reshape(colours, [batch, 2, chroma.height, chroma.width]);
  return builder.concat(
    [builder.reshape(columns, [batch, 4, h, w]), extend(builder, planes, chroma, { width: w, height: h })],
    1,
  );
}

/** The planes of a batch of frames: luma [batch, 1, height, width], chroma [batch, 2, rows, columns]. */
export interface Planes {
  readonly luma: string;
  readonly chroma: string;
}

/** Converts blocks, [batch, 6, h/2, w/2] for the padded size w x h, to the planes of frames of `size`. */
export function planesFromBlocks(
  builder: GraphBuilder,
  blocks: string,
  size: FrameLayout,
  padded: Size,
  batch: number,
): Planes {
  const [w, h] = [padded.width / 2, padded.height / 2];

  const columns = builder.reshape(builder.slice(blocks, 1, 0, 4), [2 * batch, 2, h * w]);
  const rows = builder.reshape(builder.transpose(columns, [0, 2, 1]), [batch, 2, h, padded.width]);
  const luma = builder.reshape(builder.transpose(rows, [0, 2, 1, 3]), [
    batch,
    1,
    padded.height,
    padded.width,
  ]);
  return {
    luma: crop(builder, luma, size, padded),
    chroma: crop(builder, builder.slice(blocks, 1, 4, 6), chromaSize(size), { width: w, height: h }),
  };
}

/**
 * Joins planes of wire samples into wire frames [batch, samples]. Appends to each frame its rows of `beside`,
 * [batch, n] of the same type.
 */
export function framesFromPlanes(
  builder: GraphBuilder,
  { luma, chroma }: Planes,
  size: FrameLayout,
  batch: number,
  beside: readonly string[],
): string {
  const colours = chromaSize(size);
  return builder.concat(
    [
      builder.reshape(luma, [batch, size.width * size.height]),
      builder.reshape(chroma, [batch, 2 * colours.width * colours.height]),
      ...beside,
    ],
    1,
  );
}

/**
 * Pads [N, C, H, W] at the bottom and right by reflection, with Gather: unlike Pad it takes bytes and words
 * on every provider.
 */
export function extend(builder: GraphBuilder, x: string, from: Size, to: Size): string {
  const along = (tensor: string, axis: number, side: number, wanted: number) =>
    side === wanted
      ? tensor
      : builder.concat([tensor, builder.gather(tensor, axis, reflection(side, wanted - side))], axis);
  return along(along(x, 3, from.width, to.width), 2, from.height, to.height);
}

/** Takes the upper left part of [N, C, H, W]. */
export function crop(builder: GraphBuilder, x: string, to: Size, from: Size): string {
  const along = (tensor: string, axis: number, side: number, wanted: number) =>
    side === wanted ? tensor : builder.slice(tensor, axis, 0, wanted);
  return along(along(x, 2, from.height, to.height), 3, from.width, to.width);
}

/**
 * Returns the indexes of `count` samples that follow a row of `side` by reflection, several times if needed.
 */
export function reflection(side: number, count: number): readonly number[] {
  const whole = side % 2 === 0 ? side : side + 1;
  const period = Math.max(1, 2 * (whole - 1));
  return Array.from({ length: count }, (_, at) => {
    const phase = (side + at) % period;
    return Math.min(phase < whole ? phase : period - phase, side - 1);
  });
}
