import { JobError, messageOf } from '../../system/errors.js';
import { isRefusal } from '../../system/refusal.js';
import { type ElementType, elementBytes, rawNumbers } from './numbers.js';
import { BOUNDS, type ChannelOrder, channelCount, type TensorLayout, type ValueRange } from './tensors.js';

/** What the numbers of a picture's tensor mean, and its size; without a size it is the picture's own. */
export interface PictureTensor {
  readonly layout: TensorLayout;
  readonly channels: ChannelOrder;
  readonly range: ValueRange;
  readonly type: ElementType;
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

/**
 * What pictures may be, by sharp's names: not SVG, which can name other files, whatever its own name says.
 */
const FORMATS: readonly string[] = ['jpeg', 'png', 'webp', 'tiff'];

/** Weights of R', G' and B' in the luma of grey pictures: ITU-R BT.709-6 item 3.2. */
const LUMA = [0.2126, 0.7152, 0.0722] as const;

/**
 * Reads a picture (JPEG, PNG, WebP, TIFF) as a tensor of one image. It is turned as its EXIF tag says,
 * converted to sRGB, and without transparency; to another size it is enlarged or reduced to cover it, and
 * its middle is kept.
 *
 * @param bytes those of the file; `file` is for messages.
 * @param mostBytes the most bytes that the tensor may have.
 * @throws {JobError} model: when it cannot be read.
 */
export async function readPicture(
  bytes: Uint8Array,
  file: string,
  { layout, channels, range, type, size }: PictureTensor,
  mostBytes: number,
): Promise<{ readonly dims: readonly number[]; readonly data: Uint8Array }> {
  const { data: rgb, info } = await rgbOf(
    bytes,
    size,
    mostBytes / (channelCount(channels) * elementBytes(type)),
  ).catch((cause: unknown) => {
    throw new JobError('model', `the picture "${file}" cannot be read: ${messageOf(cause)}`, { cause });
  });
  const { width, height } = info;
  const count = channelCount(channels);
  const area = width * height;
  const values = new Float64Array(count * area);
  const scales = Array.from({ length: count }, (_, channel) => scaleOf(range, channel));
  for (let pixel = 0; pixel < area; pixel++) {
    const [r = 0, g = 0, b = 0] = [rgb[3 * pixel], rgb[3 * pixel + 1], rgb[3 * pixel + 2]];
    const grey = LUMA[0] * r + LUMA[1] * g + LUMA[2] * b;
    const samples = channels === 'grey' ? [grey] : channels === 'rgb' ? [r, g, b] : [b, g, r];
    for (let channel = 0; channel < count; channel++) {
      const [factor = 1, offset = 0] = scales[channel] ?? [];
      const at = layout === 'nchw' ? channel * area + pixel : count * pixel + channel;
      const value = ((samples[channel] ?? 0) / 255) * factor + offset;
      values[at] = type.startsWith('float') ? value : Math.round(value);
    }
  }
  const data = rawNumbers(type, values);
  if (isRefusal(data)) throw new JobError('model', `the picture "${file}" does not fit: ${data.refusal}`);
  const dims = layout === 'nchw' ? [1, count, height, width] : [1, height, width, count];
  return { dims, data };
}

/** Returns factor and offset from samples in 0..1 to the tensor's numbers. */
function scaleOf(range: ValueRange, channel: number): readonly [factor: number, offset: number] {
  if (typeof range === 'string') {
    const [low, high] = BOUNDS[range];
    return [high - low, low];
  }
  const std = range.std[channel] ?? 1;
  return [1 / std, -(range.mean[channel] ?? 0) / std];
}

async function rgbOf(bytes: Uint8Array, size: PictureTensor['size'], mostPixels: number) {
  const { default: sharp } = await import('sharp');
  const { format, width, height } = await sharp(bytes).metadata();
  if (!FORMATS.includes(format)) throw new Error(`it is ${format}, and none of ${FORMATS.join(', ')}`);
  const pixels = size === undefined ? width * height : size.width * size.height;
  if (pixels > mostPixels) throw new Error(`${pixels} pixels are more than ${Math.floor(mostPixels)}`);
  const turned = sharp(bytes, { failOn: 'warning' }).rotate();
  const sized = size === undefined ? turned : turned.resize(size.width, size.height, { fit: 'cover' });
  return sized.removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
}
