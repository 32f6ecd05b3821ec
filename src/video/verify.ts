/** Checks a finished file against what was promised, before it takes its place. */
import { JobError } from '../errors.js';
import { timelineShift } from './assemble.js';
import { readableTags, type Tagged } from './colour-support.js';
import type { Container } from './container.js';
import type { ColourTags, EncodeSpec } from './encode.js';
import { ffprobeLines } from './ffmpeg.js';
import { streamAt, videoTrack } from './mux-command.js';
import { probeHeaders } from './probe.js';
import { type Rational, reduced } from './rational.js';
import type { SourceFacts, StreamFacts } from './source-facts.js';
import { wrongStreams } from './stream-check.js';
import { nameOf, type StreamPlan } from './stream-plan.js';

/** What the finished file must hold. */
export interface OutputExpectation {
  readonly source: SourceFacts;
  readonly streams: StreamPlan;
  readonly container: Container;
  /** As in `AssembleJob`. */
  readonly pts: readonly number[];
  /** How the video was encoded. Its sample aspect ratio is not compared where it is undefined. */
  readonly video: Tagged & Partial<Pick<EncodeSpec, 'sampleAspectRatio'>>;
}

/** The file is no stranger's: a model may well enlarge its frames. */
const OUR_OWN = { pixels: Number.POSITIVE_INFINITY, streams: Number.POSITIVE_INFINITY };
/** A container that counts the width for display in whole pixels is off by half a pixel: 3% of 16 pixels. */
const MOST_ASPECT_DIFFERENCE = 0.04;
/** ffprobe's names. */
const TAG_FIELDS: Readonly<Record<keyof ColourTags, string>> = {
  matrix: 'color_space',
  primaries: 'color_primaries',
  transfer: 'color_transfer',
  range: 'color_range',
  chromaLocation: 'chroma_location',
};

/**
 * Checks the finished file at `path` without decoding it: as many video packets as frames, each PTS within one tick of
 * that file's time base, the colour tags and the sample aspect ratio of the video, and every planned stream there, in its
 * codec. Gives a line for what the container or the codec cannot say exactly. Errors: JobError('output') saying what differs.
 */
export async function verifyOutput(path: string, expected: OutputExpectation): Promise<readonly string[]> {
  const track = videoTrack(expected.source, expected.streams);
  const output = await probeHeaders(path, OUR_OWN, (streams) => videoAt(streams, track)?.index);
  checkStreams(path, output, expected);
  const { index } = output.video;
  if (videoAt(output.streams, track)?.index !== index) {
    throw wrong(path, `the video is stream ${index}, not number ${track} (from 0) of its tracks`);
  }
  await checkVideo(path, index, expected);
  return aspectNotes(path, output, expected);
}

/** The video at place `track` among the streams that are neither cover art nor attached files. */
function videoAt(streams: readonly StreamFacts[], track: number): StreamFacts | undefined {
  const tracks = streams.filter((stream) => !stream.attachedPicture && stream.type !== 'attachment');
  return tracks[track]?.type === 'video' ? tracks[track] : undefined;
}

function aspectNotes(path: string, output: SourceFacts, expected: OutputExpectation): readonly string[] {
  const { sampleAspectRatio } = expected.video;
  if (sampleAspectRatio === undefined) return [];
  const wanted = reduced(sampleAspectRatio);
  const found = reduced(output.video.sampleAspectRatio ?? { num: 1, den: 1 });
  if (wanted.num === found.num && wanted.den === found.den) return [];
  const [instead, asked] = [`${found.num}:${found.den}`, `${wanted.num}:${wanted.den}`];
  const off = (found.num * wanted.den) / (found.den * wanted.num) - 1;
  if (Math.abs(off) > MOST_ASPECT_DIFFERENCE) {
    throw wrong(path, `its sample aspect ratio is ${instead} instead of ${asked}`);
  }
  const nearest = `the nearest to the source's ${asked} that .${expected.container.name} with this codec can say`;
  return [`The sample aspect ratio is ${instead}, ${nearest}.`];
}

async function checkVideo(path: string, index: number, expected: OutputExpectation): Promise<void> {
  const { source, pts } = expected;
  const times = new Float64Array(pts.length);
  let count = 0;
  const told = new Map<string, string>();
  const fields = `packet=pts,flags:stream=time_base,${Object.values(TAG_FIELDS).join(',')}`;
  const entries = ['-show_entries', fields, '-of', 'default=nw=1'];
  for await (const line of ffprobeLines(path, ['-select_streams', `${index}`, ...entries])) {
    const [key, value] = line.split('=');
    if (key === 'pts') {
      const time = Number(value);
      if (!Number.isSafeInteger(time)) throw wrong(path, `packet ${count} of the video has no time`);
      if (count < times.length) times[count] = time;
      count++;
    } else if (key === 'flags' && value?.includes('D')) {
      throw wrong(path, `packet ${count - 1} of the video is marked as not to be shown`);
    } else if (key !== undefined && value !== undefined) told.set(key, value);
  }
  const timeBase = rationalFrom(told.get('time_base'));
  if (timeBase === undefined) throw wrong(path, `stream ${index} has no time base`);
  if (count !== pts.length) throw wrong(path, `it holds ${count} frames instead of ${pts.length}`);
  checkTags(path, told, readableTags(expected.video, expected.container));
  times.sort();
  const shift = timelineShift(source, pts);
  const from = source.video.timeBase;
  // |found - wanted| <= one tick of the file, in units of 1/(from.den * timeBase.den) s.
  const foundUnit = BigInt(timeBase.num) * BigInt(from.den);
  const wantedUnit = BigInt(from.num) * BigInt(timeBase.den);
  for (const [frame, time] of pts.entries()) {
    const found = times[frame] ?? 0;
    const distance = BigInt(found) * foundUnit - BigInt(time + shift) * wantedUnit;
    if (distance > foundUnit || distance < -foundUnit) {
      const wanted = seconds(time + shift, from);
      throw wrong(
        path,
        `frame ${frame} (from 0) should be shown at ${wanted} and is at ${seconds(found, timeBase)}`,
      );
    }
  }
}

/** A tag that was lost on the way is an error; one more than were asked for does no harm. */
function checkTags(path: string, told: ReadonlyMap<string, string>, wanted: ColourTags): void {
  const found = (tag: keyof ColourTags) => told.get(TAG_FIELDS[tag]) ?? 'unknown';
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

function checkStreams(path: string, output: SourceFacts, expected: OutputExpectation): void {
  const { source, streams } = expected;
  const [first] = wrongStreams(output, source, streams);
  if (first === undefined) return;
  const [index, difference] = first;
  throw wrong(path, `${nameOf(streamAt(source, index))} is ${difference}`);
}

function rationalFrom(text: string | undefined): Rational | undefined {
  const match = /^(\d+)\/(\d+)$/.exec(text ?? '');
  return match === null ? undefined : { num: Number(match[1]), den: Number(match[2]) };
}

function seconds(ticks: number, timeBase: Rational): string {
  return `${((ticks * timeBase.num) / timeBase.den).toFixed(6)} s`;
}

function wrong(path: string, what: string): JobError {
  return new JobError('output', `the finished file "${path}" is not as it should be: ${what}`, {
    hint: 'It was not put in place. Please report this with the command, the version of ffmpeg and the source.',
  });
}
