import type { Geometry } from '../../table/geometry.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Size } from '../load/network.js';
import { BOUNDS, channelCount, type Fit, type PixelTensor } from '../ports/tensors.js';
import { resizePixels } from './resize.js';

/** The grey of the bars of a letterbox, of 255: Ultralytics' (data/augment.py, LetterBox). */
export const BAR_GREY = 114;

/** Images of another size, and how their pixels lie in the frame. */
export interface Fitted {
  readonly pixels: string;
  readonly geometry: Geometry;
}

/**
 * Brings images, float [N, C, padded.height, padded.width], to the size that a model takes. `source` is the
 * frame within its padding.
 */
export function fitPixels(
  builder: GraphBuilder,
  pixels: string,
  { source, padded, size }: { readonly source: Size; readonly padded: Size; readonly size: Size },
  tensor: PixelTensor,
  fit: Fit,
  batch: number,
): Fitted {
  const { inner, left, top } = placeOf(padded, size, fit);
  const resized = resizePixels(builder, pixels, padded, inner);
  const along = (x: string, axis: 2 | 3, from: number, before: number, wanted: number): string => {
    if (from === wanted) return x;
    if (before < 0) return builder.slice(x, axis, -before, wanted - before);
    const bar = (length: number) => {
      const dims = axis === 3 ? [inner.height, length] : [length, size.width];
      return builder.fill([batch, channelCount(tensor.channels), ...dims], barLevels(tensor));
    };
    const after = wanted - from - before;
    return builder.concat(
      [...(before > 0 ? [bar(before)] : []), x, ...(after > 0 ? [bar(after)] : [])],
      axis,
    );
  };
  const wide = along(resized, 3, inner.width, left, size.width);
  return {
    pixels: along(wide, 2, inner.height, top, size.height),
    geometry: geometryOf(source, padded, size, fit),
  };
}

/** The place of a whole frame in a model's input; where it is larger, its edges are cut off. */
export interface Place {
  readonly inner: Size;
  /** Negative where an edge is cut off. */
  readonly left: number;
  readonly top: number;
}

/** Returns the place of frames of the size `from` in an input of the size `to`. */
export function placeOf(from: Size, to: Size, fit: Fit): Place {
  const inner = innerSize(from, to, fit);
  return {
    inner,
    left: Math.floor((to.width - inner.width) / 2),
    top: Math.floor((to.height - inner.height) / 2),
  };
}

/** Returns how pixels of an input of the size `to` lie in `source`, which is `from` without its padding. */
export function geometryOf(source: Size, from: Size, to: Size, fit: Fit): Geometry {
  const { inner, left, top } = placeOf(from, to, fit);
  return {
    modelWidth: to.width,
    modelHeight: to.height,
    scaleX: from.width / inner.width,
    scaleY: from.height / inner.height,
    offsetX: left,
    offsetY: top,
    sourceWidth: source.width,
    sourceHeight: source.height,
  };
}

/** Returns the size of the whole frame, before bars are added or its edges are cut off. */
function innerSize(from: Size, to: Size, fit: Fit): Size {
  if (fit === 'stretch') return to;
  const ratios = [to.width / from.width, to.height / from.height];
  const ratio = fit === 'letterbox' ? Math.min(...ratios) : Math.max(...ratios);
  return {
    width: Math.max(1, Math.round(from.width * ratio)),
    height: Math.max(1, Math.round(from.height * ratio)),
  };
}

/** Returns the grey of the bars in each channel of the tensor. */
function barLevels({ range, channels }: PixelTensor): readonly number[] {
  const grey = BAR_GREY / 255;
  return Array.from({ length: channelCount(channels) }, (_, at) => {
    if (typeof range !== 'string') return (grey - (range.mean[at] ?? 0)) / (range.std[at] ?? 1);
    const [low, high] = BOUNDS[range];
    return low + (high - low) * grey;
  });
}
