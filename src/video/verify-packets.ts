/** Checks the packets of a finished file's video against what was promised. */
import { JobError } from '../errors.js';
import { readableTags, type Tagged } from './colour-support.js';
import type { Container } from './container.js';
import type { ColourTags } from './encode.js';
import { ffprobeLines } from './ffmpeg.js';
import type { OutputTimes } from './output-times.js';
import type { Rational } from './rational.js';
import type { SourceFacts } from './source-facts.js';

/** What the finished file's video must be. */
export interface ExpectedVideo {
  readonly source: SourceFacts;
  readonly container: Container;
  /** As in `AssembleJob`. */
  readonly pts: readonly number[];
  /** As `Assembled` has them. */
  readonly times: OutputTimes;
  /** How it was encoded. */
  readonly video: Tagged;
}

/** A container's headers may round durations to so much. */
const ROUNDING_SECONDS = 0.001;
/** ffprobe's names. */
const TAG_FIELDS: Readonly<Record<keyof ColourTags, string>> = {
  matrix: 'color_space',
  primaries: 'color_primaries',
  transfer: 'color_transfer',
  range: 'color_range',
  chromaLocation: 'chroma_location',
};

/** What a finished file's packets say, in ticks of its own. */
interface FoundPackets {
  readonly timeBase: Rational;
  /** Ascending. */
  readonly pts: Float64Array;
  /** Of all packets together, and the shortest and longest of them. */
  readonly durations: { readonly sum: number; readonly least: number; readonly most: number };
  /** As the track's header says; undefined where it does not. */
  readonly trackTicks: number | undefined;
  /** Seconds, as the file's header says. */
  readonly fileSeconds: number | undefined;
  /** What the stream's header says, by ffprobe's names. */
  readonly header: ReadonlyMap<string, string>;
}

/**
 * Checks the packets of stream `index`, the video: as many as frames, each PTS within one tick of the file's time base, the
 * last frame's end, a constant rate in an ISO file, and the colour tags. Errors: JobError('output').
 */
export async function checkPackets(path: string, index: number, expected: ExpectedVideo): Promise<void> {
  const { source, container, pts, times, video } = expected;
  const found = await readPackets(path, index, pts.length);
  checkTags(path, found.header, readableTags(video, container));
  const from = source.video.timeBase;
  // |found - wanted| <= one tick of the file, in units of 1/(from.den * timeBase.den) s.
  const foundUnit = BigInt(found.timeBase.num) * BigInt(from.den);
  const wantedUnit = BigInt(from.num) * BigInt(found.timeBase.den);
  for (const [frame, time] of pts.entries()) {
    const shown = found.pts[frame] ?? 0;
    const distance = BigInt(shown) * foundUnit - BigInt(time + times.shift) * wantedUnit;
    if (distance > foundUnit || distance < -foundUnit) {
      const wanted = seconds(time + times.shift, from);
      throw wrong(
        path,
        `frame ${frame} (from 0) should be shown at ${wanted} and is at ${seconds(shown, found.timeBase)}`,
      );
    }
  }
  checkEnd(path, found, expected);
}

/** The last frame's end, and in an ISO file that a constant rate is one. */
function checkEnd(path: string, found: FoundPackets, { source, container, pts, times }: ExpectedVideo): void {
  const { timeBase, trackTicks, fileSeconds, durations } = found;
  const from = source.video.timeBase;
  const tick = timeBase.num / timeBase.den;
  const most = 2 * tick + ROUNDING_SECONDS;
  const first = pts[0] ?? 0;
  const wanted = ((times.end - first) * from.num) / from.den;
  if (!container.isoMedia) {
    const end = ((times.end + times.shift) * from.num) / from.den;
    if (fileSeconds === undefined || fileSeconds >= end - most) return;
    throw wrong(path, `it should last ${end.toFixed(3)} s and lasts ${fileSeconds.toFixed(3)} s`);
  }
  const lasts = (trackTicks ?? durations.sum) * tick;
  if (Math.abs(lasts - wanted) > most) {
    throw wrong(path, `its video should last ${wanted.toFixed(6)} s and lasts ${lasts.toFixed(6)} s`);
  }
  const interval = (times.interval * from.num) / from.den;
  const lastAsOthers = Math.abs(wanted - pts.length * interval) < tick / 2;
  // Times that the file's ticks do not meet are a tick apart.
  if (times.constant && lastAsOthers && durations.most - durations.least > 1) {
    const [least, longest] = [durations.least, durations.most].map((ticks) => seconds(ticks, timeBase));
    throw wrong(
      path,
      `its frames should all last as long as each other and last from ${least} to ${longest}`,
    );
  }
}

async function readPackets(path: string, index: number, frames: number): Promise<FoundPackets> {
  const pts = new Float64Array(frames);
  const durations = { sum: 0, least: Number.POSITIVE_INFINITY, most: 0 };
  const header = new Map<string, string>();
  let count = 0;
  const stream = `time_base,duration_ts,${Object.values(TAG_FIELDS).join()}`;
  const entries = `packet=pts,duration,flags:stream=${stream}:format=duration`;
  const args = ['-select_streams', `${index}`, '-show_entries', entries, '-of', 'flat=s=_'];
  for await (const line of ffprobeLines(path, args)) {
    const [, key = '', value] = /^(?:packets_packet_\d+_|streams_)?(\w+)="?([^"]*)"?$/.exec(line) ?? [];
    if (key === 'pts') {
      const time = Number(value);
      if (!Number.isSafeInteger(time)) throw wrong(path, `packet ${count} of the video has no time`);
      if (count < pts.length) pts[count] = time;
      count++;
    } else if (key === 'duration') {
      const ticks = Number(value);
      durations.sum += ticks;
      durations.least = Math.min(durations.least, ticks);
      durations.most = Math.max(durations.most, ticks);
    } else if (key === 'flags' && value?.includes('D')) {
      throw wrong(path, `packet ${count - 1} of the video is marked as not to be shown`);
    } else if (value !== undefined) header.set(key, value);
  }
  const timeBase = rationalFrom(header.get('stream_0_time_base'));
  if (timeBase === undefined) throw wrong(path, `stream ${index} has no time base`);
  if (count !== frames) throw wrong(path, `it holds ${count} frames instead of ${frames}`);
  const [trackTicks, fileSeconds] = ['stream_0_duration_ts', 'format_duration'].map((key) => {
    const number = Number(header.get(key));
    return Number.isFinite(number) ? number : undefined;
  });
  return { timeBase, pts: pts.sort(), durations, trackTicks, fileSeconds, header };
}

/** A tag that was lost on the way is an error; one more than were asked for does no harm. */
function checkTags(path: string, header: ReadonlyMap<string, string>, wanted: ColourTags): void {
  const found = (tag: keyof ColourTags) => header.get(`stream_0_${TAG_FIELDS[tag]}`) ?? 'unknown';
  const full = found('range') === 'pc';
  if (full !== (wanted.range === 'full')) {
    throw wrong(path, `its levels should be of ${wanted.range} range and are tagged ${found('range')}`);
  }
  for (const tag of ['matrix', 'primaries', 'transfer', 'chromaLocation'] as const) {
    if (wanted[tag] !== undefined && found(tag) !== wanted[tag]) {
      throw wrong(path, `its ${TAG_FIELDS[tag]} should be ${wanted[tag]} and is ${found(tag)}`);
    }
  }
}

function rationalFrom(text: string | undefined): Rational | undefined {
  const match = /^(\d+)\/(\d+)$/.exec(text ?? '');
  return match === null ? undefined : { num: Number(match[1]), den: Number(match[2]) };
}

function seconds(ticks: number, timeBase: Rational): string {
  return `${((ticks * timeBase.num) / timeBase.den).toFixed(6)} s`;
}

/** What refuses a finished file. */
export function wrong(path: string, what: string): JobError {
  return new JobError('output', `the finished file "${path}" is not as it should be: ${what}`, {
    hint: 'It was not put in place. Please report this with the command, the version of ffmpeg and the source.',
  });
}
