/** The part of a video that a job takes: exactly the frames whose time is in a range. Pure. */
import { JobError } from '../../system/errors.js';
import type { SourceFacts } from './source-facts.js';

/** The part that was asked for. Times are in microseconds from the first frame of the video. */
export interface PartRequest {
  /** Frames shown before it are left out. */
  readonly from: number | undefined;
  /** Frames shown at it or later are left out. */
  readonly to: number | undefined;
  /** The most frames. */
  readonly frames: number | undefined;
}

const MICROS = 1_000_000;

/** Returns the part for the journal and for messages. */
export function partText({ from, to, frames }: PartRequest): string {
  return [
    ...(from === undefined ? [] : [`from ${from / MICROS} s`]),
    ...(to === undefined ? [] : [`to ${to / MICROS} s`]),
    ...(frames === undefined ? [] : [`at most ${frames} frame${frames === 1 ? '' : 's'}`]),
  ].join(', ');
}

/**
 * Returns the facts of a video of which a part is taken, with the number of frames in that part: a guess
 * where the rate varies.
 *
 * @throws {JobError} usage: when the part begins at the end of the video or later.
 */
export function withPart(source: SourceFacts, part: PartRequest | undefined): SourceFacts {
  if (part === undefined) return source;
  const { video } = source;
  const { startPts = 0, durationTicks, timeBase } = video;
  const end =
    durationTicks === undefined
      ? (video.duration ?? source.duration)
      : (durationTicks * timeBase.num) / timeBase.den;
  if (part.from !== undefined && end !== undefined && part.from >= end * MICROS) {
    const start = `the part begins at ${part.from / MICROS} s`;
    throw new JobError('usage', `${start}, and "${source.path}" ends at ${end.toFixed(3)} s`, {
      hint: 'give an earlier --from',
    });
  }
  const ticks = (time: number | undefined) =>
    time === undefined ? undefined : startPts + ticksUpTo(time, timeBase);
  return {
    ...source,
    video: { ...video, frames: framesIn(source, part), framesDeclared: false },
    range: { from: ticks(part.from), to: ticks(part.to), frames: part.frames },
  };
}

/** Returns the PTS at which a job's part of a video begins, or the video; 0 if nothing says it. */
export function firstPts({ range, video }: SourceFacts): number {
  return range?.from ?? video.startPts ?? 0;
}

/** Returns the number of the first tick at or after a time. */
function ticksUpTo(micros: number, { num, den }: { readonly num: number; readonly den: number }): number {
  const unit = BigInt(num) * BigInt(MICROS);
  return Number((BigInt(micros) * BigInt(den) + unit - 1n) / unit);
}

/** Returns how many frames of a constant rate are in the part. */
function framesIn({ video }: SourceFacts, { from = 0, to, frames }: PartRequest): number | undefined {
  const { averageRate, frames: all } = video;
  const most = frames ?? Number.POSITIVE_INFINITY;
  if (averageRate === undefined) return frames;
  const interval = { num: averageRate.den, den: averageRate.num };
  const before = (time: number) => Math.min(all ?? Number.POSITIVE_INFINITY, ticksUpTo(time, interval));
  const end = to === undefined ? (all ?? Number.POSITIVE_INFINITY) : before(to);
  const count = Math.min(most, Math.max(1, end - before(from)));
  return Number.isFinite(count) ? count : undefined;
}
