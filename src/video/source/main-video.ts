/** Decides which of a file's video streams is processed. Pure. */
import { JobError } from '../../system/errors.js';
import type { StreamFacts } from './source-facts.js';

/** The frames that were seen of a video stream at a few places in the file. */
export interface Activity {
  /** Number of frames. */
  readonly frames: number;
  /** Seconds from the first of them to the last. */
  readonly seconds: number;
}

/** Dispositions of streams that accompany a video. */
const ASIDE: readonly string[] = ['still_image', 'timed_thumbnails', 'dependent'];
/** A video that lasts for less than this part of the longest one is a preview or a still image. */
const LEAST_LENGTH = 0.9;
/**
 * One with fewer than this part of the most frames is a series of thumbnails; 24 and 30 per second are both
 * videos.
 */
const LEAST_FRAMES = 0.5;

/** Returns the streams that can be processed: video that is not cover art, in a codec that ffmpeg knows. */
export function videosOf(streams: readonly StreamFacts[]): readonly StreamFacts[] {
  return streams.filter(
    ({ type, attachedPicture, codec }) => type === 'video' && !attachedPicture && codec !== 'none',
  );
}

/**
 * Returns the stream that a viewer would call the video: among the longest the one with the most frames, then
 * the largest, then the one marked as default, then the first. `seen` holds the activity of each, if known.
 * Undefined if there is none.
 */
export function mainVideo(
  videos: readonly StreamFacts[],
  seen: ReadonlyMap<number, Activity> = new Map(),
): StreamFacts | undefined {
  const activity = (key: keyof Activity) => (stream: StreamFacts) => seen.get(stream.index)?.[key] ?? 0;
  const plain = videos.filter(({ disposition }) => !disposition.some((name) => ASIDE.includes(name)));
  const candidates = plain.length > 0 ? plain : videos;
  const long = foremost(candidates, activity('seconds'), LEAST_LENGTH);
  const lively = foremost(long, activity('frames'), LEAST_FRAMES);
  const large = foremost(lively, ({ width = 0, height = 0 }) => width * height, 1);
  return large.find(({ disposition }) => disposition.includes('default')) ?? large[0];
}

/** Returns the streams whose measure is at least `part` of the greatest. */
function foremost(
  streams: readonly StreamFacts[],
  measure: (stream: StreamFacts) => number,
  part: number,
): readonly StreamFacts[] {
  const most = Math.max(...streams.map(measure));
  return streams.filter((stream) => measure(stream) >= part * most);
}

/**
 * Returns the stream that `--video` names.
 *
 * @throws {JobError} usage: when it is no video; the message lists those that there are.
 */
export function videoNamed(index: number, streams: readonly StreamFacts[], path: string): StreamFacts {
  const videos = videosOf(streams);
  const named = videos.find((stream) => stream.index === index);
  if (named !== undefined) return named;
  const other = streams.find((stream) => stream.index === index);
  const what =
    other === undefined
      ? `has no stream ${index}`
      : `has no video in stream ${index}: it is ${other.attachedPicture ? 'cover art' : `${other.type} (${other.codec})`}`;
  throw new JobError('usage', `"${path}" ${what}`, {
    hint: `--video takes the number of a video stream: ${videos.map(described).join(', ')}`,
  });
}

/** Returns the note that names the processed one of several videos. */
export function choiceNote(chosen: StreamFacts, videos: readonly StreamFacts[]): string {
  const others = videos.filter(({ index }) => index !== chosen.index);
  return `The file has ${videos.length} video streams: ${described(chosen)} is processed. To process another, add --video with its number: ${others.map(described).join(', ')}.`;
}

/** Returns the error for a file without a video to process. */
export function noVideo(streams: readonly StreamFacts[], path: string): JobError {
  const videos = streams.filter((stream) => stream.type === 'video');
  const others = [...new Set(streams.map((stream) => stream.type))].join(', ');
  const what =
    videos.length === 0
      ? `has no video stream (only: ${others === '' ? 'nothing at all' : others})`
      : videos.every((stream) => stream.attachedPicture)
        ? 'has no video stream, only cover art'
        : 'has a video stream, but in a codec that ffmpeg does not know';
  return new JobError('input', `"${path}" ${what}`, { hint: 'Give a file with a video in it.' });
}

/** Returns a video stream as text for a list: `1 (h264, 320x180)`. */
export function described({ index, codec, width, height, language, title }: StreamFacts): string {
  const size = width === undefined || height === undefined ? [] : [`${width}x${height}`];
  const more = [language, title].filter((text) => text !== undefined);
  return `${index} (${[codec, ...size, ...more].join(', ')})`;
}
