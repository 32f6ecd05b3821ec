import type { SegmentRecord } from './segment-record.js';

/**
 * Returns the number in the video of a frame of a segment, from 0. Segments record the numbers of their
 * frames if only some of the video were taken.
 *
 * @param place the frame in its segment, from 0.
 * @param before the frames of the segments before.
 */
export function frameNumber(
  { numbers }: Pick<SegmentRecord, 'numbers'>,
  place: number,
  before: number,
): number {
  return numbers?.[place] ?? before + place;
}
