/** Reads back the file of a trial, by one run of ffprobe. */

import { isTrack } from '../mux/stream-check.js';
import { parseStreams } from '../source/probe-json.js';
import { ffprobeRows } from '../source/probe-rows.js';
import { integer, type Json, list, number, record } from '../source/probe-values.js';
import type { StreamFacts } from '../source/source-facts.js';
import { type AudioSpan, type AudioSum, audioSum } from './audio-span.js';

/** The content of a track. */
export interface TrialTrack {
  readonly packets: number;
  /** The length of its audio; undefined if it is not audio, or was not decoded. */
  readonly audio: AudioSpan | undefined;
}

/** The file of a trial. */
export interface TrialFile {
  readonly streams: readonly StreamFacts[];
  /** The tracks among them, in their order. */
  readonly tracks: readonly TrialTrack[];
}

const OUR_OWN = { pixels: Number.POSITIVE_INFINITY, streams: Number.POSITIVE_INFINITY };
const HEADERS = ['-show_format', '-show_streams', '-count_packets'];
/** Video frames are not worth decoding here. Durations have another name from FFmpeg 6 on. */
const AUDIO_FRAMES = [
  '-show_entries',
  'frame=stream_index,pts_time,duration_time,pkt_duration_time,nb_samples',
  '-skip_frame:v',
  'all',
];

/**
 * Counts the packets of every stream in the file at `path`, and decodes its audio if `decoded`.
 *
 * @throws {JobError} ffmpeg: when it cannot be read.
 */
export async function readTrial(path: string, decoded: boolean): Promise<TrialFile> {
  const rows: Json[] = [];
  const headers = await ffprobeRows(path, [...HEADERS, ...(decoded ? AUDIO_FRAMES : [])], (row) =>
    rows.push(row),
  );
  const { streams } = parseStreams(headers, path, OUR_OWN);
  const sums = new Map<number, AudioSum>();
  const rates = new Map(streams.map(({ index, sampleRate = 48_000 }) => [index, sampleRate]));
  if (decoded) for (const { index, type } of streams) if (type === 'audio') sums.set(index, audioSum());
  for (const row of rows) {
    const index = integer(row.stream_index) ?? Number.NaN;
    const [time, samples = 0] = [number(row.pts_time), integer(row.nb_samples)];
    const duration = number(row.duration_time) ?? number(row.pkt_duration_time);
    sums.get(index)?.add({ time, samples, duration, rate: rates.get(index) ?? 48_000 });
  }
  const counts = list(record(headers).streams).map((stream) => integer(record(stream).nb_read_packets) ?? 0);
  const tracks = streams.flatMap((stream, place) =>
    isTrack(stream) ? [{ packets: counts[place] ?? 0, audio: sums.get(stream.index)?.total }] : [],
  );
  return { streams, tracks };
}
