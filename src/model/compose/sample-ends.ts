/** From whole RGB samples to the numbers of a network's images, and back. */
import type { GraphBuilder } from '../graph/graph-builder.js';
import {
  BOUNDS,
  type ChannelOrder,
  channelCount,
  type PixelTensor,
  type ValueRange,
} from '../ports/tensors.js';

type Tensor = Omit<PixelTensor, 'name' | 'layout'>;

/** Weights of R', G' and B' in the luma of grey images: ITU-R BT.709-6 item 3.2. */
const LUMA = [0.2126, 0.7152, 0.0722] as const;
const LARGEST = 255;

/** Converts RGB samples, float [N, 3, H, W] 0..255, to images, float [N, C, H, W] in the tensor's numbers. */
export function numbersFromSamples(
  builder: GraphBuilder,
  samples: string,
  { channels, range, type }: Tensor,
): string {
  const [low, high] = bounds(range);
  const ordered = fromRgb(builder, samples, channels);
  const rounding = type === 'uint8' ? 0.5 : 0;
  const scaled = builder.scaleAndShift(ordered, [], [(high - low) / LARGEST], [low + rounding]);
  if (typeof range === 'string') return rounding === 0 ? scaled : builder.clip(scaled, low, high);
  const { mean, std } = range;
  return builder.scaleAndShift(
    scaled,
    [1, channelCount(channels), 1, 1],
    std.map((one) => 1 / one),
    std.map((one, at) => -(mean[at] ?? 0) / one),
  );
}

/** Converts images in the tensor's numbers to RGB samples, float [N, 3, H, W] 0..255, not rounded. */
export function samplesFromNumbers(builder: GraphBuilder, numbers: string, tensor: Tensor): string {
  const { channels, range } = tensor;
  const [low, high] = bounds(range);
  const plain =
    typeof range === 'string'
      ? numbers
      : builder.scaleAndShift(numbers, [1, channelCount(channels), 1, 1], range.std, range.mean);
  const factor = LARGEST / (high - low);
  const scaled = builder.scaleAndShift(builder.clip(plain, low, high), [], [factor], [-low * factor]);
  return toRgb(builder, scaled, channels);
}

function bounds(range: ValueRange): readonly [low: number, high: number] {
  return typeof range === 'string' ? BOUNDS[range] : [0, 1];
}

function fromRgb(builder: GraphBuilder, rgb: string, channels: ChannelOrder): string {
  switch (channels) {
    case 'rgb':
      return rgb;
    case 'bgr':
      return builder.gather(rgb, 1, [2, 1, 0]);
    case 'grey':
      return builder.conv(rgb, { dims: [1, 3, 1, 1], weights: LUMA, bias: [0] });
  }
}

function toRgb(builder: GraphBuilder, images: string, channels: ChannelOrder): string {
  switch (channels) {
    case 'rgb':
      return images;
    case 'bgr':
      return builder.gather(images, 1, [2, 1, 0]);
    case 'grey':
      return builder.concat([images, images, images], 1);
  }
}
