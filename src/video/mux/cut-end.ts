/** Finds out how long the last frame of a part of a video is shown. */
import { JobError } from '../../system/errors.js';
import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import { UNKNOWN_RATE } from '../source/frame-rate.js';
import type { SourceFacts } from '../source/source-facts.js';
import { lastFrameDuration } from './last-frame.js';
import { constantGap } from './output-times.js';

/** Seconds before the last frame from which on packets are listed. */
const RUN_UP_SECONDS = 1;
/** After a packet of a later frame, so many may come that are shown before it. */
const MOST_REORDERED = 64;

/**
 * Returns how long the last of the frames at `pts` (ascending) is shown, in ticks of the video stream: as
 * long as in `source`, but in a part of it at most until that ends, or for a usual interval. Undefined if the
 * file does not say.
 *
 * @throws {JobError} ffmpeg: when ffprobe cannot be started.
 */
export async function lastTicks(source: SourceFacts, pts: readonly number[]): Promise<number | undefined> {
  const { range, video } = source;
  if (range === undefined) return lastFrameDuration(source, pts);
  const last = pts.at(-1) ?? 0;
  const next = await nextFrame(source, last);
  const own = next === undefined ? await lastFrameDuration(source, pts) : next - last;
  if (range.to === undefined || own === undefined) return own;
  const { num, den } = video.averageRate ?? UNKNOWN_RATE;
  const usual = Math.round((video.timeBase.den * den) / (video.timeBase.num * num));
  return Math.min(own, Math.max(range.to - last, constantGap(pts) ?? usual, 1));
}

/** Returns the PTS of the frame after the one at `last`; undefined if there is none. */
async function nextFrame(source: SourceFacts, last: number): Promise<number | undefined> {
  const { index, timeBase } = source.video;
  const from = (last * timeBase.num) / timeBase.den - RUN_UP_SECONDS;
  const args = [
    ...source.openOptions,
    ...['-select_streams', `${index}`, '-read_intervals', `${from.toFixed(6)}%`],
    ...['-show_entries', 'packet=pts,flags', '-of', 'compact=p=0:nk=0'],
  ];
  let next: number | undefined;
  let after = 0;
  try {
    for await (const line of ffprobeLines(source.path, args)) {
      const told = new Map(line.split('|').map((entry) => entry.split('=', 2) as [string, string]));
      const pts = Number(told.get('pts'));
      if (next !== undefined) after += 1;
      if (after > MOST_REORDERED) break;
      if (!Number.isSafeInteger(pts) || told.get('flags')?.includes('D') || pts <= last) continue;
      next = Math.min(next ?? pts, pts);
    }
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
  }
  return next;
}
