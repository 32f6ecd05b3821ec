/** Measures how long sound is: by its samples, and by the times at which they are played. */
import type { FfmpegCommand } from '../ffmpeg/ffmpeg.js';

/** Sound that was decoded from its beginning on. */
export interface Sound {
  readonly samples: number;
  /** Seconds from the first sample to the end of the last; undefined where there are no times. */
  readonly seconds: number | undefined;
}

/** One decoded frame of sound. */
export interface SoundFrame {
  /** Seconds; undefined where it has none. */
  readonly time: number | undefined;
  readonly samples: number;
  /** Samples a second. */
  readonly rate: number;
  /** Seconds for which the file says that it is played; undefined where it does not. */
  readonly duration?: number | undefined;
}

/** Adds up frames in order. */
export interface SoundSum {
  add(frame: SoundFrame): void;
  readonly total: Sound;
}

export function soundSum(): SoundSum {
  let samples = 0;
  let first: number | undefined;
  let end = 0;
  return {
    add(frame) {
      samples += frame.samples;
      if (frame.time === undefined) return;
      first ??= frame.time;
      end = Math.max(end, frame.time + (frame.duration ?? frame.samples / frame.rate));
    },
    get total() {
      return { samples, seconds: first === undefined ? undefined : end - first };
    },
  };
}

/** Hears what ffmpeg says of the sound that it decodes. */
export interface SoundMeter {
  /** Decodes it, from input 0. Undefined where there is none. */
  readonly output: FfmpegCommand['outputs'][number] | undefined;
  /** Takes each line that a talkative ffmpeg says. */
  hear(line: string): void;
  /** By index in the source. */
  readonly found: ReadonlyMap<number, Sound>;
}

/** The filter that tells of each frame, by the name that it is given. */
const FRAME = /^\[ashowinfo@(\d+) @ [^\]]*\].* pts_time:(\S+) .*\brate:(\d+) nb_samples:(\d+) /;

/** Measures the sound streams of these indices, until `end`, a time in seconds. */
export function soundMeter(indices: readonly number[], end: number): SoundMeter {
  const sums = new Map(indices.map((index) => [index, soundSum()]));
  const options = indices.flatMap((index, place) => [
    ...['-map', `0:${index}`, `-filter:${place}`, `ashowinfo@${index}`],
  ]);
  return {
    output: indices.length === 0 ? undefined : { to: 'null', options: [...options, '-max_error_rate', '1'] },
    hear(line) {
      const [, index, time, rate, samples] = FRAME.exec(line) ?? [];
      if (samples === undefined) return;
      const seconds = Number(time);
      if (seconds >= end) return;
      sums.get(Number(index))?.add({
        time: Number.isFinite(seconds) ? seconds : undefined,
        samples: Number(samples),
        rate: Number(rate),
      });
    },
    get found() {
      return new Map([...sums].map(([index, sum]) => [index, sum.total]));
    },
  };
}
