/** Finds out how long a source shows its last frame. */
import { open } from 'node:fs/promises';
import { JobError } from '../../system/errors.js';
import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import { matroskaIsWhole } from '../formats/matroska-elements.js';
import type { SourceFacts } from '../source/source-facts.js';
import { constantGap } from './output-times.js';

/** Formats whose packets and headers hold the durations of frames. Others only hold a rate. */
const EXPLICIT = /^(?:mov,|matroska|gif$|apng$)/;
/** Seconds before the last frame from which on packets are listed. */
const RUN_UP_SECONDS = 1;
/**
 * A track's end is believed if it is at most so many seconds after its last packet's: the file may have been
 * cut off.
 */
const MOST_BEYOND_SECONDS = 1;

/** The last packets of a stream, in its ticks. */
interface Tail {
  /** The duration of the last frame's packet. */
  readonly duration: number | undefined;
  /** The end of the last of the packets. */
  readonly end: number;
}

/**
 * Returns how long `source` shows its last frame, in ticks of the video stream. `pts` has the times of all
 * decoded frames, ascending. Undefined if the file does not say, or if frames after the last of them could
 * not be decoded. Reads the end of the file unless its headers are enough.
 *
 * @throws {JobError} ffmpeg: when ffprobe cannot be started.
 */
export async function lastFrameDuration(
  source: SourceFacts,
  pts: readonly number[],
): Promise<number | undefined> {
  if (!EXPLICIT.test(source.format)) return undefined;
  const even = evenTicks(source, pts);
  if (even !== undefined) return even;
  const last = pts.at(-1) ?? 0;
  const tail = await readTail(source, last);
  if (tail === undefined) return undefined;
  const { timeBase, durationTicks, startPts = 0 } = source.video;
  const second = timeBase.den / timeBase.num;
  if (source.format.startsWith('mov,')) {
    const end = durationTicks === undefined ? undefined : startPts + durationTicks;
    const believed = end !== undefined && end <= tail.end + MOST_BEYOND_SECONDS * second;
    const declared = believed ? end - last : 0;
    // If B-frames are decoded after it, the frame's own packet is as long as any. An edit may end within a
    // frame.
    return declared >= 2 * (tail.duration ?? 0) && declared > 0 ? declared : tail.duration;
  }
  if (!source.format.startsWith('matroska')) return tail.duration;
  const end = await matroskaEnd(source);
  const rest = end === undefined ? 0 : Math.round(end * second) - last;
  // A packet has its own duration or the usual one: if the track ends later, it is the usual one.
  return rest > (tail.duration ?? 0) ? rest : tail.duration;
}

/**
 * Returns the duration of every frame of an ISO file whose frames were all decoded, are equally far apart,
 * and add up to the length of the track: the last one is then as long as the others.
 */
function evenTicks({ format, video }: SourceFacts, pts: readonly number[]): number | undefined {
  const gap = constantGap(pts);
  if (gap === undefined || !format.startsWith('mov,')) return undefined;
  const all = video.framesDeclared && video.frames === pts.length && video.startPts === pts[0];
  return all && video.durationTicks === gap * pts.length ? gap : undefined;
}

/**
 * Reads the stream's last packets; undefined if the frame at `last` is not among them, or is not the last.
 */
async function readTail(source: SourceFacts, last: number): Promise<Tail | undefined> {
  const { index, timeBase } = source.video;
  const from = (last * timeBase.num) / timeBase.den - RUN_UP_SECONDS;
  const args = [
    ...source.openOptions,
    ...['-select_streams', `${index}`, '-read_intervals', `${from.toFixed(6)}%`],
    ...['-show_entries', 'packet=pts,duration,flags', '-of', 'compact=p=0:nk=0'],
  ];
  let duration: number | undefined;
  let end = last;
  let found = false;
  try {
    for await (const line of ffprobeLines(source.path, args)) {
      const told = new Map(line.split('|').map((entry) => entry.split('=', 2) as [string, string]));
      const pts = Number(told.get('pts'));
      if (!Number.isSafeInteger(pts) || told.get('flags')?.includes('D')) continue;
      if (pts > last) return undefined;
      const ticks = Number(told.get('duration'));
      const known = Number.isSafeInteger(ticks) && ticks > 0;
      if (known) end = Math.max(end, pts + ticks);
      if (pts !== last) continue;
      found = true;
      duration = known ? ticks : undefined;
    }
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
  }
  return found ? { duration, end } : undefined;
}

/**
 * Returns the end of a Matroska file's video in seconds, from its headers; undefined if they do not hold it
 * or the file was cut off.
 */
async function matroskaEnd(source: SourceFacts): Promise<number | undefined> {
  await using file = await open(source.path);
  if (!(await matroskaIsWhole(file))) return undefined;
  const start = Math.max(0, source.startTime ?? 0);
  const fileEnd = source.duration === undefined ? undefined : source.duration + start;
  const stream = source.streams.find(({ index }) => index === source.video.index);
  const tag = Object.entries(stream?.tags ?? {}).find(([key]) => /^DURATION(?:-|$)/i.test(key))?.[1];
  const [, hours, minutes, seconds] = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(tag ?? '') ?? [];
  if (hours !== undefined && fileEnd !== undefined) {
    const end = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
    // The tag may come from another file, which this one was cut from.
    return Math.min(end, fileEnd);
  }
  const alone = source.streams.every(
    ({ type, index }) => index === source.video.index || type === 'attachment',
  );
  return alone ? fileEnd : undefined;
}
