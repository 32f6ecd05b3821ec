/** Turns ffprobe's JSON into `SourceFacts`. Pure. */

import { JobError } from '../../system/errors.js';
import { hdrMetadataOf } from '../formats/hdr-metadata.js';
import type { Rational } from '../formats/rational.js';
import { mainVideo, noVideo, videosOf } from './main-video.js';
import { integer, type Json, list, number, positive, record, text } from './probe-values.js';
import type {
  DolbyVision,
  Interlacing,
  SourceFacts,
  StreamFacts,
  StreamType,
  VideoFacts,
} from './source-facts.js';

export interface SourceLimits {
  /** Width times height. */
  readonly pixels: number;
  readonly streams: number;
}

const HDR_TRANSFERS: ReadonlySet<string> = new Set(['smpte2084', 'arib-std-b67']);
/**
 * The field that is shown first, by ffprobe's names of field orders. Names of two different letters are
 * interleaved fields, and are read as in ffmpeg's own decoders: Apple's TN2162 and the output of encoders
 * agree.
 */
const FIELD_ORDERS: Readonly<Record<string, Interlacing>> = { tt: 'tff', tb: 'tff', bb: 'bff', bt: 'bff' };
/** Demuxers that find a stream only when its packets come. */
const LATE_FORMATS: ReadonlySet<string> = new Set(['mpegts', 'mpeg', 'flv']);
/**
 * ffmpeg's names for packing two views into a frame, as Matroska's: with the left view first, and with the
 * right one.
 */
const STEREO_MODES: Readonly<Record<string, readonly [string, string]>> = {
  'side by side': ['left_right', 'right_left'],
  'top and bottom': ['top_bottom', 'bottom_top'],
  'frame alternate': ['block_lr', 'block_rl'],
  checkerboard: ['checkerboard_lr', 'checkerboard_rl'],
  'interleaved lines': ['row_interleaved_lr', 'row_interleaved_rl'],
  'interleaved columns': ['col_interleaved_lr', 'col_interleaved_rl'],
};
const STREAM_TYPES: ReadonlySet<string> = new Set(['video', 'audio', 'subtitle', 'data', 'attachment']);
const LIGHT = 'Content light level metadata';
const IDENTITY = [65536, 0, 0, 0, 65536, 0, 0, 0, 2 ** 30];

/** ffprobe's facts, before one of the streams is chosen as the video. */
export interface ProbedStreams {
  readonly streams: readonly StreamFacts[];
  readonly startTime: number | undefined;
  readonly duration: number | undefined;
}

/**
 * Parses only the streams of `parseProbe`'s input.
 *
 * @throws {JobError} limit: when there are more than `limits`.
 */
export function parseStreams(json: unknown, path: string, limits: SourceLimits): ProbedStreams {
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
  return {
    streams: list(root.streams).map(record).map(streamFacts),
    startTime: number(format.start_time),
    duration: fileDuration(format),
  };
}

/**
 * Parses the output of `ffprobe -show_format -show_streams -show_chapters -show_pixel_formats -of json` for
 * the file at `path`, `bytes` long. The video is stream `index`, or by default the one that the headers
 * suggest.
 *
 * @throws {JobError} input: when there is no video stream.
 * @throws {JobError} limit: when the file declares more than `limits`.
 */
export function parseProbe(
  json: unknown,
  path: string,
  bytes: number,
  limits: SourceLimits,
  index?: number,
): SourceFacts {
  const root = record(json);
  const format = record(root.format);
  const { streams, startTime, duration } = parseStreams(json, path, limits);
  const named = streams.find((stream) => stream.index === index);
  const main = named ?? mainVideo(videosOf(streams));
  if (main === undefined) throw noVideo(streams, path);
  const found =
    list(root.streams)
      .map(record)
      .find((stream) => integer(stream.index) === main.index) ?? {};
  const video = videoFacts(found, main, duration, list(root.pixel_formats).map(record));
  checkSize(video, path, limits);
  return {
    path,
    format: text(format.format_name) ?? '',
    startTime,
    duration: duration ?? video.duration,
    bytes,
    video,
    streams,
    openOptions: [],
    notes: [],
    chapters: list(root.chapters).length,
    tags: tagsOf(format),
  };
}

/**
 * Returns the number of streams that ffprobe found without the facts to process or carry them, because their
 * first packets come late: videos without a size or a pixel format (or no video at all, in formats that find
 * streams late), and audio without a rate.
 */
export function lackingStreams(json: unknown): { readonly videos: number; readonly audio: number } {
  const root = record(json);
  const late = LATE_FORMATS.has(text(record(root.format).format_name) ?? '');
  const known = list(root.streams)
    .map(record)
    .filter(({ codec_name: codec, disposition }) => text(codec) && record(disposition).attached_pic !== 1);
  const videos = known.filter(({ codec_type: type }) => type === 'video');
  const unsized = videos.filter(
    (video) => !positive(video.width) || (text(video.pix_fmt) ?? 'unknown') === 'unknown',
  );
  const audio = known.filter(({ codec_type: type }) => late && type === 'audio');
  return {
    videos: unsized.length + (late && videos.length === 0 ? 1 : 0),
    audio: audio.filter(({ sample_rate: rate, channels }) => !positive(rate) || !positive(channels)).length,
  };
}

/**
 * Returns ffprobe's guess of the rate of stream `index`, from `parseProbe`'s input: a rate that would fit all
 * times.
 */
export function guessedRate(json: unknown, index: number): Rational | undefined {
  const stream = list(record(json).streams)
    .map(record)
    .find((one) => integer(one.index) === index);
  return rate(stream?.r_frame_rate);
}

/** Returns `facts` with a measured average rate. */
export function withRate(facts: SourceFacts, averageRate: Rational | undefined): SourceFacts {
  const { video } = facts;
  const frames = video.frames ?? estimatedFrames(video.duration, averageRate);
  return { ...facts, video: { ...video, averageRate, frames } };
}

function checkSize(video: VideoFacts, path: string, limits: SourceLimits): void {
  if (!(video.width > 0 && video.height > 0)) {
    throw new JobError(
      'input',
      `"${path}" does not declare the size of its frames: the video cannot be decoded`,
      {
        hint:
          video.codec === 'webp'
            ? 'FFmpeg does not decode animated WebP: convert it to GIF, APNG or a video first.'
            : 'The file may be damaged, or its video may begin too far from its start. Does it play?',
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
    width: positive(stream.width),
    height: positive(stream.height),
    startTime: number(stream.start_time),
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
    interlaced: FIELD_ORDERS[text(stream.field_order) ?? ''] ?? false,
    timeBase,
    startPts: integer(stream.start_pts),
    durationTicks,
    duration,
    averageRate,
    frames: declared ?? positive(countTag(facts.tags)) ?? estimatedFrames(duration, averageRate),
    framesDeclared: declared !== undefined,
    sampleAspectRatio: rate(text(stream.sample_aspect_ratio)?.replace(':', '/')),
    matrixTag: stream.color_space === 'reserved' ? 'reserved' : colourTag(stream.color_space),
    primariesTag: colourTag(stream.color_primaries),
    transferTag,
    rangeTag: colourTag(stream.color_range),
    chromaLocationTag: colourTag(stream.chroma_location),
    displayMatrix,
    rotation: displayMatrix === undefined ? 0 : clockwiseDegrees(displayMatrix),
    hdr: transferTag !== undefined && HDR_TRANSFERS.has(transferTag),
    hdr10: hdrMetadataOf(
      Object.assign({}, sideData(stream, 'Mastering display metadata'), sideData(stream, LIGHT)),
    ),
    spherical: sideData(stream, 'Spherical Mapping') !== undefined,
    dolbyVision: dolbyVisionOf(stream),
    stereoMode: stereoModeOf(stream, facts),
    captions: false,
  };
}

function sideData(stream: Json, type: string): Json | undefined {
  return list(stream.side_data_list)
    .map(record)
    .find((side) => text(side.side_data_type) === type);
}

function dolbyVisionOf(stream: Json): DolbyVision | undefined {
  const config = sideData(stream, 'DOVI configuration record');
  if (config === undefined) return undefined;
  const compatible = (integer(config.dv_bl_signal_compatibility_id) ?? 0) !== 0;
  return { profile: integer(config.dv_profile) ?? 0, compatible };
}

function stereoModeOf(stream: Json, { tags }: StreamFacts): string | undefined {
  const named = tagNamed(tags, 'stereo_mode');
  if (named !== undefined) return named === 'mono' ? undefined : named;
  const side = sideData(stream, 'Stereo 3D');
  const [left, right] = STEREO_MODES[text(side?.type) ?? ''] ?? [];
  return integer(side?.inverted) === 1 ? right : left;
}

/** Returns the seconds from the first start to the end. Matroska's own figure counts from time zero. */
function fileDuration(format: Json): number | undefined {
  const duration = positive(format.duration);
  const fromZero = text(format.format_name)?.startsWith('matroska') ?? false;
  const start = fromZero ? Math.max(0, number(format.start_time) ?? 0) : 0;
  return duration !== undefined && duration > start ? duration - start : duration;
}

/** Returns mkvmerge's count of frames. Its tag may end in a language. */
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

/**
 * Returns the nine integers from ffprobe's text: three lines of `offset: a b c`. Undefined for the identity.
 */
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

/** Returns the angle by which the matrix turns the x axis. y points down, so positive is clockwise. */
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

/** Returns a tag in any case: Matroska's are in capitals. */
function tagNamed(tags: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(tags).find(([key]) => key.toLowerCase() === name)?.[1];
}

/** Parses `num/den`, both above zero. */
function rate(value: unknown): Rational | undefined {
  const [num, den] = (text(value) ?? '').split('/').map(Number);
  return num !== undefined && den !== undefined && num > 0 && den > 0 ? { num, den } : undefined;
}
