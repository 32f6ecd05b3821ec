/** Reads a finished file's headers and the packets of its video, without decoding it. */

import { stat } from 'node:fs/promises';
import type { Rational } from '../formats/rational.js';
import { isTrack } from '../mux/stream-check.js';
import { parseProbe, parseStreams } from '../source/probe-json.js';
import { ffprobeRows } from '../source/probe-rows.js';
import { integer, type Json, list, number, record, text } from '../source/probe-values.js';
import type { SourceFacts, StreamFacts } from '../source/source-facts.js';

/** The packets of a video, in the order in which they are decoded. */
export interface VideoPackets {
  /** Times in ticks of the file; NaN if a packet has none. */
  readonly pts: readonly number[];
  /** Durations in ticks: of all packets together, of the shortest and of the longest. */
  readonly durations: { readonly sum: number; readonly least: number; readonly most: number };
  /** The first packet that is marked as not to be shown. */
  readonly hidden: number | undefined;
  /**
   * The position of each packet in the file according to the demuxer, and its size in bytes; NaN if unknown.
   */
  readonly positions: readonly number[];
  readonly sizes: readonly number[];
}

/** A finished file. */
export interface FinishedFile {
  /** The facts in its headers. `video` is the one at the requested place, if there is one. */
  readonly facts: SourceFacts;
  readonly packets: VideoPackets;
  /** The video's time base; undefined if the header has none. */
  readonly timeBase: Rational | undefined;
  /** The video's header, by ffprobe's names. */
  readonly header: Json;
  /** The file's duration in its header. */
  readonly seconds: number | undefined;
}

/** No limits: the file is our own, and a model may well upscale its frames. */
const OUR_OWN = { pixels: Number.POSITIVE_INFINITY, streams: Number.POSITIVE_INFINITY };
const HEADERS = ['-show_format', '-show_streams', '-show_chapters'];
const PACKETS = ['-show_entries', 'packet=stream_index,pts,duration,size,pos,flags'];
/**
 * The size up to which the packets of all streams are listed with the headers in one run. For a larger file
 * only those of the video are listed: there may be ten times as many others.
 */
const SHORT_BYTES = 2 ** 26;

/**
 * Reads the file at `path`, whose video is number `track` (from 0) of its tracks.
 *
 * @throws {JobError} input: when there is no video in it.
 * @throws {JobError} ffmpeg: when it cannot be read.
 */
export async function readFinished(path: string, track: number): Promise<FinishedFile> {
  const bytes = (await stat(path)).size;
  const short = bytes <= SHORT_BYTES;
  // Streams that are not tracks come after the tracks.
  let packets = packetTable(track);
  const headers = await ffprobeRows(path, short ? [...HEADERS, ...PACKETS] : HEADERS, packets.add);
  const { streams } = parseStreams(headers, path, OUR_OWN);
  const facts = parseProbe(headers, path, bytes, OUR_OWN, videoAt(streams, track)?.index);
  const { index } = facts.video;
  if (!short || index !== track) {
    packets = packetTable(index);
    await ffprobeRows(path, ['-select_streams', `${index}`, ...PACKETS], packets.add);
  }
  const header = list(record(headers).streams)
    .map(record)
    .find((stream) => integer(stream.index) === index);
  return {
    facts,
    packets,
    timeBase: rationalFrom(text(header?.time_base)),
    header: header ?? {},
    seconds: number(record(record(headers).format).duration),
  };
}

/** Returns the video at place `track` among the streams that are neither cover art nor attached files. */
export function videoAt(streams: readonly StreamFacts[], track: number): StreamFacts | undefined {
  const found = streams.filter(isTrack)[track];
  return found?.type === 'video' ? found : undefined;
}

/** Collects the packets of stream `index`. */
function packetTable(index: number): VideoPackets & { readonly add: (row: Json) => void } {
  const [pts, positions, sizes]: [number[], number[], number[]] = [[], [], []];
  const durations = { sum: 0, least: Number.POSITIVE_INFINITY, most: 0 };
  let hidden: number | undefined;
  return {
    ...{ pts, positions, sizes, durations },
    get hidden() {
      return hidden;
    },
    add(row) {
      if (integer(row.stream_index) !== index) return;
      if (text(row.flags)?.includes('D')) hidden ??= pts.length;
      pts.push(integer(row.pts) ?? Number.NaN);
      positions.push(integer(row.pos) ?? Number.NaN);
      sizes.push(integer(row.size) ?? Number.NaN);
      const ticks = integer(row.duration);
      if (ticks === undefined) return;
      durations.sum += ticks;
      durations.least = Math.min(durations.least, ticks);
      durations.most = Math.max(durations.most, ticks);
    },
  };
}

function rationalFrom(text: string | undefined): Rational | undefined {
  const match = /^(\d+)\/(\d+)$/.exec(text ?? '');
  return match === null ? undefined : { num: Number(match[1]), den: Number(match[2]) };
}
