/** Models that give several frames at once: a chunk of the video, or a window of which one is taken. */
import type { Edge } from './edges.js';

/** The frames that a network gives in a tensor [N, T, C, H, W]. */
export type SeveralFrames =
  /** All of a chunk of `frames`, counted from the start of the video. `edge`: what fills the last one up. */
  | { readonly kind: 'chunk'; readonly frames: number; readonly edge: Edge }
  /** Those of a window: the one at `place`, from 0, is the frame that is made. */
  | { readonly kind: 'take'; readonly place: number };

/** Frames that a network takes and gives together. */
export interface Chunk {
  readonly frames: number;
  readonly edge: Edge;
}

/** The most frames of a chunk. */
export const MOST_CHUNK = 128;

/**
 * Returns the dimensions of the images in a tensor of several frames; undefined if it is none of them. A
 * chunk is alone in its batch, so that its frames take the place of a batch's.
 */
export function imagesOf<T extends number | undefined>(
  several: SeveralFrames | undefined,
  dims: readonly T[],
): readonly (T | number)[] | undefined {
  if (several === undefined) return dims;
  const [batch, frames, ...image] = dims;
  if (dims.length !== 5) return undefined;
  switch (several.kind) {
    case 'chunk':
      return (batch ?? 1) === 1 && (frames ?? several.frames) === several.frames
        ? [several.frames, ...image]
        : undefined;
    case 'take':
      return frames === undefined || frames > several.place ? [batch as T, ...image] : undefined;
  }
}

/** Returns how a message says what such a tensor should be. */
export function severalText(several: SeveralFrames | undefined): string {
  switch (several?.kind) {
    case undefined:
      return 'images';
    case 'chunk':
      return `a chunk of ${several.frames} frames, [1, ${several.frames}, C, H, W]`;
    case 'take':
      return `frames [N, T, C, H, W], of which number ${several.place} (from 0) is taken`;
  }
}

/** Returns the frames that a model takes and gives together; undefined if it makes each by itself. */
export function chunkOf(several: SeveralFrames | undefined): Chunk | undefined {
  return several?.kind === 'chunk' ? { frames: several.frames, edge: several.edge } : undefined;
}
