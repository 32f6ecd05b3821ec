/** Checks the packets of a finished file's video against the plan. */

import { JobError } from '../../system/errors.js';
import { readableTags, type Tagged } from '../codecs/colour-support.js';
import type { ColourTags } from '../formats/colour-names.js';
import type { Container } from '../formats/container.js';
import type { Rational } from '../formats/rational.js';
import type { OutputTimes } from '../mux/output-times.js';
import { integer, type Json, text } from '../source/probe-values.js';
import type { SourceFacts } from '../source/source-facts.js';
import type { FinishedFile } from './finished-file.js';

/** The expected video of the finished file. */
export interface ExpectedVideo {
  readonly source: SourceFacts;
  readonly container: Container;
  /** The frames' PTS, as in `AssembleJob`. */
  readonly pts: readonly number[];
  /** The file's times, from `Assembled`. */
  readonly times: OutputTimes;
  /** The encoding, as far as its tags go. */
  readonly video: Tagged;
}

/** A container's headers may round durations by this much. */
const ROUNDING_SECONDS = 0.001;
/** The tags by ffprobe's names. */
const TAG_FIELDS: Readonly<Record<keyof ColourTags, string>> = {
  matrix: 'color_space',
  primaries: 'color_primaries',
  transfer: 'color_transfer',
  range: 'color_range',
  chromaLocation: 'chroma_location',
};

/**
 * Checks the packets of the video in `file`, at `path`: there are as many as frames, each PTS is within one
 * tick of the file's time base, and the last frame's end, a constant rate in an ISO file, the colour tags
 * and the depth and chroma of samples are right.
 *
 * @throws {JobError} output: when one of them is not.
 */
export function checkPackets(path: string, file: FinishedFile, expected: ExpectedVideo): void {
  const { source, container, pts, times, video } = expected;
  const { packets, timeBase } = file;
  if (timeBase === undefined) throw wrong(path, 'its video has no time base');
  const untold = packets.pts.findIndex(Number.isNaN);
  if (untold >= 0) throw wrong(path, `packet ${untold} of the video has no timestamp`);
  if (packets.hidden !== undefined)
    throw wrong(path, `packet ${packets.hidden} of the video is marked as not to be shown`);
  if (packets.pts.length !== pts.length)
    throw wrong(path, `it holds ${packets.pts.length} frames instead of ${pts.length}`);
  checkTags(path, file.header, readableTags(video, container));
  checkSamples(path, file.facts.video.pixelFormat, video.pixelFormat);
  const found = Float64Array.from(packets.pts).sort();
  const from = source.video.timeBase;
  // |found - wanted| <= one tick of the file, in units of 1/(from.den * timeBase.den) s.
  const foundUnit = BigInt(timeBase.num) * BigInt(from.den);
  const wantedUnit = BigInt(from.num) * BigInt(timeBase.den);
  for (const [frame, time] of pts.entries()) {
    const shown = found[frame] ?? 0;
    const distance = BigInt(shown) * foundUnit - BigInt(time + times.shift) * wantedUnit;
    if (distance > foundUnit || distance < -foundUnit) {
      const wanted = seconds(time + times.shift, from);
      throw wrong(
        path,
        `frame ${frame} (from 0) should be shown at ${wanted} and is at ${seconds(shown, timeBase)}`,
      );
    }
  }
  checkEnd(path, file, timeBase, expected);
}

/** Checks the last frame's end and, in an ISO file, that a constant rate is constant. */
function checkEnd(
  path: string,
  { packets: { durations }, header, seconds: fileSeconds }: FinishedFile,
  timeBase: Rational,
  { source, container, pts, times }: ExpectedVideo,
): void {
  const trackTicks = integer(header.duration_ts);
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
  // Times that are not whole ticks of the file differ by a tick.
  if (times.constant && lastAsOthers && durations.most - durations.least > 1) {
    const [least, longest] = [durations.least, durations.most].map((ticks) => seconds(ticks, timeBase));
    throw wrong(path, `its frames should all have the same duration, but last from ${least} to ${longest}`);
  }
}

/** Checks the tags. A lost one is an error; additional ones do no harm. */
function checkTags(path: string, header: Json, wanted: ColourTags): void {
  const found = (tag: keyof ColourTags) => text(header[TAG_FIELDS[tag]]) ?? 'unknown';
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

/** Checks that samples have the bits and chroma that were encoded: ffmpeg falls back to others, and warns. */
function checkSamples(path: string, found: string, wanted: string): void {
  // ffprobe may not know, and reads ProRes 4444 as 12 bits.
  if (found === 'unknown') return;
  if (bitsOf(found) < bitsOf(wanted))
    throw wrong(path, `its samples should have ${bitsOf(wanted)} bits and have ${bitsOf(found)} (${found})`);
  if (chromaOf(found) !== chromaOf(wanted))
    throw wrong(path, `its chroma should be that of ${wanted} and is that of ${found}`);
}

/** Returns the chroma in ffmpeg's name of a planar pixel format, e.g. 422; undefined if it says none. */
function chromaOf(pixelFormat: string): string | undefined {
  return /^yuv[aj]?(\d{3})p/.exec(pixelFormat)?.[1];
}

/** Returns the bits per sample in ffmpeg's name of a planar pixel format: 8 unless it says another number. */
function bitsOf(pixelFormat: string): number {
  return Number(/p(\d+)[lb]e$/.exec(pixelFormat)?.[1] ?? 8);
}

function seconds(ticks: number, timeBase: Rational): string {
  return `${((ticks * timeBase.num) / timeBase.den).toFixed(6)} s`;
}

/** Returns the error for a finished file that is not as planned. */
export function wrong(path: string, what: string): JobError {
  return new JobError('output', `the finished file "${path}" is not as it should be: ${what}`, {
    hint: 'It was not put in place. Please report this with the command, the version of ffmpeg and the source.',
  });
}
