import type { Decoder } from '../../video/frames/decode.js';

/**
 * Returns a decoder that gives every `every`th frame of the video: those whose number, from 0, is a multiple.
 *
 * @param position number of the next frame that `decoder` gives.
 */
export function sampledDecoder(decoder: Decoder, every: number, position: number): Decoder {
  let next = position;
  return {
    async read(into) {
      for (;;) {
        const pts = await decoder.read(into);
        if (pts === undefined) return undefined;
        next += 1;
        if ((next - 1) % every === 0) return pts;
      }
    },
    get warnings() {
      return decoder.warnings;
    },
    get concealed() {
      return decoder.concealed;
    },
    [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose](),
  };
}

/** Returns how many frames of the video lie before the one after `taken` that were taken. */
export function framesBefore(taken: number, every: number): number {
  return taken === 0 ? 0 : (taken - 1) * every + 1;
}
