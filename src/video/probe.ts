/** Reads what a source video is with ffprobe: headers and the few frames ffprobe itself needs, or that tell the rate, never the whole file. */
import { open, stat } from 'node:fs/promises';
import { JobError } from '../errors.js';
import { runFfprobe } from './ffmpeg.js';
import { FfmpegFailure } from './ffmpeg-messages.js';
import { measuredRate } from './frame-rate.js';
import { isoSampleEntries } from './iso-boxes.js';
import { guessedRate, parseProbe, withRate } from './probe-json.js';
import type { SourceFacts } from './source-facts.js';

export type { Rational } from './rational.js';
export type { SourceFacts, StreamFacts, StreamType, VideoFacts } from './source-facts.js';

/**
 * What a file may declare of itself before it is refused, so that a hostile or damaged header cannot make the job
 * allocate without bound. `FRAMESCATTER_MAX_PIXELS` (pixels of a frame) and `FRAMESCATTER_MAX_STREAMS` raise them.
 */
export const DEFAULT_LIMITS = { pixels: 2 ** 27, streams: 256 } as const;

export interface SourceLimits {
  /** Width times height. */
  readonly pixels: number;
  readonly streams: number;
}

/** The limits in force: the defaults, or what the environment says. Errors: JobError('usage') where that is no whole number. */
export function sourceLimits(environment: NodeJS.ProcessEnv = process.env): SourceLimits {
  return {
    pixels: limitFrom(environment, 'FRAMESCATTER_MAX_PIXELS', DEFAULT_LIMITS.pixels),
    streams: limitFrom(environment, 'FRAMESCATTER_MAX_STREAMS', DEFAULT_LIMITS.streams),
  };
}

/**
 * Reads what the video file at `path` is. Errors: JobError('input') where it is missing, no file, empty, no video,
 * cut off or encrypted; JobError('limit') where it declares more than `limits`; JobError('ffmpeg') where
 * ffprobe cannot be started.
 */
export async function probe(path: string, limits: SourceLimits = sourceLimits()): Promise<SourceFacts> {
  const bytes = await fileSize(path);
  const headers = await readHeaders(path);
  const facts = parseProbe(headers, path, bytes, limits);
  if (facts.format.startsWith('mov,') && (await isEncrypted(path))) {
    throw new JobError('input', `"${path}" is encrypted (DRM): its frames cannot be decoded`, {
      hint: 'Use a copy without copy protection.',
    });
  }
  const { averageRate, index } = facts.video;
  if (averageRate !== undefined) return facts;
  return withRate(facts, await measuredRate(facts, guessedRate(headers, index)));
}

async function fileSize(path: string): Promise<number> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
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

/** ffprobe's words on the file, as JSON. The table of pixel formats goes with them: bit depths are ffmpeg's to say. */
async function readHeaders(path: string): Promise<unknown> {
  try {
    return await runFfprobe(path, ['-show_format', '-show_streams', '-show_chapters', '-show_pixel_formats']);
  } catch (error) {
    if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
    throw await unreadable(path, error);
  }
}

async function unreadable(path: string, error: FfmpegFailure): Promise<JobError> {
  if (/permission denied/i.test(error.message)) {
    return new JobError('input', `"${path}" may not be read: permission denied`, { cause: error });
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

/** Whether the file begins with a `ftyp` box, as every MP4 and nearly every QuickTime file does. */
async function startsAsIsoMedia(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(8);
    await file.read(head, 0, 8, 0);
    return head.toString('latin1', 4, 8) === 'ftyp';
  } finally {
    await file.close();
  }
}

/** Whether a video track's sample entry is `encv` (ISO/IEC 14496-12, 8.12): ffprobe does not tell. */
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
