/**
 * Probes a source video with ffprobe: its headers, and a few packets and frames if headers are not enough.
 */

import { open, stat } from 'node:fs/promises';
import { JobError, UNDECODED, undecoded } from '../../system/errors.js';
import { runFfprobe } from '../ffmpeg/ffmpeg.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import { declaredSequence } from '../ffmpeg/sequence-inputs.js';
import { isoSampleEntries } from '../formats/iso-boxes.js';
import type { Rational } from '../formats/rational.js';
import { measuredRate } from './frame-rate.js';
import { choiceNote, mainVideo, noVideo, videoNamed, videosOf } from './main-video.js';
import {
  guessedRate,
  lackingStreams,
  parseProbe,
  parseStreams,
  type SourceLimits,
  withRate,
} from './probe-json.js';
import type { SourceFacts, StreamFacts, VideoFacts } from './source-facts.js';
import { type FrameMarks, frameMarks, videoActivity } from './video-samples.js';

export type { Rational } from '../formats/rational.js';
export type { SourceFacts, StreamFacts, StreamType, VideoFacts } from './source-facts.js';

/**
 * The limits on what a file may declare, so that a hostile or damaged header cannot make the job allocate
 * without bound. `FRAMESCATTER_MAX_PIXELS` (pixels per frame) and `FRAMESCATTER_MAX_STREAMS` raise them.
 */
export const DEFAULT_LIMITS = { pixels: 2 ** 27, streams: 256 } as const;

/**
 * Returns the limits in force: the defaults, or those of the environment.
 *
 * @throws {JobError} usage: when one is not a whole number.
 */
export function sourceLimits(environment: NodeJS.ProcessEnv = process.env): SourceLimits {
  return {
    pixels: limitFrom(environment, 'FRAMESCATTER_MAX_PIXELS', DEFAULT_LIMITS.pixels),
    streams: limitFrom(environment, 'FRAMESCATTER_MAX_STREAMS', DEFAULT_LIMITS.streams),
  };
}

/**
 * Probes the video file at `path`. The video is stream `index`, or by default the one that a viewer would
 * call so; a note says which, if there are several.
 *
 * @throws {JobError} input: when it is missing, not a file, empty, not a video, cut off or encrypted.
 * @throws {JobError} usage: when stream `index` is not a video.
 * @throws {JobError} limit: when it declares more than `limits`.
 * @throws {JobError} ffmpeg: when ffprobe cannot be started.
 */
export async function probe(
  path: string,
  limits: SourceLimits = sourceLimits(),
  index?: number,
): Promise<SourceFacts> {
  const bytes = declaredSequence(path)?.bytes ?? (await fileSize(path));
  const { headers, openOptions } = await readHeaders(path);
  const { streams, ...place } = parseStreams(headers, path, limits);
  const videos = videosOf(streams);
  const seen = index === undefined && videos.length > 1;
  const main = seen
    ? mainVideo(videos, await videoActivity({ path, openOptions, ...place }))
    : index === undefined
      ? videos[0]
      : videoNamed(index, streams, path);
  if (main === undefined) throw noVideo(streams, path);
  const parsed = parseProbe(headers, path, bytes, limits, main.index);
  const notes = seen ? [choiceNote(main, videos)] : [];
  await refuseEncrypted(parsed);
  return withFrames(await rated({ ...parsed, openOptions, notes }, headers));
}

/**
 * Probes a file of our own by its headers alone. `pick` returns the index of the video; by default it is the
 * stream that the headers suggest.
 */
export async function probeHeaders(
  path: string,
  limits: SourceLimits = sourceLimits(),
  pick: (streams: readonly StreamFacts[]) => number | undefined = () => undefined,
): Promise<SourceFacts> {
  const bytes = await fileSize(path);
  const { headers, openOptions } = await readHeaders(path);
  const index = pick(parseStreams(headers, path, limits).streams);
  return rated({ ...parseProbe(headers, path, bytes, limits, index), openOptions }, headers);
}

/** The length of a video by its headers. */
export interface PromisedLength {
  readonly frames: number;
  readonly rate: Rational | undefined;
}

/**
 * Returns what the headers of a video promise, quickly: the file may hold something else. Undefined if they
 * do not tell. `signal` ends it. Throws as `probe`.
 */
export async function promisedLength(path: string, signal: AbortSignal): Promise<PromisedLength | undefined> {
  const bytes = await fileSize(path);
  const headers = await runFfprobe(path, SHOWN, signal);
  const { frames, averageRate } = parseProbe(headers, path, bytes, sourceLimits()).video;
  return frames === undefined ? undefined : { frames, rate: averageRate };
}

async function refuseEncrypted({ path, format }: SourceFacts): Promise<void> {
  if (!format.startsWith('mov,') || !(await isEncrypted(path))) return;
  throw new JobError('input', `"${path}" is encrypted (DRM): its frames cannot be decoded`, {
    hint: 'Use a copy without copy protection.',
  });
}

async function rated(facts: SourceFacts, headers: unknown): Promise<SourceFacts> {
  const { averageRate, index } = facts.video;
  if (averageRate !== undefined) return facts;
  return withRate(facts, await measuredRate(facts, guessedRate(headers, index)));
}

/** Returns `facts` with the marks of frames, which many containers do not repeat or contradict. */
async function withFrames(facts: SourceFacts): Promise<SourceFacts> {
  const { video } = facts;
  const marks = await frameMarks(facts);
  if (marks === undefined) return facts;
  const { aspects, interlaced, stereo, captions } = marks;
  const notes = [...facts.notes];
  if (aspects.length > 1) {
    const { num, den } = video.sampleAspectRatio ?? { num: 1, den: 1 };
    notes.push(
      `The sample aspect ratio changes within the video (${aspects.join(', ')}): ${num}:${den} is kept for all of it.`,
    );
  }
  if (stereo && video.stereoMode === undefined) {
    notes.push('The frames carry a stereo 3D mark (frame packing): it is left out.');
  }
  return {
    ...facts,
    notes,
    video: {
      ...video,
      captions,
      hdr10: video.hdr10 ?? marks.hdr10,
      ...(marks.dynamicHdr.length > 0 ? { dynamicHdr: marks.dynamicHdr } : {}),
      interlaced: interlaced ? 'flagged' : video.interlaced,
      ...(video.codec === 'prores' ? missingTags(video, marks) : {}),
    },
  };
}

/**
 * Returns the first frame's colour tags where the stream has none: from FFmpeg 7 on it lacks those of ProRes.
 */
function missingTags(video: VideoFacts, { tags }: FrameMarks): Partial<VideoFacts> {
  return {
    matrixTag: video.matrixTag ?? tags.matrixTag,
    primariesTag: video.primariesTag ?? tags.primariesTag,
    transferTag: video.transferTag ?? tags.transferTag,
  };
}

async function fileSize(path: string): Promise<number> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
      if (path.includes(UNDECODED)) throw undecoded('input', path);
      throw new JobError('input', `there is no file "${path}"`, { hint: 'Check the path.', cause: error });
    }
    throw new JobError('input', `"${path}" cannot be read: ${error.message}`, { cause: error });
  });
  if (facts.isDirectory()) {
    throw new JobError('input', `"${path}" is a folder, not a video`, { hint: 'Name one video file.' });
  }
  if (!facts.isFile()) {
    throw new JobError('input', `"${path}" is not a regular file`, {
      hint: 'Copy the video into a file first: it is read more than once.',
    });
  }
  if (facts.size === 0) throw new JobError('input', `"${path}" is empty (0 bytes)`);
  return facts.size;
}

/** ffprobe's report as JSON, and the options with which it was made. */
interface Headers {
  readonly headers: unknown;
  readonly openOptions: readonly string[];
}

/** The sections to show. The table of pixel formats is among them, for ffmpeg's own bit depths. */
const SHOWN = ['-show_format', '-show_streams', '-show_chapters', '-show_pixel_formats'];
/**
 * Bytes to analyse, step by step, if streams lack facts. ffmpeg's own 5 MB end before a video that begins
 * minutes after its audio. For audio only the first step is worth its time: many broadcasts announce audio
 * that never comes.
 */
const FURTHER_BYTES = [2 ** 25, 2 ** 28] as const;
/** Seconds of the file to analyse; the bytes are the real limit. */
const FURTHER_SECONDS = 6 * 3600;
/** The time limit of one step. */
const FURTHER_MS = 60_000;

async function readHeaders(path: string): Promise<Headers> {
  let best: Headers = { headers: await readAs(path), openOptions: [] };
  let missing = lackingStreams(best.headers);
  for (const [step, bytes] of FURTHER_BYTES.entries()) {
    if (missing.videos === 0 && (missing.audio === 0 || step > 0)) break;
    const openOptions = ['-analyzeduration', `${FURTHER_SECONDS * 1e6}`, '-probesize', `${bytes}`];
    const signal = AbortSignal.timeout(FURTHER_MS);
    const headers = await runFfprobe(path, [...openOptions, ...SHOWN], signal).catch(() => undefined);
    if (headers === undefined) break;
    const now = lackingStreams(headers);
    if (now.videos + now.audio >= missing.videos + missing.audio) continue;
    [best, missing] = [{ headers, openOptions }, now];
  }
  return best;
}

async function readAs(path: string): Promise<unknown> {
  try {
    return await runFfprobe(path, SHOWN);
  } catch (error) {
    if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
    throw await unreadable(path, error);
  }
}

async function unreadable(path: string, error: FfmpegFailure): Promise<JobError> {
  if (/permission denied/i.test(error.message)) {
    return new JobError('input', `"${path}" cannot be read: permission denied`, { cause: error });
  }
  if (error.message.includes('moov atom not found') && (await startsAsIsoMedia(path))) {
    return new JobError('input', `"${path}" is cut off or was never finished: its index (moov) is missing`, {
      hint: 'Copy or record it again; an interrupted download looks like this.',
      cause: error,
    });
  }
  const format = /^(\w+): Format not on whitelist/.exec(error.first ?? '')?.[1];
  if (format !== undefined) {
    return new JobError('input', `"${path}" is not a video: ffmpeg reads it as "${format}"`, {
      hint: 'Give the video file itself, not a playlist, a pattern or a text.',
      cause: error,
    });
  }
  return new JobError('input', `"${path}" is not a video that ffmpeg can read`, {
    hint: `ffprobe says: ${error.message}`,
    cause: error,
  });
}

/** Returns whether the file begins with a `ftyp` box, as every MP4 and nearly every QuickTime file does. */
async function startsAsIsoMedia(path: string): Promise<boolean> {
  await using file = await open(path);
  const head = Buffer.alloc(8);
  await file.read(head, 0, 8, 0);
  return head.toString('latin1', 4, 8) === 'ftyp';
}

/**
 * Returns whether a video track's sample entry is `encv` (ISO/IEC 14496-12, 8.12), which ffprobe does not
 * report.
 */
async function isEncrypted(path: string): Promise<boolean> {
  const entries = await isoSampleEntries(path);
  return entries.some((entry) => entry.handler === 'vide' && entry.format === 'encv');
}

function limitFrom(environment: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = environment[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new JobError('usage', `${name} is "${text}", not a whole number above zero`);
  }
  return value;
}
