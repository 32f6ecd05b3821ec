/**
 * Muxes the finished file: the encoded segments at the source's own times, and everything else that the
 * source holds.
 */

import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { syncFile } from '../../system/durable.js';
import { JobError } from '../../system/errors.js';
import { type FfmpegProcess, runFfmpeg, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import type { ColourTags } from '../formats/colour-names.js';
import type { Container } from '../formats/container.js';
import { scaleMatrix, writeDisplayMatrix } from '../formats/display-matrix.js';
import type { HdrMetadata } from '../formats/hdr-metadata.js';
import {
  LAST_BLOCK_MARK,
  MATROSKA_FILE_TIME_BASE,
  setLastBlockDuration,
} from '../formats/matroska-last-block.js';
import {
  createMatroskaWriter,
  MATROSKA_TIME_BASE,
  needsMatroska,
  type PacketWriter,
} from '../formats/matroska-writer.js';
import { createNutWriter, type NutStream } from '../formats/nut.js';
import { reduced } from '../formats/rational.js';
import type { SourceFacts } from '../source/source-facts.js';
import { writeChapters } from './chapters.js';
import { lastTicks } from './cut-end.js';
import { type Cut, cutOptions, seekOptions } from './cut-options.js';
import {
  type Attachment,
  type MuxVideo,
  muxOptions,
  rescale,
  streamAt,
  timescaleFor,
  videoTrack,
} from './mux-command.js';
import { isSystemFault, type MuxListener, muxListener } from './mux-messages.js';
import { opusEarlyBy } from './opus-delay.js';
import { type OutputTimes, outputTimes, packetTimes } from './output-times.js';
import {
  runEnd,
  type SegmentFacts,
  type SegmentRun,
  segmentRun,
  timedStream,
  withDeclaredDelay,
} from './segment-packets.js';
import type { StreamPlan } from './stream-plan.js';

/** The furthest that any codec's packets are from their place in presentation. */
const MOST_REORDERED = 32;

/** The file to mux. */
export interface AssembleJob {
  readonly source: SourceFacts;
  readonly streams: StreamPlan;
  readonly container: Container;
  /**
   * NUT files in order, each one run of encoded packets that begins with a keyframe and refers to nothing
   * before it.
   */
  readonly segments: readonly SegmentFacts[];
  /** Every frame's PTS in presentation order, in ticks of `source.video.timeBase`, strictly increasing. */
  readonly pts: readonly number[];
  /** The tags with which the segments were encoded, for codecs whose packets do not hold them. */
  readonly tags: ColourTags;
  /** Static HDR metadata, likewise. */
  readonly hdr?: HdrMetadata;
  /** The path to write: a temporary one, replaced if it exists. */
  readonly output: string;
  /** Called for each video packet, with the number written so far. */
  readonly onProgress?: (packets: number) => void;
  readonly signal?: AbortSignal;
  /** Makes the run a trial: ffmpeg's options that limit how much is written. */
  readonly trial?: readonly string[];
}

/**
 * Input options for the source: without them muxers refuse some damaged packets, and the whole file with
 * them.
 */
export const SOURCE_READING: readonly string[] = ['-fflags', '+discardcorrupt'];

/** ffmpeg refused to write the file because of the streams in it, not because of the system. */
export class MuxRefusal extends JobError {
  /** ffmpeg's first error. */
  readonly reason: string;
  /** The index in the source of the stream that caused it; undefined if not known. */
  readonly stream: number | undefined;

  constructor(message: string, reason: string, cause: unknown, stream?: number) {
    super('ffmpeg', message, { cause });
    this.reason = reason;
    this.stream = stream;
  }
}

/** A finished file. */
export interface Assembled {
  /** The job's plan, without the streams that had nothing to carry over. */
  readonly streams: StreamPlan;
  /** The times of its frames, for the verification. */
  readonly times: OutputTimes;
  /** Notes for the user, one line each. */
  readonly notes: readonly string[];
  /** Warnings about damage in the source's other streams, one line each. */
  readonly warnings: readonly string[];
}

/**
 * Writes the finished file. `job.output` is whole and flushed to the disk when the promise resolves, and
 * removed when it rejects.
 *
 * @throws {MuxRefusal} when ffmpeg refuses a stream.
 * @throws {JobError} ffmpeg: when ffmpeg fails otherwise.
 * @throws {JobError} internal: when segments and times disagree.
 * @throws {JobError} output: when the file cannot be flushed.
 */
export async function assemble(job: AssembleJob): Promise<Assembled> {
  const run = segmentRun(job.segments);
  const times = outputTimes(job.source, job.pts, await lastTicks(job.source, job.pts));
  try {
    const { carried, notes, warnings } = await muxFile(job, run, times);
    await carryDisplayMatrix(job, run, carried);
    if (!job.container.isoMedia) await carryLastDuration(job, times);
    await syncFile(job.output);
    return { streams: carried, times, notes: [...times.notes, ...notes], warnings };
  } catch (error) {
    await rm(job.output, { force: true });
    throw error;
  }
}

/**
 * Writes `job.output`, as far as a trial's limits go, without flushing it. By default the last frame is shown
 * as long as the others. Throws as `assemble`.
 */
export async function muxFile(
  job: AssembleJob,
  run = segmentRun(job.segments),
  times = outputTimes(job.source, job.pts, undefined),
): Promise<MuxListener> {
  const attachments: Attachment[] = [];
  try {
    await extractCoverArt(job, attachments);
    return await mux(job, await withDeclaredDelay(run), times, attachments);
  } finally {
    await rm(chaptersFile(job), { force: true });
    for (const { path } of attachments) await rm(path, { force: true });
  }
}

async function mux(
  job: AssembleJob,
  run: SegmentRun,
  times: OutputTimes,
  attachments: readonly Attachment[],
): Promise<MuxListener> {
  const { source, streams, container, pts } = job;
  const { shift } = times;
  const video = muxVideo(job, run, times);
  const { num, den } = source.video.timeBase;
  const shiftSeconds = (shift * num) / den;
  const cut = cutOf(job, times);
  const chapters = await ownChapters(job, times, cut);
  const listener = muxListener(source, streams, container);
  const ffmpeg = await startFfmpeg(
    {
      task: `writing "${job.output}"`,
      level: 'verbose',
      inputs: [
        { from: 'stdin', options: ['-copyts', '-f', video.format] },
        {
          from: { file: source.path },
          options: [
            ...source.openOptions,
            ...SOURCE_READING,
            ...seekOptions(source, -shiftSeconds),
            ...['-itsoffset', shiftSeconds.toFixed(6)],
          ],
        },
        ...chapters.inputs,
      ],
      outputs: [
        {
          to: { file: job.output },
          options: [
            ...(job.trial ?? []),
            ...muxOptions(source, streams, container, video, attachments, await opusEarly(job), {
              cut,
              chapters: chapters.from,
            }),
            ...(cut === undefined ? [] : cutOptions(cut, convertsSubtitles(job))),
          ],
        },
      ],
    },
    { onMessage: listener.hear, ...(job.signal === undefined ? {} : { signal: job.signal }) },
  );
  const timeOf = (time: number) => rescale(time + shift, source.video.timeBase, video.timeBase);
  const writer =
    video.format === 'matroska'
      ? createMatroskaWriter(run.stream, job.tags, job.hdr)
      : nutWriter({ ...run.stream, timeBase: video.timeBase }, !container.isoMedia);
  const { frameTicks, end } = video.times;
  const mark = container.isoMedia ? undefined : LAST_BLOCK_MARK;
  const bytes = timedStream(run, writer, { pts, timeOf, frameTicks, end, mark }, (packets) =>
    job.onProgress?.(packets),
  );
  let ended: unknown;
  try {
    await feed(ffmpeg, bytes);
    await ffmpeg.done;
  } catch (error) {
    ended = error;
  }
  refuseFailure(job, listener, ended);
  return listener;
}

/**
 * Throws the error of a run, if any. ffmpeg may exit with 0 even if it could not write the end of the file.
 */
function refuseFailure(job: AssembleJob, { failure, refusal }: MuxListener, ended: unknown): void {
  const unfinished = `ffmpeg did not finish writing "${job.output}"`;
  if (failure !== undefined) {
    throw new JobError('ffmpeg', `${unfinished}: ${failure}`, {
      cause: ended,
      hint: /No space left|quota/.test(failure)
        ? 'make room on that file system and run the same command again'
        : 'check the file systems of the input and the work folder, then run the same command again',
    });
  }
  if (ended instanceof FfmpegFailure && ended.exitCode !== undefined && !isSystemFault(ended.message)) {
    throw new MuxRefusal(ended.message, ended.first ?? refusal ?? ended.message, ended);
  }
  // A trial may end before it has read all of its video.
  if (ended !== undefined && !(ended instanceof StoppedReading && job.trial !== undefined)) throw ended;
  if (refusal !== undefined) throw new MuxRefusal(`${unfinished}: ${refusal}`, refusal, ended);
}

/** ffmpeg succeeded, but before it had all of the video. */
class StoppedReading extends JobError {}

/** Writes `bytes` to ffmpeg. Of two failures it throws the first cause: ffmpeg's own if it died. */
async function feed(ffmpeg: FfmpegProcess, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  if (ffmpeg.stdin === undefined) throw new JobError('internal', 'ffmpeg was started without an input pipe');
  try {
    await pipeline(Readable.from(bytes, { objectMode: true }), ffmpeg.stdin);
  } catch (error) {
    if (error instanceof JobError) {
      ffmpeg.kill();
      throw error;
    }
    await ffmpeg.done;
    throw new StoppedReading('ffmpeg', 'ffmpeg stopped reading the video before its end', { cause: error });
  }
}

function muxVideo(job: AssembleJob, run: SegmentRun, times: OutputTimes): MuxVideo {
  const { source, pts, container } = job;
  const { timeBase: sourceBase, averageRate } = source.video;
  const { shift, interval, end, constant } = times;
  const { decodeDelay, fourcc } = run.stream;
  const format = needsMatroska(fourcc) ? 'matroska' : 'nut';
  const longest = longestSpan(pts, end);
  const timescale = timescaleFor(sourceBase, (longest * sourceBase.num) / sourceBase.den);
  // FFmpeg 5 filters the packets of Matroska output in the file's own ticks.
  const nutBase = container.isoMedia ? { num: 1, den: timescale } : MATROSKA_FILE_TIME_BASE;
  const timeBase = format === 'matroska' ? MATROSKA_TIME_BASE : nutBase;
  const ours = (ticks: number) => rescale(ticks, sourceBase, timeBase);
  return {
    fourcc,
    decodeDelay,
    format,
    timeBase,
    timescale,
    frames: pts.length,
    times: packetTimes({
      frames: pts.length,
      timeOf: (frame) => ours((pts[frame] ?? 0) + shift),
      frameTicks: Math.max(1, ours(interval)),
      end: ours(end + shift),
      decodeDelay,
      ...runEnd(run),
    }),
    rate: constant ? reduced({ num: sourceBase.den, den: sourceBase.num * interval }) : averageRate,
  };
}

/** Returns the most ticks between a packet's decoding and the end of its frame, or a little more. */
function longestSpan(pts: readonly number[], end: number): number {
  return pts.reduce((most, time, frame) => Math.max(most, (pts[frame + MOST_REORDERED] ?? end) - time), 0);
}

/** Returns the cut of the other streams; undefined if they are not cut. A trial is not cut at its end. */
function cutOf({ source, trial }: AssembleJob, times: OutputTimes): Cut | undefined {
  const { range, video } = source;
  if (range === undefined) return undefined;
  const end = ((times.end + times.shift) * video.timeBase.num) / video.timeBase.den;
  return { begins: range.from !== undefined, end: trial === undefined ? end : undefined };
}

function convertsSubtitles({ source, streams }: AssembleJob): boolean {
  return streams.actions.some(
    ({ kind, index }) => kind === 'convert' && streamAt(source, index).type === 'subtitle',
  );
}

function chaptersFile({ output }: AssembleJob): string {
  return `${output}.chapters`;
}

/** Returns the input with the chapters of a part, and its number: the source's own if it is not cut. */
async function ownChapters(job: AssembleJob, { shift }: OutputTimes, cut: Cut | undefined) {
  const { source, streams } = job;
  if (cut === undefined || streams.isAlone) return { inputs: [], from: undefined };
  const { num, den } = source.video.timeBase;
  const start = (-shift * num) / den;
  const file = chaptersFile(job);
  const end = cut.end === undefined ? Number.MAX_SAFE_INTEGER / 1e6 : start + cut.end;
  const written = await writeChapters(source, start, end, file);
  if (!written) return { inputs: [], from: '-1' };
  return { inputs: [{ from: { file }, options: ['-f', 'ffmetadata'] }], from: '2' };
}

/** Returns the milliseconds by which Opus streams would come too early in Matroska, by their index. */
async function opusEarly({ source, streams, container, output }: AssembleJob) {
  const early = new Map<number, number>();
  if (container.isoMedia) return early;
  for (const action of streams.actions) {
    const milliseconds = await opusEarlyBy(source, action, `${output}.opus`);
    if (milliseconds > 0) early.set(action.index, milliseconds);
  }
  return early;
}

/**
 * Extracts the cover art that is to be attached into files beside the output. `into` fills as files appear.
 */
async function extractCoverArt(job: AssembleJob, into: Attachment[]): Promise<void> {
  for (const action of job.streams.actions) {
    if (action.kind !== 'attach') continue;
    const path = `${job.output}.cover-${action.index}`;
    into.push({ path, fileName: action.fileName, mimeType: action.mimeType });
    const options = ['-map', `0:${action.index}`, '-c', 'copy', '-frames:v', '1', '-f', 'image2pipe'];
    const command = {
      task: `taking cover art out of "${job.source.path}"`,
      inputs: [{ from: { file: job.source.path }, options: job.source.openOptions }],
      outputs: [{ to: { file: path }, options }],
    };
    try {
      await runFfmpeg(command, job.signal === undefined ? {} : { signal: job.signal });
    } catch (error) {
      if (!(error instanceof FfmpegFailure) || error.exitCode === undefined) throw error;
      if (isSystemFault(error.message)) throw error;
      throw new MuxRefusal(error.message, error.first ?? error.message, error, action.index);
    }
  }
}

async function carryDisplayMatrix(job: AssembleJob, run: SegmentRun, carried: StreamPlan): Promise<void> {
  const { video } = job.source;
  if (video.displayMatrix === undefined || !job.container.carriesDisplayMatrix) return;
  const { width, height } = run.stream;
  const matrix = scaleMatrix(video.displayMatrix, width / video.width, height / video.height);
  await writeDisplayMatrix(job.output, videoTrack(job.source, carried), matrix);
}

/** Returns a NUT writer in the form of the Matroska writer. NUT has no durations. */
function nutWriter(stream: NutStream, additions: boolean): PacketWriter {
  const { header, packet } = createNutWriter(stream, additions);
  return { header, packet: (pts, keyframe, data, _, addition) => packet(pts, keyframe, data, addition) };
}

async function carryLastDuration({ source, pts, output }: AssembleJob, times: OutputTimes): Promise<void> {
  const ms = (ticks: number) => rescale(ticks + times.shift, source.video.timeBase, MATROSKA_FILE_TIME_BASE);
  const shown = ms(pts.at(-1) ?? 0);
  await setLastBlockDuration(output, shown, ms(times.end) - shown);
}
