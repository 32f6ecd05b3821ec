/** Measures the length of audio: in samples, and in the time for which they are played. */
import type { FfmpegCommand } from '../ffmpeg/ffmpeg.js';

/** The length of audio that was decoded from its beginning. */
export interface AudioSpan {
  readonly samples: number;
  /** Seconds from the first sample to the end of the last; undefined if there are no times. */
  readonly seconds: number | undefined;
}

/** One decoded frame of audio. */
export interface AudioFrame {
  /** Seconds; undefined if unknown. */
  readonly time: number | undefined;
  readonly samples: number;
  /** Samples per second. */
  readonly rate: number;
  /** Seconds for which it is played according to the file; undefined if unknown. */
  readonly duration?: number | undefined;
}

/** Adds up frames in order. */
export interface AudioSum {
  add(frame: AudioFrame): void;
  readonly total: AudioSpan;
}

export function audioSum(): AudioSum {
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

/** Measures the audio that an ffmpeg decodes, by its messages. */
export interface AudioMeter {
  /** The output that decodes it from input 0. Undefined if there is no audio. */
  readonly output: FfmpegCommand['outputs'][number] | undefined;
  /** Reads a message of level `verbose`. */
  hear(line: string): void;
  /** The lengths, by the stream's index in the source. */
  readonly found: ReadonlyMap<number, AudioSpan>;
}

/** A message of the filter that reports each frame, with the filter's name. */
const FRAME = /^\[ashowinfo@(\d+) @ [^\]]*\].* pts_time:(\S+) .*\brate:(\d+) nb_samples:(\d+) /;

/** Returns the meter for the audio streams of these indices, from `begin` up to `end`, times in seconds. */
export function audioMeter(
  indices: readonly number[],
  end: number,
  begin = Number.NEGATIVE_INFINITY,
): AudioMeter {
  const sums = new Map(indices.map((index) => [index, audioSum()]));
  const options = indices.flatMap((index, place) => [
    ...['-map', `0:${index}`, `-filter:${place}`, `ashowinfo@${index}`],
  ]);
  return {
    output: indices.length === 0 ? undefined : { to: 'null', options: [...options, '-max_error_rate', '1'] },
    hear(line) {
      const [, index, time, rate, samples] = FRAME.exec(line) ?? [];
      if (samples === undefined) return;
      const seconds = Number(time);
      if (seconds >= end || seconds < begin) return;
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
