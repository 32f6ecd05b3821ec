import { JobError } from '../../system/errors.js';
import { frameNumber } from './frame-numbers.js';
import type { SegmentRecord } from './segment-record.js';

/** The frames for which the model gave NaN or infinity: their number, and their ranges, counted from 0. */
export interface NonFiniteFrames {
  readonly count: number;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** Most ranges in one message. */
const MOST_RANGES = 10;

/**
 * Collects the non-finite frames from the records of a video's segments, in order. Their numbers are those of
 * the video, also where only some were taken; a range is of frames that were taken one after another.
 */
export function nonFiniteFrames(
  segments: readonly Pick<SegmentRecord, 'frames' | 'nonFinite' | 'numbers'>[],
): NonFiniteFrames {
  const ranges: [number, number][] = [];
  let count = 0;
  let before = 0;
  let last = -1;
  for (const segment of segments) {
    for (const place of segment.nonFinite ?? []) {
      const frame = frameNumber(segment, place, before);
      const range = ranges.at(-1);
      if (range !== undefined && last === before + place - 1) range[1] = frame;
      else ranges.push([frame, frame]);
      last = before + place;
      count += 1;
    }
    before += segment.frames;
  }
  return { count, ranges };
}

/**
 * Returns a warning for the log and the report; undefined if all frames are finite. `hasVideo`: the job gives
 * pictures, maybe beside a table.
 */
export function nonFiniteWarning(
  { count, ranges }: NonFiniteFrames,
  frames: number,
  hasVideo: boolean,
): string | undefined {
  if (count === 0) return undefined;
  const some = ranges
    .slice(0, MOST_RANGES)
    .map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`));
  const more = ranges.length > MOST_RANGES ? ', and more' : '';
  const became = hasVideo
    ? 'NaN was stored as 0 (green or black)'
    : 'Such numbers stand as NaN or as nothing in the table, or their rows are missing';
  return (
    `the model gave NaN or infinity in ${count} of ${frames} frames: ${some.join(', ')}${more} (from 0). ` +
    `${became}. If GPUs computed in fp16, try --precision fp32`
  );
}

/**
 * Returns a function that takes each non-finite frame. It warns about the first one; with `strict` it throws.
 */
export function nonFiniteWatch(strict: boolean, warn: (line: string) => void): (frame: number) => void {
  let said = false;
  return (frame) => {
    if (strict) throw nonFiniteFailure(frame);
    if (!said) warn(`the model gave NaN or infinity in frame ${frame} (from 0); the job continues`);
    said = true;
  };
}

/**
 * Refuses to resume a job with `strict` if an earlier run, without it, recorded non-finite frames.
 *
 * @throws {JobError} model: when a segment has such a frame.
 */
export function refuseNonFinite(strict: boolean, segments: readonly SegmentRecord[]): void {
  const odd = segments.find(({ nonFinite = [] }) => nonFinite.length > 0);
  const before = segments.filter(({ index }) => odd !== undefined && index < odd.index);
  if (!strict || odd === undefined) return;
  const taken = before.reduce((sum, { frames }) => sum + frames, 0);
  throw nonFiniteFailure(frameNumber(odd, odd.nonFinite?.[0] ?? 0, taken));
}

function nonFiniteFailure(frame: number): JobError {
  return new JobError('model', `the model gave NaN or infinity in frame ${frame} (from 0)`, {
    hint: '--strict makes this an error; without it the same command resumes the job and only warns',
  });
}
