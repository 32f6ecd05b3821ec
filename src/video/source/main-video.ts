/** Decides which of a file's video streams is processed. Pure. */
import { JobError } from '../../system/errors.js';
import type { StreamFacts } from './source-facts.js';

/** What was seen of a video stream at a few places of the file. */
export interface Activity {
  /** Frames. */
  readonly frames: number;
  /** Seconds from the first of them to the last. */
  readonly seconds: number;
}

/** Dispositions of what accompanies a video. */
const ASIDE: readonly string[] = ['still_image', 'timed_thumbnails', 'dependent'];
/** A video that lasts for a smaller part of the longest one's time is a preview or a still picture. */
const LEAST_LENGTH = 0.9;
/** One with fewer frames than this part of the most is a series of thumbnails; 24 and 30 a second are both videos. */
const LEAST_FRAMES = 0.5;

/** The streams that can be processed: moving or not, but no cover art, and in a codec that ffmpeg knows. */
export function videosOf(streams: readonly StreamFacts[]): readonly StreamFacts[] {
  return streams.filter(
    ({ type, attachedPicture, codec }) => type === 'video' && !attachedPicture && codec !== 'none',
  );
}

/**
 * The one of `videos` that a viewer would call the video: of the longest the one with the most frames, then the largest,
 * then the one that is marked as default, then the first. `seen` tells of each what was seen of it; nothing where it is
 * not known. Undefined where there is none.
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

/** Those whose measure is at least `part` of the greatest. */
function foremost(
  streams: readonly StreamFacts[],
  measure: (stream: StreamFacts) => number,
  part: number,
): readonly StreamFacts[] {
  const most = Math.max(...streams.map(measure));
  return streams.filter((stream) => measure(stream) >= part * most);
}

/** The stream that `--video` names. Errors: JobError('usage') with a list of those that there are. */
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

/** The line that says which of several videos is processed. */
export function choiceNote(chosen: StreamFacts, videos: readonly StreamFacts[]): string {
  const others = videos.filter(({ index }) => index !== chosen.index);
  return `The file has ${videos.length} video streams: ${described(chosen)} is processed. To process another, add --video with its number: ${others.map(described).join(', ')}.`;
}

/** Why there is nothing to process. */
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

/** A video stream in a list: `1 (h264, 320x180)`. */
export function described({ index, codec, width, height, language, title }: StreamFacts): string {
  const size = width === undefined || height === undefined ? [] : [`${width}x${height}`];
  const more = [language, title].filter((text) => text !== undefined);
  return `${index} (${[codec, ...size, ...more].join(', ')})`;
}
