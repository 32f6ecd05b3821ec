/** Small frames of the source and the output, for the page of a report. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../system/errors.js';
import { type FfmpegCommand, runFfmpeg } from '../../video/ffmpeg/ffmpeg.js';
import { hasBroadcastClock, type SourceFacts } from '../../video/source/source-facts.js';

/** A frame before and after, or a picture. JPEG files. */
export interface StillPair {
  /** What it shows: `0:02`, or the name of a picture. */
  readonly name: string;
  readonly before: Buffer;
  readonly after: Buffer;
}

export interface Still {
  readonly name: string;
  readonly image: Buffer;
}

/** The images of a page. */
export interface Stills {
  readonly pairs: readonly StillPair[];
  /** Frames of the output, evenly over its time. */
  readonly strip: readonly Still[];
  /** Why some are missing. */
  readonly note: string | undefined;
}

/** The frames of a video, and where they are found. */
export interface Footage {
  readonly source: SourceFacts;
  /** Path of the finished file. */
  readonly output: string;
  /** Times of all frames in the source, ascending, in ticks. */
  readonly pts: readonly number[];
  /** Added to every time in the output, in ticks. */
  readonly shift: number;
  /** Returns a folder for temporary files. */
  readonly folder: () => Promise<string>;
  readonly signal: AbortSignal;
}

/** How many frames of a video are taken, and how large. */
export interface StillPlan {
  readonly pairs: number;
  /** Frames of the output alone. */
  readonly strip: number;
  /** Longest side of an image of a pair, in pixels. */
  readonly side: number;
  /** The most bytes of all images: as text in the page they take a third more. */
  readonly mostBytes: number;
  /** The most time that they may take. */
  readonly mostMs: number;
}

/** For the page of one video. */
export const RUN_STILLS: StillPlan = { pairs: 4, strip: 8, side: 640, mostBytes: 640_000, mostMs: 60_000 };
/** For a video among many. */
export const QUEUE_STILLS: StillPlan = { pairs: 1, strip: 0, side: 320, mostBytes: 60_000, mostMs: 20_000 };
const STRIP_SIDE = 160;
/** The first frame is looked for from this long before it, since times are rounded. */
const FIRST_GAP_SECONDS = 0.001;
/** Decoding begins so long before a frame in a file without an index: broadcasts have a keyframe in it. */
const LEAD_SECONDS = 10;
/** FFmpeg's quantiser of JPEG, from 2 (best) to 31. */
const QUALITY = '5';

/**
 * Lets FFmpeg make small frames of the source and the output at the same times. A failure leaves a note, and
 * those that were made.
 */
export async function takeStills(footage: Footage, plan: StillPlan = RUN_STILLS): Promise<Stills> {
  const { source, output, pts } = footage;
  const { index, timeBase } = source.video;
  const second = timeBase.den / timeBase.num;
  const signal = AbortSignal.any([footage.signal, AbortSignal.timeout(plan.mostMs)]);
  const budget = imageBudget(plan.mostBytes);
  const pairs: StillPair[] = [];
  const strip: Still[] = [];
  try {
    const folder = await footage.folder();
    const target = join(folder, 'still.jpg');
    const seek = hasBroadcastClock(source) ? withoutIndex : byIndex;
    const before = (seconds: number): Promise<Buffer> =>
      still({ file: source.path, map: `0:${index}`, seek: seek(seconds) }, plan.side, target, signal);
    const after = (seconds: number, side: number): Promise<Buffer> =>
      still({ file: output, map: '0:V:0', seek: byIndex(seconds) }, side, target, signal);
    for (const at of spread(plan.strip, pts.length)) {
      const time = momentOf(pts, at, footage.shift, second);
      const image = await after(time, STRIP_SIDE);
      if (budget.fits(image)) strip.push({ name: nameOfFrame(pts, at, second), image });
    }
    for (const at of spread(plan.pairs, pts.length)) {
      const pair = {
        name: nameOfFrame(pts, at, second),
        before: await before(momentOf(pts, at, 0, second)),
        after: await after(momentOf(pts, at, footage.shift, second), plan.side),
      };
      if (budget.fits(pair.before, pair.after)) pairs.push(pair);
    }
    return { pairs, strip, note: undefined };
  } catch (error) {
    return { pairs, strip, note: `Some frames could not be shown: ${messageOf(error)}` };
  }
}

/** Returns a judge of whether further images fit into so many bytes. */
export function imageBudget(mostBytes: number) {
  let left = mostBytes;
  return {
    fits(...images: readonly Buffer[]): boolean {
      const bytes = images.reduce((sum, { length }) => sum + length, 0);
      if (bytes > left) return false;
      left -= bytes;
      return true;
    },
  };
}

/** Returns at most `count` different places, evenly among `of`. */
export function spread(count: number, of: number): readonly number[] {
  const places = Array.from({ length: count }, (_, at) => Math.floor(((at + 0.5) / count) * of));
  return [...new Set(places)].filter((at) => at < of);
}

/** Returns a moment before a frame and after the one before it, in seconds. */
function momentOf(pts: readonly number[], at: number, shift: number, second: number): number {
  const time = pts[at] ?? 0;
  const before = pts[at - 1];
  const gap = before === undefined ? FIRST_GAP_SECONDS : (time - before) / 2 / second;
  return (time + shift) / second - gap;
}

function nameOfFrame(pts: readonly number[], at: number, second: number): string {
  const seconds = ((pts[at] ?? 0) - (pts[0] ?? 0)) / second;
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, '0')}`;
}

/** How FFmpeg finds a frame: options of the input, and a filter. */
interface Seek {
  readonly options: readonly string[];
  readonly filter: string;
}

/** Finds the first frame after a time of the file's own clock, in a file with an index. */
function byIndex(seconds: number): Seek {
  return { options: ['-seek_timestamp', '1', '-ss', seconds.toFixed(6)], filter: '' };
}

/** Finds it in a file without one: from some seconds before, since decoding may begin behind the place. */
function withoutIndex(seconds: number): Seek {
  const from = (seconds - LEAD_SECONDS).toFixed(6);
  return {
    options: ['-copyts', '-seek_timestamp', '1', '-noaccurate_seek', '-ss', from],
    filter: `select='gte(t,${seconds.toFixed(6)})',`,
  };
}

interface Place {
  readonly file: string;
  readonly map: string;
  readonly seek: Seek;
}

/** Makes a JPEG of a frame, at most `side` pixels wide and high. */
async function still(
  { file, map, seek }: Place,
  side: number,
  target: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const fit = `w='min(${side},iw)':h='min(${side},ih)':force_original_aspect_ratio=decrease`;
  const command: FfmpegCommand = {
    task: `taking a frame of "${file}"`,
    inputs: [{ from: { file }, options: seek.options }],
    outputs: [
      {
        to: { file: target },
        options: [
          ...['-map', map, '-frames:v', '1', '-an', '-sn', '-dn'],
          ...['-vf', `${seek.filter}scale=iw*sar:ih,setsar=1,scale=${fit}`],
          ...['-pix_fmt', 'yuvj420p', '-c:v', 'mjpeg', '-q:v', QUALITY, '-f', 'image2', '-update', '1'],
        ],
      },
    ],
  };
  await runFfmpeg(command, { signal });
  return readFile(target);
}
