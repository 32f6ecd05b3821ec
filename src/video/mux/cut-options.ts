/** The options with which ffmpeg cuts the other streams of a source to a part of its video. Pure. */
import type { SourceFacts, StreamFacts } from '../source/source-facts.js';

/** The cut of a finished file, in seconds. */
export interface Cut {
  /** True if what lies before time zero is left out. */
  readonly begins: boolean;
  /** What lies at this time or later is left out; undefined: nothing is. */
  readonly end: number | undefined;
}

/** Seconds before the part at which reading begins: subtitles that began earlier are not found. */
const LEAD_SECONDS = 60;
/** Marks packets to drop by their time: the filter that drops packets does not know their time base. */
const OUTSIDE = '-9e15';
const DROP_OUTSIDE = "noise=drop='lt(pts,-8e15)'";

/**
 * Returns the options with which the source is read from some time before its part, which begins at `first`,
 * a time in the file.
 */
export function seekOptions({ range, video }: SourceFacts, first: number): readonly string[] {
  const { startPts = 0, timeBase } = video;
  const from = first - LEAD_SECONDS;
  if (range?.from === undefined || from <= (startPts * timeBase.num) / timeBase.den) return [];
  return ['-seek_timestamp', '1', '-noaccurate_seek', '-ss', from.toFixed(6)];
}

/** Returns the seconds by which reading begins before the part. */
export function leadSeconds({ range, video }: SourceFacts): number {
  if (range?.from === undefined) return 0;
  const { startPts = 0, timeBase } = video;
  return Math.min(LEAD_SECONDS, ((range.from - startPts) * timeBase.num) / timeBase.den);
}

/**
 * Returns the options of the finished file. FFmpeg 5 loses the last packet of a converted subtitle stream
 * that it ends itself: with one, it reads the source to its end.
 */
export function cutOptions({ end }: Cut, convertsSubtitles: boolean): readonly string[] {
  return end === undefined || convertsSubtitles ? [] : ['-t', end.toFixed(6)];
}

/** The cut of one copied or converted stream: options, and bitstream filters. */
export interface StreamCut {
  readonly options: readonly string[];
  readonly filters: readonly string[];
}

/**
 * Returns the cut of stream number `place`. Copied audio and data are cut at packets, converted audio at
 * samples. A subtitle that is shown at the cut is clipped. FFmpeg 5 filters packets in the ticks of the
 * finished track: `timeBase` makes these the ticks that it tells the filters; undefined where they are.
 */
export function streamCut(
  { begins, end }: Cut,
  place: number,
  { type, attachedPicture }: StreamFacts,
  { isConverted, timeBase }: { readonly isConverted: boolean; readonly timeBase: string | undefined },
): StreamCut {
  if (attachedPicture || type === 'attachment') return { options: [], filters: [] };
  const unit = timeBase === undefined ? [] : [`-time_base:${place}`, timeBase];
  if (type === 'subtitle')
    return { options: [...unit, `-copypriorss:${place}`, '1'], filters: clipping({ begins, end }) };
  const prior = [...unit, ...(begins ? [`-copypriorss:${place}`, '0'] : [])];
  const drop =
    end === undefined ? [] : [`setts=ts='if(gte(TS*TB,${end.toFixed(6)}),${OUTSIDE},TS)'`, DROP_OUTSIDE];
  if (!isConverted || type !== 'audio') return { options: prior, filters: drop };
  const bounds = [...(begins ? ['start=0'] : []), ...(end === undefined ? [] : [`end=${end.toFixed(6)}`])];
  return { options: [`-filter:${place}`, `atrim=${bounds.join(':')}`], filters: [] };
}

/** Returns the seconds per tick of a track in the finished file; undefined if that is the source's. */
export function trackTimeBase({ type, sampleRate }: StreamFacts, isoMedia: boolean): string | undefined {
  if (!isoMedia || type === 'subtitle') return '1/1000';
  return type === 'audio' && sampleRate !== undefined ? `1/${sampleRate}` : undefined;
}

/** Returns the filters that clip subtitles, and drop those that are not shown. */
function clipping({ begins, end }: Cut): readonly string[] {
  const start = begins ? 'max(PTS,0)' : 'PTS';
  const last = end === undefined ? 'PTS+DURATION' : `min(PTS+DURATION,${end.toFixed(6)}/TB)`;
  const outside = [
    ...(begins ? ['lt(PTS,0)*lte(PTS+DURATION,0)'] : []),
    ...(end === undefined ? [] : [`gte(PTS*TB,${end.toFixed(6)})`]),
  ];
  if (outside.length === 0) return [];
  const time = `if(${outside.join('+')},${OUTSIDE},${start})`;
  const duration = `if(gt(DURATION,0),max(0,${last}-${start}),DURATION)`;
  return [`setts=pts='${time}':dts='${time}':duration='${duration}'`, DROP_OUTSIDE];
}
