/** Samples a source's packets and frames at a few places, if its headers are not enough. */
import { JobError } from '../../system/errors.js';
import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import { type HdrMetadata, hdrMetadataOf } from '../formats/hdr-metadata.js';
import type { Activity } from './main-video.js';
import type { SourceFacts, VideoFacts } from './source-facts.js';

/** The marks of the frames that were decoded at a few places. */
export interface FrameMarks {
  /** True if any of them consists of two fields. */
  readonly interlaced: boolean;
  /** Their sample aspect ratios, as ffprobe writes them, in the order of their appearance. */
  readonly aspects: readonly string[];
  /** True if any carries a message about two views packed into it. */
  readonly stereo: boolean;
  /** True if any of them holds closed captions. */
  readonly captions: boolean;
  /** Static HDR metadata of the first that has any, and the names of dynamic ones. */
  readonly hdr10: HdrMetadata | undefined;
  readonly dynamicHdr: readonly string[];
  /** The colour tags of the first, for codecs whose stream may have none. */
  readonly tags: Partial<Pick<VideoFacts, 'matrixTag' | 'primariesTag' | 'transferTag'>>;
}

type ProbedFile = Pick<SourceFacts, 'path' | 'openOptions' | 'startTime' | 'duration'>;

/** The places to sample, as parts of the length. */
const PLACES = [0, 0.2, 0.4, 0.6, 0.8] as const;
/** Frames per place: a telecined video shows fields within five. */
const FRAMES = 5;
/** Frames at the first place if the codec has captions: a broadcast has them within two seconds. */
const CAPTION_FRAMES = 50;
/** Seconds of packets per place. */
const SECONDS = 2;
/** Codecs whose decoders in ffmpeg never return a frame of two fields. */
const PROGRESSIVE_CODECS: ReadonlySet<string> = new Set([
  ...['hevc', 'vp8', 'vp9', 'av1', 'vvc', 'theora', 'flv1', 'h263', 'png', 'apng', 'gif', 'webp', 'bmp'],
]);

/** Codecs whose frames may hold captions (CEA-608 or -708) in a form that ffmpeg knows. */
const CAPTIONED: ReadonlySet<string> = new Set(['h264', 'hevc', 'mpeg2video', 'mpeg1video', 'av1']);

/** ffprobe's fields of static HDR metadata. */
const HDR_FIELDS = [
  ...['red_x', 'red_y', 'green_x', 'green_y', 'blue_x', 'blue_y', 'white_point_x', 'white_point_y'],
  ...['min_luminance', 'max_luminance', 'max_content', 'max_average'],
];
/** ffprobe's names of dynamic metadata, in part, and those that people use. */
const DYNAMIC_HDR: Readonly<Record<string, string>> = { 'SMPTE2094-40': 'HDR10+', '(Vivid)': 'HDR Vivid' };

/**
 * Reads the marks of frames by one run of ffprobe; undefined if the codec has no such marks. Decodes 70
 * frames at most. Never rejects because of the file: damage shows when it is decoded.
 */
export async function frameMarks(source: SourceFacts): Promise<FrameMarks | undefined> {
  const { video } = source;
  const [hasFields, hasCaptions] = [!PROGRESSIVE_CODECS.has(video.codec), CAPTIONED.has(video.codec)];
  if (!hasFields && !hasCaptions) return undefined;
  const aspects = new Set<string>();
  let [interlaced, stereo, captions] = [false, false, false];
  let first: string | undefined;
  const hdr = new Map<string, string>();
  const dynamicHdr = new Set<string>();
  // In raw streams without timestamps a seek would read the whole file.
  const places = hasFields && video.startPts !== undefined ? PLACES : PLACES.slice(0, 1);
  const tags = 'interlaced_frame,sample_aspect_ratio,color_space,color_primaries,color_transfer';
  const args = [
    ...['-select_streams', `${video.index}`, '-of', 'compact=p=0'],
    ...['-show_entries', `frame=${tags}:frame_side_data=side_data_type,${HDR_FIELDS.join(',')}`],
    ...['-threads', '2'],
    ...[
      '-read_intervals',
      intervals(source, places, `#${FRAMES}`, `#${hasCaptions ? CAPTION_FRAMES : FRAMES}`),
    ],
  ];
  await eachLine(source, args, (line) => {
    first ??= line;
    interlaced ||= hasFields && /\binterlaced_frame=1\b/.test(line);
    stereo ||= line.includes('side_data_type=Stereo 3D');
    captions ||= line.includes('side_data_type=ATSC A53');
    for (const name of HDR_FIELDS) {
      const value = new RegExp(`\\b${name}=([\\d./]+)`).exec(line)?.[1];
      if (value !== undefined && !hdr.has(name)) hdr.set(name, value);
    }
    for (const [mark, name] of Object.entries(DYNAMIC_HDR)) if (line.includes(mark)) dynamicHdr.add(name);
    const aspect = /\bsample_aspect_ratio=([1-9]\d*:[1-9]\d*)/.exec(line)?.[1];
    if (aspect !== undefined) aspects.add(aspect);
  });
  return {
    ...{ interlaced, aspects: [...aspects], stereo, captions, tags: colourTags(first ?? '') },
    ...{ hdr10: hdrMetadataOf(Object.fromEntries(hdr)), dynamicHdr: [...dynamicHdr] },
  };
}

function colourTags(line: string): FrameMarks['tags'] {
  const tag = (name: string): string | undefined => {
    const value = new RegExp(`\\b${name}=([^|]+)`).exec(line)?.[1];
    return value === 'unknown' || value === 'reserved' ? undefined : value;
  };
  return {
    matrixTag: tag('color_space'),
    primariesTag: tag('color_primaries'),
    transferTag: tag('color_transfer'),
  };
}

/**
 * Returns the activity of each video stream, by its index, in the packets at a few places. Never rejects
 * because of the file.
 */
export async function videoActivity(file: ProbedFile): Promise<ReadonlyMap<number, Activity>> {
  const times = new Map<number, Set<number>>();
  const args = [
    ...['-select_streams', 'v', '-show_entries', 'packet=stream_index,pts_time,dts_time'],
    ...['-of', 'compact=p=0', '-read_intervals', intervals(file, PLACES, `${SECONDS}`)],
  ];
  await eachLine(file, args, (line) => {
    const index = /\bstream_index=(\d+)/.exec(line)?.[1];
    const time = /\b[pd]ts_time=(-?[\d.]+)/.exec(line)?.[1];
    if (index === undefined || time === undefined) return;
    const own = times.get(Number(index)) ?? new Set();
    // A seek may return the same packet again.
    times.set(Number(index), own.add(Number(time)));
  });
  return new Map([...times].map(([index, own]) => [index, activityOf([...own])]));
}

function activityOf(times: readonly number[]): Activity {
  const [first, last] = times.reduce(
    ([least, most], time) => [Math.min(least, time), Math.max(most, time)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return { frames: times.length, seconds: last - first };
}

/** Returns ffprobe's `-read_intervals`: `amount` from each place on, and `first` from the first. */
function intervals(
  { startTime, duration }: ProbedFile,
  places: readonly number[],
  amount: string,
  first = amount,
): string {
  const spread = duration === undefined ? places.slice(0, 1) : places;
  return spread
    .map((part) =>
      part === 0 ? `%+${first}` : `${((startTime ?? 0) + part * (duration ?? 0)).toFixed(3)}%+${amount}`,
    )
    .join(',');
}

/** Passes on ffprobe's lines. If ffprobe gives up on the file, ends after those that it printed. */
async function eachLine(
  { path, openOptions }: ProbedFile,
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  try {
    for await (const line of ffprobeLines(path, [...openOptions, ...args])) onLine(line);
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
  }
}
