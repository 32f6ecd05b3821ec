/** Inputs that take the frame as it came, beside the one that was brought to the network's size. */
import type { PixelTensor, TensorLayout } from './tensors.js';
import { axesOf, channelCount } from './tensors.js';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** An input that takes the source frame, in numbers and channels of its own. */
export interface SourceFeed {
  readonly tensor: Required<PixelTensor>;
  /** The size to which the frame is brought; undefined: its own, with its padding. */
  readonly size: Size | undefined;
}

/** The inputs of a network that take the source frame. */
export interface SourceFrames {
  readonly feeds: readonly SourceFeed[];
  /** True if the picture has the size of the source, not that of the frames. */
  readonly sizesPicture: boolean;
}

/** Returns whether an input takes the source frame in its own size, whatever that is. */
export function takesAnySize(sources: Pick<SourceFrames, 'feeds'> | undefined): boolean {
  return sources?.feeds.some(({ size }) => size === undefined) === true;
}

/** Returns the dimensions of each such input, by its name, for a batch of frames of the size `own`. */
export function sourceDims(
  sources: Pick<SourceFrames, 'feeds'> | undefined,
  batch: number,
  own: Size,
): ReadonlyMap<string, readonly number[]> {
  return new Map(
    (sources?.feeds ?? []).map(({ tensor, size }) => [tensor.name, imageOf(tensor, batch, size ?? own)]),
  );
}

function imageOf(
  { channels, layout }: { readonly channels: PixelTensor['channels']; readonly layout: TensorLayout },
  batch: number,
  { width, height }: Size,
): readonly number[] {
  const axes = axesOf(layout);
  const dims = [batch, 0, 0, 0];
  dims[axes.channels] = channelCount(channels);
  dims[axes.height] = height;
  dims[axes.width] = width;
  return dims;
}
