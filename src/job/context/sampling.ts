import type { Rational } from '../../video/formats/rational.js';
import type { RunOptions } from './options.js';

/** Which frames of a video are taken: every so many, or so many per second. */
export type Sampling =
  | { readonly kind: 'every'; readonly every: number }
  | { readonly kind: 'fps'; readonly fps: Rational };

/** Returns which frames a job takes; undefined: all. */
export function samplingOf({ every, fps }: Pick<RunOptions, 'every' | 'fps'>): Sampling | undefined {
  if (fps !== undefined) return { kind: 'fps', fps };
  return every === 1 ? undefined : { kind: 'every', every };
}

/** Returns the same for the journal and for messages. */
export function samplingText(sampling: Sampling): string {
  return sampling.kind === 'every'
    ? `every ${sampling.every}`
    : `${sampling.fps.num}/${sampling.fps.den} per second`;
}

/** Returns how many of `frames` are taken at `rate` frames per second; at a varying rate it is a guess. */
export function framesTaken(sampling: Sampling | undefined, frames: number, rate: Rational): number {
  switch (sampling?.kind) {
    case undefined:
      return frames;
    case 'every':
      return Math.ceil(frames / sampling.every);
    case 'fps': {
      const { fps } = sampling;
      return Math.min(frames, Math.ceil((frames * fps.num * rate.den) / (fps.den * rate.num)));
    }
  }
}
