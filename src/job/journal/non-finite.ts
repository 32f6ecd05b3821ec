import { JobError } from '../../system/errors.js';
import type { SegmentRecord } from './journal.js';

/** The frames for which the model gave NaN or infinity: their number, and their ranges, counted from 0. */
export interface NonFiniteFrames {
  readonly count: number;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** Most ranges in one message. */
const MOST_RANGES = 10;

/**
 * Collects the non-finite frames from the records of a video's segments, in order. With `every` above 1 their
 * numbers are those of the video, of which only every so many was taken.
 */
export function nonFiniteFrames(
  segments: readonly Pick<SegmentRecord, 'frames' | 'nonFinite'>[],
  every = 1,
): NonFiniteFrames {
  const ranges: [number, number][] = [];
  let count = 0;
  let before = 0;
  for (const { frames, nonFinite = [] } of segments) {
    for (const place of nonFinite) {
      const frame = (before + place) * every;
      const range = ranges.at(-1);
      if (range?.[1] === frame - every) range[1] = frame;
      else ranges.push([frame, frame]);
      count += 1;
    }
    before += frames;
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
export function refuseNonFinite(strict: boolean, segments: readonly SegmentRecord[], every = 1): void {
  const odd = segments.find(({ nonFinite = [] }) => nonFinite.length > 0);
  const before = segments.filter(({ index }) => odd !== undefined && index < odd.index);
  if (!strict || odd === undefined) return;
  const taken = before.reduce((sum, { frames }) => sum + frames, odd.nonFinite?.[0] ?? 0);
  throw nonFiniteFailure(taken * every);
}

function nonFiniteFailure(frame: number): JobError {
  return new JobError('model', `the model gave NaN or infinity in frame ${frame} (from 0)`, {
    hint: '--strict makes this an error; without it the same command resumes the job and only warns',
  });
}
