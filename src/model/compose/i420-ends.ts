import {
  chromaSize,
  type FrameLayout,
  frameSamples,
  type SampleFormat,
} from '../../video/formats/frame-format.js';
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

/** A sample of a block of 2x2 pixels: of Y, U or V, and its row and column among those of its plane. */
export interface BlockSample {
  readonly component: 0 | 1 | 2;
  readonly row: number;
  readonly column: number;
}

/** How often the sides of a plane are halved beside luma's. */
interface Shift {
  readonly x: 0 | 1;
  readonly y: 0 | 1;
}

const WHOLE: Shift = { x: 0, y: 0 };

/** Returns the samples of a block in the order of its channels: Y(0,0), Y(0,1), Y(1,0), Y(1,1), U, V. */
export function blockSamples({ chromaShift }: SampleFormat): readonly BlockSample[] {
  const ofPlane = (component: 0 | 1 | 2, { x, y }: Shift): readonly BlockSample[] =>
    Array.from({ length: 2 >> y }, (_, row) =>
      Array.from({ length: 2 >> x }, (_, column) => ({ component, row, column })),
    ).flat();
  return [...ofPlane(0, WHOLE), ...ofPlane(1, chromaShift), ...ofPlane(2, chromaShift)];
}

/** The type of wire samples in a graph. */
export type SampleTensor = 'uint8' | 'uint16';

/** Returns the type of the samples of a format in a graph. */
export function sampleTensor({ sample }: Pick<FrameLayout, 'sample'>): SampleTensor {
  return sample.bytesPerSample === 1 ? 'uint8' : 'uint16';
}

/**
 * Converts wire frames, [batch, samples], to blocks: [batch, channels, h/2, w/2] for the padded size w x h,
 * both of the type of their samples. Channels, as coded: those of `blockSamples`, so six of 4:2:0, eight of
 * 4:2:2, twelve of 4:4:4. Pads by reflection; an odd side first repeats its last sample, so that the last
 * block is complete.
 */
export function blocksFromFrames(
  builder: GraphBuilder,
  frames: string,
  size: FrameLayout,
  padded: Size,
  batch: number,
): string {
  const { width, height, sample } = size;
  const chroma = chromaSize(size);
  const lumaSamples = width * height;

  const plane = builder.reshape(builder.slice(frames, 1, 0, lumaSamples), [batch, 1, height, width]);
  const luma = extend(builder, plane, size, padded);

  const colours = builder.slice(frames, 1, lumaSamples, frameSamples(size));
  const planes = builder.reshape(colours, [batch, 2, chroma.height, chroma.width]);
  const wide = extend(builder, planes, chroma, chromaSize({ ...padded, sample }));
  return builder.concat(
    [
      blocksOfPlanes(builder, luma, padded, batch, 1, WHOLE),
      blocksOfPlanes(builder, wide, padded, batch, 2, sample.chromaShift),
    ],
    1,
  );
}

/**
 * Converts planes, [batch, count, rows, columns], of a frame whose blocks cover the padded size, to blocks:
 * all samples of a block of the first plane, then those of the next.
 *
 * Whole planes go through two transposes, rows then columns. ONNX Runtime has a fast path for each: 1 ms per
 * 1080p frame on one core, where a single five-dimensional transpose takes 20 ms.
 */
function blocksOfPlanes(
  builder: GraphBuilder,
  planes: string,
  padded: Size,
  batch: number,
  count: number,
  { x, y }: Shift,
): string {
  if (x === 1 && y === 1) return planes;
  const [w, h, all] = [padded.width / 2, padded.height / 2, batch * count];
  const across = padded.width >> x;
  const rows = builder.transpose(builder.reshape(planes, [all, h, 2, across]), [0, 2, 1, 3]);
  if (x === 1) return builder.reshape(rows, [batch, 2 * count, h, w]);
  const columns = builder.transpose(builder.reshape(rows, [2 * all, h * w, 2]), [0, 2, 1]);
  return builder.reshape(columns, [batch, 4 * count, h, w]);
}

/** Converts such blocks back to planes. */
function planesOfBlocks(
  builder: GraphBuilder,
  blocks: string,
  padded: Size,
  batch: number,
  count: number,
  { x, y }: Shift,
): string {
  if (x === 1 && y === 1) return blocks;
  const [w, h, all] = [padded.width / 2, padded.height / 2, batch * count];
  const across = padded.width >> x;
  const apart =
    x === 1
      ? builder.reshape(blocks, [all, 2, h, across])
      : builder.reshape(builder.transpose(builder.reshape(blocks, [2 * all, 2, h * w]), [0, 2, 1]), [
          all,
          2,
          h,
          across,
        ]);
  return builder.reshape(builder.transpose(apart, [0, 2, 1, 3]), [batch, count, padded.height, across]);
}

/** The planes of a batch of frames: luma [batch, 1, height, width], chroma [batch, 2, rows, columns]. */
export interface Planes {
  readonly luma: string;
  readonly chroma: string;
}

/** Converts blocks, [batch, samples, h/2, w/2] for the padded size w x h, to planes of frames of `size`. */
export function planesFromBlocks(
  builder: GraphBuilder,
  blocks: string,
  size: FrameLayout,
  padded: Size,
  batch: number,
): Planes {
  const { sample } = size;
  const { length } = blockSamples(sample);
  const luma = planesOfBlocks(builder, builder.slice(blocks, 1, 0, 4), padded, batch, 1, WHOLE);
  const own = builder.slice(blocks, 1, 4, length);
  const chroma = planesOfBlocks(builder, own, padded, batch, 2, sample.chromaShift);
  return {
    luma: crop(builder, luma, size, padded),
    chroma: crop(builder, chroma, chromaSize(size), chromaSize({ ...padded, sample })),
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
