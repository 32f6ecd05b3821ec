import { type Rational, rescaleDown } from '../../video/formats/rational.js';
import type { Decoder } from '../../video/frames/decode.js';
import type { Sampling } from '../context/sampling.js';

/** Frames of a video, in order, of which some are taken. */
export interface Sampler {
  /** Returns whether the next frame is taken: the one with this number, from 0, and this PTS. */
  takes(number: number, pts: number): boolean;
}

/** Returns the sampler; for `timeBase` and `taken` see `perSecond`. */
export function samplerOf(
  sampling: Sampling,
  timeBase: Rational,
  taken: { readonly first: number; readonly last: number } | undefined,
): Sampler {
  return sampling.kind === 'every' ? everyNth(sampling.every) : perSecond(sampling.fps, timeBase, taken);
}

/** Takes every `every`th frame of the video: those whose number is a multiple. */
function everyNth(every: number): Sampler {
  return { takes: (number) => number % every === 0 };
}

/**
 * Takes `fps` frames per second: the first frame at or after each multiple of 1 / fps seconds from the first
 * frame of the video. Where the video has fewer, each frame is taken once.
 *
 * @param timeBase of the PTS.
 * @param taken the first and the last frame that an earlier run took.
 */
function perSecond(
  fps: Rational,
  timeBase: Rational,
  taken: { readonly first: number; readonly last: number } | undefined,
): Sampler {
  const period = { num: fps.den, den: fps.num };
  let first = taken?.first;
  const multipleAt = (pts: number): number => rescaleDown(pts - (first ?? pts), timeBase, period);
  // No frame after the last one that was taken reached another multiple.
  let reached = taken === undefined ? -1 : multipleAt(taken.last);
  return {
    takes(_, pts) {
      first ??= pts;
      const multiple = multipleAt(pts);
      if (multiple <= reached) return false;
      reached = multiple;
      return true;
    },
  };
}

/** A decoder of some frames of a video, which knows their numbers. */
export interface SampledDecoder extends Decoder {
  /** Returns the number, from 0, of the frame that had this PTS, once. */
  numberOf(pts: number): number;
}

/**
 * Returns a decoder that gives the frames of the video that `sampler` takes.
 *
 * @param position number of the next frame that `decoder` gives.
 */
export function sampledDecoder(decoder: Decoder, sampler: Sampler, position: number): SampledDecoder {
  const numbers = new Map<number, number>();
  let next = position;
  return {
    async read(into) {
      for (;;) {
        const pts = await decoder.read(into);
        if (pts === undefined) return undefined;
        next += 1;
        if (!sampler.takes(next - 1, pts)) continue;
        numbers.set(pts, next - 1);
        return pts;
      }
    },
    numberOf(pts) {
      const number = numbers.get(pts);
      if (number === undefined) throw new RangeError(`no frame was taken at ${pts}`);
      numbers.delete(pts);
      return number;
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
