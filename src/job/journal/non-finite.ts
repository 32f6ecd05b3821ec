import { JobError } from '../../system/errors.js';
import type { SegmentRecord } from './journal.js';

/** The frames for which the model gave NaN or infinity: how many, and which, counted from 0, as ranges of first and last. */
export interface NonFiniteFrames {
  readonly count: number;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** Ranges in one message. */
const MOST_RANGES = 10;

/** The byte behind a styled frame that says that the model gave finite numbers only for it. */
const FINITE = 1;

/** A row of the composed graph's result, taken apart. */
export function readRow(row: Uint8Array): { readonly frame: Uint8Array; readonly sound: boolean } {
  const end = row.length - 1;
  return { frame: row.subarray(0, end), sound: row[end] === FINITE };
}

/** Collects them from the records of a video's segments, in order. */
export function nonFiniteFrames(
  segments: readonly Pick<SegmentRecord, 'frames' | 'nonFinite'>[],
): NonFiniteFrames {
  const ranges: [number, number][] = [];
  let count = 0;
  let before = 0;
  for (const { frames, nonFinite = [] } of segments) {
    for (const place of nonFinite) {
      const frame = before + place;
      const range = ranges.at(-1);
      if (range?.[1] === frame - 1) range[1] = frame;
      else ranges.push([frame, frame]);
      count += 1;
    }
    before += frames;
  }
  return { count, ranges };
}

/** A warning for the log and the report; undefined where there is nothing to say. */
export function nonFiniteWarning({ count, ranges }: NonFiniteFrames, frames: number): string | undefined {
  if (count === 0) return undefined;
  const some = ranges
    .slice(0, MOST_RANGES)
    .map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`));
  const more = ranges.length > MOST_RANGES ? ', and more' : '';
  return (
    `the model gave NaN or infinity in ${count} of ${frames} frames: ${some.join(', ')}${more} (from 0). ` +
    'NaN was stored as 0 (green or black). If GPUs computed in fp16, try --precision fp32'
  );
}

/** Tells of such frames as they come: the first is said at once; with `strict` it ends the job. */
export function nonFiniteWatch(strict: boolean, warn: (line: string) => void): (frame: number) => void {
  let said = false;
  return (frame) => {
    if (strict) throw nonFiniteFailure(frame);
    if (!said) warn(`the model gave NaN or infinity in frame ${frame} (from 0); the job goes on`);
    said = true;
  };
}

/** Ends a strict job that would take over an earlier run's work with such frames. */
export function refuseNonFinite(strict: boolean, segments: readonly SegmentRecord[]): void {
  const odd = segments.find(({ nonFinite = [] }) => nonFinite.length > 0);
  const before = segments.filter(({ index }) => odd !== undefined && index < odd.index);
  if (!strict || odd === undefined) return;
  throw nonFiniteFailure(before.reduce((sum, { frames }) => sum + frames, odd.nonFinite?.[0] ?? 0));
}

function nonFiniteFailure(frame: number): JobError {
  return new JobError('model', `the model gave NaN or infinity in frame ${frame} (from 0)`, {
    hint: '--strict makes this an error. Without it, the same command resumes from what is done and only warns',
  });
}
