import type { ChannelOrder, TensorLayout, ValueRange } from './tensors.js';

/** Where a constant's value comes from: numbers, a .npy file, or a picture. */
export type ConstantSource =
  | { readonly kind: 'numbers'; readonly values: readonly number[] }
  | { readonly kind: 'tensor'; readonly file: string }
  | ({ readonly kind: 'picture'; readonly file: string } & PictureFacts);

/** What a manifest may say of a constant's picture; the rest is as for frames. */
export interface PictureFacts {
  readonly layout?: TensorLayout;
  readonly channels?: ChannelOrder;
  readonly range?: ValueRange;
  /** In pixels. Default: the graph's, else the picture's own. */
  readonly size?: { readonly width: number; readonly height: number };
}

const PICTURES = /\.(?:jpe?g|png|webp|tiff?)$/i;
const NUMBERS = /^[-+.\deE]+(?:,[-+.\deE]+)*$/;

/** Returns the source that a text names: `0.5`, `0.2,0.8`, `x.npy`, `x.jpg`; undefined for anything else. */
export function constantSource(text: string): ConstantSource | undefined {
  if (NUMBERS.test(text)) {
    const values = text.split(',').map(Number);
    return values.every(Number.isFinite) ? { kind: 'numbers', values } : undefined;
  }
  const name = text.split('?', 1)[0] ?? '';
  if (/\.npy$/i.test(name)) return { kind: 'tensor', file: text };
  return PICTURES.test(name) ? { kind: 'picture', file: text } : undefined;
}
