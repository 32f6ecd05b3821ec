/**
 * The options with which ffmpeg puts the finished file together. Pure. Inputs: 0 is the new video, 1 the
 * source.
 */
import type { Container } from '../formats/container.js';
import { type Rational, reduced } from '../formats/rational.js';
import { hasBroadcastClock, type SourceFacts, type StreamFacts } from '../source/source-facts.js';
import { type Cut, streamCut, trackTimeBase } from './cut-options.js';
import { CONTAINER_TAGS, planMetadata, staleTags } from './metadata.js';
import type { PacketTimes } from './output-times.js';
import { codecOptions, type StreamAction, type StreamPlan } from './stream-plan.js';

/** The video's part in the command. */
export interface MuxVideo {
  /** The codec tag in the segments, e.g. `H264`. */
  readonly fourcc: string;
  /** Frames by which decoding lags presentation. */
  readonly decodeDelay: number;
  /**
   * The format of the piped stream: NUT in the finished track's time base (ISO files) or the source's, or
   * Matroska.
   */
  readonly format: 'nut' | 'matroska';
  /** The time base of the piped stream. */
  readonly timeBase: Rational;
  /** Ticks per second of the track, in ISO files. */
  readonly timescale: number;
  readonly frames: number;
  /** The times of its packets, in ticks of `timeBase`. */
  readonly times: PacketTimes;
  /** Frames per second, for containers that name a rate; undefined if there is no knowing. */
  readonly rate: Rational | undefined;
}

/** The part of the source that is muxed. */
export interface MuxPart {
  /** Undefined if its streams are not cut. */
  readonly cut: Cut | undefined;
  /** The input with the chapters, if it is not the source. */
  readonly chapters: string | undefined;
}

/** An image that becomes an attached file. */
export interface Attachment {
  readonly path: string;
  readonly fileName: string;
  readonly mimeType: string;
}

/**
 * Finer timescales than this overflow the 32-bit durations of samples within minutes, and some players'
 * arithmetic.
 */
const FINEST_TIMESCALE = 1_000_000;
/** FFmpeg's demuxer ignores a track's offsets between decoding and presentation if any is longer. */
const LONGEST_OFFSET_TICKS = 2 ** 28;
/**
 * The coarsest timescale, as in FFmpeg's own muxer: a coarser one would round the audio of files that share
 * it.
 */
const COARSEST_TIMESCALE = 10_000;

/**
 * Returns the output options, in order. `attachments` belong to the plan's `attach` actions; `early` holds
 * the results of `opusEarlyBy`, by index.
 */
export function muxOptions(
  source: SourceFacts,
  plan: StreamPlan,
  container: Container,
  video: MuxVideo,
  attachments: readonly Attachment[],
  early: ReadonlyMap<number, number>,
  { cut, chapters }: MuxPart,
): readonly string[] {
  const placed = mappedActions(plan);
  const from = plan.isAlone ? '-1' : '1';
  return [
    ...placed.flatMap((action, place) => streamOptions(action, place, source, container, video, early, cut)),
    ...attachments.flatMap((file, number) => attachmentOptions(file, placed.length + number)),
    // Damage in copied streams must not fail the file. mux-messages.ts reads ffmpeg's messages about it.
    ...['-max_error_rate', '1'],
    ...['-map_metadata', from, '-map_chapters', chapters ?? from],
    ...[...CONTAINER_TAGS, ...(cut?.begins ? ['timecode'] : [])].flatMap((tag) => ['-metadata', `${tag}=`]),
    // Each stream keeps its own times: neither an input nor the output is shifted to zero.
    ...['-avoid_negative_ts', 'disabled', '-max_muxing_queue_size', '100000'],
    // The same input gives the same file: no random identifiers.
    '-bitexact',
    ...(container.isoMedia ? isoOptions(source, plan, container, video) : []),
    ...['-f', container.muxer],
  ];
}

/**
 * Returns the video's number among the tracks of the finished file. Cover art and attached files are no
 * tracks.
 */
export function videoTrack(source: SourceFacts, plan: StreamPlan): number {
  const tracks = mappedActions(plan).filter((action) => {
    const stream = streamAt(source, action.index);
    return !stream.attachedPicture && stream.type !== 'attachment';
  });
  return tracks.findIndex((action) => action.kind === 'video');
}

/** Returns the facts of stream `index` of the source. */
export function streamAt(source: SourceFacts, index: number): StreamFacts {
  const stream = source.streams.find((candidate) => candidate.index === index);
  if (stream === undefined) throw new RangeError(`"${source.path}" has no stream ${index}`);
  return stream;
}

/**
 * Returns the actions that make a stream of the finished file, in that file's order. Attached files follow.
 */
export function mappedActions(plan: StreamPlan): readonly StreamAction[] {
  return plan.actions.filter(isMapped);
}

function isMapped(action: StreamAction): boolean {
  return action.kind === 'video' || action.kind === 'copy' || action.kind === 'convert';
}

function streamOptions(
  action: StreamAction,
  place: number,
  source: SourceFacts,
  container: Container,
  video: MuxVideo,
  early: ReadonlyMap<number, number>,
  cut: Cut | undefined,
): readonly string[] {
  const milliseconds = early.get(action.index) ?? 0;
  const stream = streamAt(source, action.index);
  const own =
    cut === undefined || action.kind === 'video'
      ? { options: [], filters: [] }
      : streamCut(cut, place, stream, {
          isConverted: action.kind === 'convert',
          timeBase: 'timeBase' in action ? undefined : trackTimeBase(stream, container.isoMedia),
        });
  const filters = [
    ...bareAac(action, stream, source),
    ...own.filters,
    ...(milliseconds === 0 ? [] : [`setts=ts=TS+${milliseconds}`]),
  ];
  const tags = action.kind === 'copy' ? [] : staleTags(stream.tags);
  // The timecode of the beginning.
  const stale = source.range?.from === undefined ? tags : [...tags, 'timecode'];
  return [
    ...(action.kind === 'video'
      ? videoOptions(place, source, container, video)
      : [...codecOptions(action, place, 1), ...own.options]),
    ...(filters.length === 0 ? [] : [`-bsf:${place}`, filters.join(',')]),
    ...[`-map_metadata:s:${place}`, `1:s:${action.index}`],
    ...stale.flatMap((tag) => [`-metadata:s:${place}`, `${tag}=`]),
    ...[`-disposition:${place}`, stream.disposition.length === 0 ? '0' : stream.disposition.join('+')],
  ];
}

/**
 * Returns the filter that brings a transport stream's AAC into another form. Muxers have it built in, but
 * there a damaged packet ends the run; here it is left out.
 */
function bareAac(action: StreamAction, stream: StreamFacts, source: SourceFacts): readonly string[] {
  const needed = action.kind === 'copy' && stream.codec === 'aac' && hasBroadcastClock(source);
  return needed ? ['aac_adtstoasc'] : [];
}

function videoOptions(
  place: number,
  source: SourceFacts,
  container: Container,
  video: MuxVideo,
): readonly string[] {
  const { stereoMode } = source.video;
  const { rate } = video;
  const hevc = video.fourcc.toUpperCase() === 'HEVC' || video.fourcc.toLowerCase() === 'hvc1';
  return [
    // Set explicitly: from other containers it does not come as a tag, and some muxers refuse values that
    // they cannot write.
    ...(stereoMode === undefined
      ? []
      : [`-metadata:s:${place}`, `stereo_mode=${container.carriesStereo(stereoMode) ? stereoMode : ''}`]),
    ...['-map', '0:0', `-c:${place}`, 'copy', ...timesFilter(place, video, container.isoMedia)],
    // Without it FFmpeg 7 gives the filter above a time base of one frame of `-r`, and rounds every time to
    // that.
    ...[`-time_base:${place}`, `${video.timeBase.num}:${video.timeBase.den}`],
    ...(rate === undefined ? [] : [`-r:${place}`, `${rate.num}/${rate.den}`]),
    // Apple's players refuse FFmpeg's default, `hev1`.
    ...(hevc && container.isoMedia ? [`-tag:${place}`, 'hvc1'] : []),
  ];
}

/**
 * Returns the bitstream filter for times that NUT cannot hold: the decoding times of the first frames (with
 * B-frames they lie before the first PTS), and the frames' durations. Matroska output holds no decoding
 * times: one tick apart keeps them in order. A stream piped as Matroska has no B-frames and holds its own
 * durations.
 */
function timesFilter(place: number, video: MuxVideo, isoMedia: boolean): readonly string[] {
  if (video.format === 'matroska') return [];
  const { decodeDelay, frames, times } = video;
  const { frameTicks, end, lastShown, lastDecodedTicks } = times;
  const lead = isoMedia ? times.lead : decodeDelay;
  const first = `STARTPTS-trunc((${decodeDelay}-N)*${lead}/${decodeDelay})`;
  const dts = decodeDelay === 0 ? 'DTS' : `if(lt(N,${decodeDelay}),${first},DTS)`;
  const shown = `if(eq(N,${lastShown}),${end}-PTS,min(${frameTicks},${end}-PTS))`;
  // An ISO file's packets last until the next one is decoded, and the last one as long as it declares.
  const duration = isoMedia ? `if(eq(N,${frames - 1}),${lastDecodedTicks},${shown})` : shown;
  return [`-bsf:${place}`, `setts=pts=PTS:dts='${dts}':duration='${duration}'`];
}

function attachmentOptions(file: Attachment, place: number): readonly string[] {
  return [
    ...['-attach', `file:${file.path}`],
    ...[`-metadata:s:${place}`, `mimetype=${file.mimeType}`],
    ...[`-metadata:s:${place}`, `filename=${file.fileName}`],
  ];
}

function isoOptions(
  source: SourceFacts,
  plan: StreamPlan,
  container: Container,
  video: MuxVideo,
): readonly string[] {
  const { timescale } = video;
  const coverArt = plan.actions.some(
    (action) => isMapped(action) && streamAt(source, action.index).attachedPicture,
  );
  const { anyKeys } = planMetadata(source, container, coverArt);
  return [
    ...['-movflags', `+faststart${anyKeys ? '+use_metadata_tags' : ''}`],
    ...['-video_track_timescale', `${timescale}`],
    // Starts other than zero are kept in this unit: as fine as the video's own.
    ...['-movie_timescale', `${timescale}`],
  ];
}

/**
 * Returns the ticks per second of an ISO file's track, such that every tick of `source` is a whole number of
 * them. If that is too fine for `longestSeconds` from a packet's decoding to its frame's end, returns the
 * finest that is not.
 */
export function timescaleFor(source: Rational, longestSeconds: number): number {
  const finest = Math.min(FINEST_TIMESCALE, Math.floor(LONGEST_OFFSET_TICKS / Math.max(1, longestSeconds)));
  let { den } = reduced(source);
  while (den < COARSEST_TIMESCALE) den *= 2;
  return Math.min(den, finest);
}

/** Returns `ticks` of `from` in ticks of `to`, rounded to the nearest. */
export function rescale(ticks: number, from: Rational, to: Rational): number {
  const numerator = BigInt(ticks) * BigInt(from.num) * BigInt(to.den);
  const denominator = BigInt(from.den) * BigInt(to.num);
  return Number((2n * numerator + denominator) / (2n * denominator));
}
