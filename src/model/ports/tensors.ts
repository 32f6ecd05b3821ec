/** How the numbers of image tensors are meant. */
/** `nhw`: one channel without an axis of its own. Its dimensions are told as those of `nchw`. */
export type TensorLayout = 'nchw' | 'nhwc' | 'nhw';
export type SampleType = 'float32' | 'float16' | 'uint8' | 'int32';
export type ChannelOrder = 'rgb' | 'bgr' | 'grey';
/** The numbers that stand for black and white. */
export type NamedRange = '0..1' | '0..255' | '-1..1';
/**
 * value = (x - mean) / std per channel, x in 0..1 and in the tensor's own channel order. A negative std:
 * larger numbers are darker.
 */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}
export type ValueRange = NamedRange | ChannelStatistics;
/**
 * Chroma resampling to full resolution and back: one sample for the four pixels of a block, or interpolated.
 */
export type ChromaSampling = 'nearest' | 'linear';

/**
 * How frames come to a model's fixed size: stretched; whole, with grey bars; or so that they cover it, and
 * their middle is kept.
 */
export type Fit = 'stretch' | 'letterbox' | 'crop';

/** An image tensor of an RGB model. `name` may be omitted if the graph has only one such tensor. */
export interface PixelTensor {
  readonly name?: string;
  readonly layout: TensorLayout;
  readonly type: SampleType;
  readonly channels: ChannelOrder;
  readonly range: ValueRange;
}

/** A [N, 6, H/2, W/2] tensor of 2x2 blocks: Y(0,0), Y(0,1), Y(1,0), Y(1,1) (row, column), U, V. */
export interface BlockTensor {
  readonly name?: string;
  readonly type: SampleType;
  /** Range of the coded 8-bit sample: `0..1` is sample / 255. */
  readonly range: NamedRange;
}

export const FITS: readonly Fit[] = ['stretch', 'letterbox', 'crop'];
/** Those that a user may state; shapes alone tell `nhw`. */
export const LAYOUTS: readonly TensorLayout[] = ['nchw', 'nhwc'];
export const SAMPLE_TYPES: readonly SampleType[] = ['float32', 'float16', 'uint8', 'int32'];
export const CHANNEL_ORDERS: readonly ChannelOrder[] = ['rgb', 'bgr', 'grey'];
export const NAMED_RANGES: readonly NamedRange[] = ['0..1', '0..255', '-1..1'];
export const CHROMA_SAMPLINGS: readonly ChromaSampling[] = ['nearest', 'linear'];

/** The values of black and white, for ranges that are the same in all channels. */
export const BOUNDS: Readonly<Record<NamedRange, readonly [low: number, high: number]>> = {
  '0..1': [0, 1],
  '0..255': [0, 255],
  '-1..1': [-1, 1],
};

/** Returns whether samples of a type are whole numbers: then they are the codes of bytes. */
export function isWhole(type: string): boolean {
  return type === 'uint8' || type === 'int32';
}

export function channelCount(channels: ChannelOrder): number {
  return channels === 'grey' ? 1 : 3;
}

/** Returns the indexes of channels, height and width among the four dimensions. */
export function axesOf(layout: TensorLayout): {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
} {
  return layout === 'nhwc' ? { channels: 3, height: 1, width: 2 } : { channels: 1, height: 2, width: 3 };
}
