import { createHash } from 'node:crypto';
import { JobError } from '../../system/errors.js';
import { isRefusal } from '../../system/refusal.js';
import type { ConstantSource, PictureFacts } from './constant-source.js';
import { type DeclaredEnd, endText, tensorText } from './ends.js';
import { parseNpy, type RawTensor } from './npy.js';
import { type ElementType, isElementType, rawNumbers } from './numbers.js';
import { readPicture } from './picture.js';
import { isWhole, type TensorLayout } from './tensors.js';

/** What is known of the frames' tensor. */
export type FramesFacts = { readonly [K in 'layout' | 'channels' | 'range']?: PictureFacts[K] | undefined };

/** An input of the graph with a value that is the same for every frame. */
export interface Constant {
  readonly name: string;
  readonly type: ElementType;
  /** As the file declares them. */
  readonly dims: DeclaredEnd['dims'];
  /** One number for every element, whatever the shape turns out to be; or a tensor. */
  readonly value:
    | { readonly kind: 'fill'; readonly data: Uint8Array }
    | ({ readonly kind: 'tensor' } & RawTensor);
  /** SHA-256 of the value, in hexadecimal. */
  readonly sha256: string;
}

/** Most bytes of a constant, which travels to every rank. */
const MOST_BYTES = 2 ** 28;

/** Reads a file of a model; `file` is for messages. */
export type ReadFile = (file: string) => Promise<Uint8Array>;

/**
 * Reads the value of a constant.
 *
 * @param frames what the numbers of the frames mean: a picture's are taken to mean the same.
 * @throws {JobError} model: when the file cannot be read, or the value does not fit the end.
 */
export async function readConstant(
  end: DeclaredEnd,
  source: ConstantSource,
  frames: FramesFacts | undefined,
  model: string,
  read: ReadFile,
): Promise<Constant> {
  const { name, type, dims } = end;
  const refuse = (why: string, hint: string): never => {
    throw new JobError('model', `the input ${endText(end)} of "${model}" cannot be ${why}`, { hint });
  };
  if (!isElementType(type))
    return refuse('a constant: its type is not supported', 'export it with another type');
  const made = (value: Constant['value']): Constant => {
    if (value.data.length > MOST_BYTES)
      refuse(`${value.data.length} bytes of constant: the limit is ${MOST_BYTES}`, 'give a smaller one');
    const shape = value.kind === 'tensor' ? value.dims.join() : 'fill';
    const sha256 = createHash('sha256').update(`${type} ${shape}\n`).update(value.data).digest('hex');
    return { name, type, dims, value, sha256 };
  };
  switch (source.kind) {
    case 'numbers': {
      const data = rawNumbers(type, source.values);
      if (isRefusal(data)) return refuse(source.values.join(','), data.refusal);
      if (source.values.length === 1) return made({ kind: 'fill', data });
      const shape = vectorDims(dims, source.values.length);
      if (shape === undefined)
        return refuse(
          `a list of ${source.values.length} numbers`,
          'give one number for all of it, or a .npy file',
        );
      return made({ kind: 'tensor', type, dims: shape, data });
    }
    case 'tensor': {
      const tensor = parseNpy(await read(source.file));
      if (isRefusal(tensor)) return refuse(`"${source.file}": ${tensor.refusal}`, 'save it with numpy.save');
      if (tensor.type !== type)
        return refuse(`"${source.file}", which holds ${tensor.type}`, `save array.astype("${type}")`);
      if (!fits(dims, tensor.dims))
        return refuse(
          `"${source.file}", which holds ${tensorText(type, tensor.dims)}`,
          'save it in that shape',
        );
      return made({ kind: 'tensor', ...tensor });
    }
    case 'picture': {
      const { layout, channels, range, size } = pictureFacts(end, source, frames, refuse);
      const bytes = await read(source.file);
      const facts = { layout, channels, range, size, type };
      const tensor = await readPicture(bytes, source.file, facts, MOST_BYTES);
      if (!fits(dims, tensor.dims))
        return refuse(
          `"${source.file}", which is ${tensorText(type, tensor.dims)} as a picture`,
          'correct its layout, channels or size in the manifest',
        );
      return made({ kind: 'tensor', type, ...tensor });
    }
  }
}

function pictureFacts(
  end: DeclaredEnd,
  source: ConstantSource & { readonly kind: 'picture' },
  frames: FramesFacts | undefined,
  refuse: (why: string, hint: string) => never,
) {
  const { dims } = end;
  if (dims !== undefined && dims.length !== 4)
    return refuse('a picture: those have 4 dimensions', 'give numbers, or a .npy file');
  const layout = source.layout ?? pictureLayout(dims) ?? frames?.layout;
  const count = layout && dims?.[layout === 'nchw' ? 1 : 3];
  const channels =
    source.channels ?? (count === 1 ? 'grey' : frames?.channels === 'grey' ? undefined : frames?.channels);
  const range = source.range ?? (isWhole(end.type) ? '0..255' : frames?.range);
  if (layout === undefined || channels === undefined || range === undefined) {
    const lacks = Object.entries({ layout, channels, range }).filter(([, value]) => value === undefined);
    const keys = lacks.map(([key]) => key);
    return refuse(
      `a picture while its ${keys.join(' and ')} ${keys.length === 1 ? 'is' : 'are'} unknown`,
      `add ${keys.map((key) => `--model-${key}`).join(' and ')}, which hold for the frames too, or write ` +
        `${keys.map((key) => `"${key}"`).join(' and ')} beside "picture" in a manifest`,
    );
  }
  const [height, width] = layout === 'nchw' ? [dims?.[2], dims?.[3]] : [dims?.[1], dims?.[2]];
  const fixed = typeof height === 'number' && typeof width === 'number' ? { width, height } : undefined;
  return { layout, channels, range, size: source.size ?? fixed };
}

/** Returns where the channels of a picture are, if its dimensions tell. */
function pictureLayout(dims: DeclaredEnd['dims']): TensorLayout | undefined {
  const [first, last] = [dims?.[1], dims?.[3]].map((dim) => dim === 1 || dim === 3);
  return first === last ? undefined : first ? 'nchw' : 'nhwc';
}

/**
 * Returns the shape of a list of numbers in declared dimensions: one of them has its length, the others are
 * 1.
 */
function vectorDims(dims: DeclaredEnd['dims'], length: number): readonly number[] | undefined {
  if (dims === undefined) return [length];
  const product = dims.reduce<number>((all, dim) => all * (typeof dim === 'number' ? dim : 1), 1);
  const isOpen = dims.map((dim) => typeof dim !== 'number');
  if (product === length) return dims.map((dim) => (typeof dim === 'number' ? dim : 1));
  // The first of several is that of the frames.
  const last = isOpen.lastIndexOf(true);
  return product === 1 && last >= (dims.length > 1 ? 1 : 0)
    ? dims.map((dim, at) => (at === last ? length : typeof dim === 'number' ? dim : 1))
    : undefined;
}

function fits(declared: DeclaredEnd['dims'], dims: readonly number[]): boolean {
  if (declared === undefined) return true;
  return (
    declared.length === dims.length &&
    declared.every((dim, at) => typeof dim !== 'number' || dim === dims[at])
  );
}
