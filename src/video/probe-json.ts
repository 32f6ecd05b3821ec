/** From ffprobe's JSON to `SourceFacts`. Pure. */
import { JobError } from '../errors.js';
import type { SourceLimits } from './probe.js';
import type { Rational } from './rational.js';
import type { SourceFacts, StreamFacts, StreamType, VideoFacts } from './source-facts.js';

type Json = Readonly<Record<string, unknown>>;

const HDR_TRANSFERS: ReadonlySet<string> = new Set(['smpte2084', 'arib-std-b67']);
const INTERLACED_ORDERS: ReadonlySet<string> = new Set(['tt', 'bb', 'tb', 'bt']);
const STREAM_TYPES: ReadonlySet<string> = new Set(['video', 'audio', 'subtitle', 'data', 'attachment']);
const IDENTITY = [65536, 0, 0, 0, 65536, 0, 0, 0, 2 ** 30];

/**
 * What `ffprobe -show_format -show_streams -show_chapters -show_pixel_formats -of json` said of the file at `path`,
 * `bytes` long. Errors: JobError('input') without a video stream; JobError('limit') past `limits`.
 */
export function parseProbe(json: unknown, path: string, bytes: number, limits: SourceLimits): SourceFacts {
  const root = record(json);
  const format = record(root.format);
  const declared = Math.max(list(root.streams).length, integer(format.nb_streams) ?? 0);
  if (declared > limits.streams) {
    throw new JobError(
      'limit',
      `"${path}" declares ${declared} streams, more than the limit of ${limits.streams}`,
      {
        hint: 'If the file is right, set FRAMESCATTER_MAX_STREAMS higher.',
      },
    );
  }
  const raw = list(root.streams).map(record);
  const streams = raw.map(streamFacts);
  const main = mainVideo(streams, path);
  const found = raw.find((stream) => integer(stream.index) === main.index) ?? {};
  const duration = fileDuration(format);
  const video = videoFacts(found, main, duration, list(root.pixel_formats).map(record));
  checkSize(video, path, limits);
  return {
    path,
    format: text(format.format_name) ?? '',
    startTime: number(format.start_time),
    duration: duration ?? video.duration,
    bytes,
    video,
    streams,
    chapters: list(root.chapters).length,
    tags: tagsOf(format),
  };
}

/** The rate that ffprobe guesses for stream `index`, in the words that `parseProbe` takes: one that all times would fit. */
export function guessedRate(json: unknown, index: number): Rational | undefined {
  const stream = list(record(json).streams)
    .map(record)
    .find((one) => integer(one.index) === index);
  return rate(stream?.r_frame_rate);
}

/** `facts` where the video's average rate has been found out. */
export function withRate(facts: SourceFacts, averageRate: Rational | undefined): SourceFacts {
  const { video } = facts;
  const frames = video.frames ?? estimatedFrames(video.duration, averageRate);
  return { ...facts, video: { ...video, averageRate, frames } };
}

/** The video to process: the first one marked as default, else the first; never cover art. */
function mainVideo(streams: readonly StreamFacts[], path: string): StreamFacts {
  const videos = streams.filter((stream) => stream.type === 'video');
  const moving = videos.filter((stream) => !stream.attachedPicture && stream.codec !== 'none');
  const main = moving.find((stream) => stream.disposition.includes('default')) ?? moving[0];
  if (main !== undefined) return main;
  const others = [...new Set(streams.map((stream) => stream.type))].join(', ');
  const what =
    videos.length === 0
      ? `has no video stream (only: ${others === '' ? 'nothing at all' : others})`
      : videos.every((stream) => stream.attachedPicture)
        ? 'has no video stream, only cover art'
        : 'has a video stream, but in a codec that ffmpeg does not know';
  throw new JobError('input', `"${path}" ${what}`, { hint: 'Give a file with a video in it.' });
}

function checkSize(video: VideoFacts, path: string, limits: SourceLimits): void {
  if (!(video.width > 0 && video.height > 0)) {
    throw new JobError(
      'input',
      `"${path}" does not tell the size of its frames: the video cannot be decoded`,
      {
        hint: 'The file may be damaged, or declare an absurd frame size. Does it play?',
      },
    );
  }
  if (video.width * video.height > limits.pixels) {
    throw new JobError(
      'limit',
      `"${path}" declares frames of ${video.width}x${video.height} pixels, more than the limit of ${limits.pixels} pixels`,
      { hint: 'If the file is right, set FRAMESCATTER_MAX_PIXELS higher.' },
    );
  }
}

function streamFacts(stream: Json): StreamFacts {
  const type = text(stream.codec_type) ?? 'data';
  const tags = tagsOf(stream);
  const disposition = Object.entries(record(stream.disposition))
    .filter(([, set]) => set === 1)
    .map(([name]) => name);
  return {
    index: integer(stream.index) ?? 0,
    type: STREAM_TYPES.has(type) ? (type as StreamType) : 'data',
    codec: text(stream.codec_name) ?? 'none',
    codecTag: text(stream.codec_tag_string) ?? '',
    profile: text(stream.profile),
    language: tagNamed(tags, 'language'),
    title: tagNamed(tags, 'title'),
    attachedPicture: disposition.includes('attached_pic'),
    disposition,
    sampleRate: positive(stream.sample_rate),
    channels: positive(stream.channels),
    tags,
  };
}

function videoFacts(
  stream: Json,
  facts: StreamFacts,
  wholeDuration: number | undefined,
  pixelFormats: readonly Json[],
): VideoFacts {
  const pixelFormat = text(stream.pix_fmt) ?? 'unknown';
  const layout = pixelFormats.find((format) => format.name === pixelFormat) ?? {};
  const flags = record(layout.flags);
  const depths = list(layout.components).map((component) => integer(record(component).bit_depth) ?? 8);
  const averageRate = rate(stream.avg_frame_rate);
  const timeBase = rate(stream.time_base) ?? { num: 1, den: 1000 };
  const durationTicks = positive(stream.duration_ts);
  const duration = positive(stream.duration) ?? wholeDuration;
  const declared = positive(stream.nb_frames);
  const transferTag = colourTag(stream.color_transfer);
  const displayMatrix = displayMatrixOf(stream);
  return {
    index: facts.index,
    codec: facts.codec,
    width: integer(stream.width) ?? 0,
    height: integer(stream.height) ?? 0,
    pixelFormat,
    bitDepth: Math.max(8, ...depths),
    alpha: flags.alpha === 1 || tagNamed(facts.tags, 'alpha_mode') === '1',
    rgb: flags.rgb === 1 || flags.palette === 1,
    grey: integer(layout.nb_components) === 1 && flags.palette !== 1,
    chromaShift: { x: integer(layout.log2_chroma_w) ?? 0, y: integer(layout.log2_chroma_h) ?? 0 },
    interlaced: INTERLACED_ORDERS.has(text(stream.field_order) ?? ''),
    timeBase,
    startPts: integer(stream.start_pts),
    durationTicks,
    duration,
    averageRate,
    frames: declared ?? positive(countTag(facts.tags)) ?? estimatedFrames(duration, averageRate),
    framesDeclared: declared !== undefined,
    sampleAspectRatio: rate(text(stream.sample_aspect_ratio)?.replace(':', '/')),
    matrixTag: colourTag(stream.color_space),
    primariesTag: colourTag(stream.color_primaries),
    transferTag,
    rangeTag: colourTag(stream.color_range),
    chromaLocationTag: colourTag(stream.chroma_location),
    displayMatrix,
    rotation: displayMatrix === undefined ? 0 : clockwiseDegrees(displayMatrix),
    hdr: transferTag !== undefined && HDR_TRANSFERS.has(transferTag),
    spherical: list(stream.side_data_list).some(
      (side) => text(record(side).side_data_type) === 'Spherical Mapping',
    ),
  };
}

/** Seconds from the first start to the end: Matroska's own figure counts from time zero. */
function fileDuration(format: Json): number | undefined {
  const duration = positive(format.duration);
  const fromZero = text(format.format_name)?.startsWith('matroska') ?? false;
  const start = fromZero ? Math.max(0, number(format.start_time) ?? 0) : 0;
  return duration !== undefined && duration > start ? duration - start : duration;
}

/** mkvmerge's count, which it may follow with a language. */
function countTag(tags: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(tags).find(([key]) => key.startsWith('NUMBER_OF_FRAMES'))?.[1];
}

function estimatedFrames(
  duration: number | undefined,
  averageRate: Rational | undefined,
): number | undefined {
  if (duration === undefined || averageRate === undefined) return undefined;
  const frames = Math.round((duration * averageRate.num) / averageRate.den);
  return Number.isSafeInteger(frames) && frames > 0 ? frames : undefined;
}

/** The nine integers as ffprobe prints them: three lines of `offset: a b c`. Undefined where they say nothing. */
function displayMatrixOf(stream: Json): readonly number[] | undefined {
  for (const side of list(stream.side_data_list).map(record)) {
    const printed = text(side.displaymatrix);
    if (printed === undefined) continue;
    const numbers = printed
      .split('\n')
      .flatMap((line) => (line.split(':')[1] ?? '').trim().split(/\s+/))
      .filter((word) => word !== '')
      .map(Number);
    const whole = numbers.length === 9 && numbers.every(Number.isInteger);
    if (whole && numbers.some((value, place) => value !== IDENTITY[place])) return numbers;
  }
  return undefined;
}

/** The angle by which the matrix turns the x axis; y points down, so positive is clockwise. */
function clockwiseDegrees(matrix: readonly number[]): number {
  const [a = 0, b = 0] = matrix;
  return (Math.round((Math.atan2(b, a) * 180) / Math.PI) + 360) % 360;
}

function colourTag(value: unknown): string | undefined {
  const tag = text(value);
  return tag === undefined || tag === 'unknown' || tag === 'unspecified' || tag === 'reserved'
    ? undefined
    : tag;
}

function tagsOf(holder: Json): Readonly<Record<string, string>> {
  const entries = Object.entries(record(holder.tags)).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(entries) as Record<string, string>;
}

/** A tag whatever its case: Matroska's come in capitals. */
function tagNamed(tags: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(tags).find(([key]) => key.toLowerCase() === name)?.[1];
}

function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** ffprobe writes some numbers as JSON numbers and others as text. */
function number(value: unknown): number | undefined {
  const parsed = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof parsed === 'number' && Number.isFinite(parsed) ? parsed : undefined;
}

function integer(value: unknown): number | undefined {
  const parsed = number(value);
  return Number.isSafeInteger(parsed) ? parsed : undefined;
}

function positive(value: unknown): number | undefined {
  const parsed = number(value);
  return parsed !== undefined && parsed > 0 && parsed <= Number.MAX_SAFE_INTEGER ? parsed : undefined;
}

/** `num/den`, both above zero. */
function rate(value: unknown): Rational | undefined {
  const [num, den] = (text(value) ?? '').split('/').map(Number);
  return num !== undefined && den !== undefined && num > 0 && den > 0 ? { num, den } : undefined;
}
