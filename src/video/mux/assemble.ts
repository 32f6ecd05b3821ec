/** Puts the finished file together: the encoded segments at the source's own times, and everything else the source holds. */

import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { JobError } from '../../system/errors.js';
import { type FfmpegProcess, runFfmpeg, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { FfmpegFailure } from '../ffmpeg/ffmpeg-messages.js';
import type { ColourTags } from '../formats/colour-names.js';
import type { Container } from '../formats/container.js';
import { scaleMatrix, writeDisplayMatrix } from '../formats/display-matrix.js';
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
import { lastFrameDuration } from './last-frame.js';
import {
  type Attachment,
  type MuxVideo,
  muxOptions,
  rescale,
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

/** No codec's packets are further from their place in presentation. */
const MOST_REORDERED = 32;

/** What to put together. */
export interface AssembleJob {
  readonly source: SourceFacts;
  readonly streams: StreamPlan;
  readonly container: Container;
  /** NUT files in order, each one run of encoded packets that begins with a keyframe and refers to nothing before it. */
  readonly segments: readonly SegmentFacts[];
  /** Every frame's PTS in presentation order, ticks of `source.video.timeBase`, each above the one before. */
  readonly pts: readonly number[];
  /** What the segments were encoded as: for codecs whose packets do not say. */
  readonly tags: ColourTags;
  /** Where to write: a temporary path, replaced if it exists. */
  readonly output: string;
  /** Called with the number of video packets written so far, for each one. */
  readonly onProgress?: (packets: number) => void;
  readonly signal?: AbortSignal;
  /** Makes a trial of it: how much is written, as ffmpeg's options. */
  readonly trial?: readonly string[];
}

/** Muxers refuse some damaged packets, and the whole file with them. */
export const SOURCE_READING: readonly string[] = ['-fflags', '+discardcorrupt'];

/** ffmpeg refused to write the file for the sake of what is in it: the streams, not the system. */
export class MuxRefusal extends JobError {
  /** What it said first. */
  readonly words: string;
  /** The stream that is to blame, by its index in the source; undefined where that is not known. */
  readonly stream: number | undefined;

  constructor(message: string, words: string, cause: unknown, stream?: number) {
    super('ffmpeg', message, { cause });
    this.words = words;
    this.stream = stream;
  }
}

/** A finished file. */
export interface Assembled {
  /** The job's plan, without the streams of which there was nothing to carry over. */
  readonly streams: StreamPlan;
  /** When its frames are shown, for the verification. */
  readonly times: OutputTimes;
  /** What the user should know, one line each. */
  readonly notes: readonly string[];
  /** What of the source's other streams is damaged, one line each. */
  readonly warnings: readonly string[];
}

/**
 * Writes the finished file: `job.output` is whole and flushed to the disk when the promise resolves, and removed when it
 * rejects. Errors: MuxRefusal where ffmpeg refuses a stream; JobError('ffmpeg') with ffmpeg's words; JobError('internal') where
 * segments and times disagree; JobError('output') where the file cannot be flushed.
 */
export async function assemble(job: AssembleJob): Promise<Assembled> {
  const run = segmentRun(job.segments);
  const times = outputTimes(job.source, job.pts, await lastFrameDuration(job.source, job.pts));
  try {
    const { carried, notes, warnings } = await muxFile(job, run, times);
    await carryDisplayMatrix(job, run, carried);
    if (!job.container.isoMedia) await carryLastDuration(job, times);
    await flush(job.output);
    return { streams: carried, times, notes: [...times.notes, ...notes], warnings };
  } catch (error) {
    await rm(job.output, { force: true });
    throw error;
  }
}

/**
 * Writes `job.output`, as far as a trial's limits go, without flushing it. By default the last frame is shown as long as the
 * others. Errors: as `assemble`.
 */
export async function muxFile(
  job: AssembleJob,
  run = segmentRun(job.segments),
  times = outputTimes(job.source, job.pts, undefined),
): Promise<MuxListener> {
  const attachments: Attachment[] = [];
  try {
    await extractPictures(job, attachments);
    return await mux(job, await withDeclaredDelay(run), times, attachments);
  } finally {
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
  const listener = muxListener(source, streams, container);
  const ffmpeg = await startFfmpeg(
    {
      task: `writing "${job.output}"`,
      talkative: true,
      inputs: [
        { from: 'stdin', options: ['-copyts', '-f', video.format] },
        {
          from: { file: source.path },
          options: [...source.openOptions, ...SOURCE_READING, ...['-itsoffset', shiftSeconds.toFixed(6)]],
        },
      ],
      outputs: [
        {
          to: { file: job.output },
          options: [
            ...(job.trial ?? []),
            ...muxOptions(source, streams, container, video, attachments, await opusEarly(job)),
          ],
        },
      ],
    },
    { onMessage: listener.hear, ...(job.signal === undefined ? {} : { signal: job.signal }) },
  );
  const timeOf = (time: number) => rescale(time + shift, source.video.timeBase, video.timeBase);
  const writer =
    video.format === 'matroska'
      ? createMatroskaWriter(run.stream, job.tags)
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

/** ffmpeg may say that all is well after it could not write the end of the file. */
function refuseFailure(job: AssembleJob, { failure, refusal }: MuxListener, ended: unknown): void {
  const unfinished = `ffmpeg did not write "${job.output}" to its end`;
  if (failure !== undefined) {
    throw new JobError('ffmpeg', `${unfinished}: ${failure}`, {
      cause: ended,
      hint: /No space left|quota/.test(failure)
        ? 'make room on that file system and run the same command again'
        : 'see to the file systems of input and work folder and run the same command again',
    });
  }
  if (ended instanceof FfmpegFailure && ended.exitCode !== undefined && !isSystemFault(ended.message)) {
    throw new MuxRefusal(ended.message, ended.first ?? refusal ?? ended.message, ended);
  }
  // A trial may have seen enough before it has read its video.
  if (ended !== undefined && !(ended instanceof StoppedReading && job.trial !== undefined)) throw ended;
  if (refusal !== undefined) throw new MuxRefusal(`${unfinished}: ${refusal}`, refusal, ended);
}

/** ffmpeg ended well, but before it had all of the video. */
class StoppedReading extends JobError {}

/** Writes `bytes` to ffmpeg. Of two failures the first cause is thrown: ffmpeg's own where it died. */
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
  // FFmpeg 5 filters the packets of Matroska output in the ticks that it has in the file.
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

/** The most ticks between a packet's decoding and the end of its frame, or a little more. */
function longestSpan(pts: readonly number[], end: number): number {
  return pts.reduce((most, time, frame) => Math.max(most, (pts[frame + MOST_REORDERED] ?? end) - time), 0);
}

/** What comes too early in Matroska unless it is told otherwise, by index: milliseconds. */
async function opusEarly({ source, streams, container, output }: AssembleJob) {
  const early = new Map<number, number>();
  if (container.isoMedia) return early;
  for (const action of streams.actions) {
    const milliseconds = await opusEarlyBy(source, action, `${output}.opus`);
    if (milliseconds > 0) early.set(action.index, milliseconds);
  }
  return early;
}

/** Takes the cover art that is to be attached out of the source, beside the output; `into` fills as files appear. */
async function extractPictures(job: AssembleJob, into: Attachment[]): Promise<void> {
  for (const action of job.streams.actions) {
    if (action.kind !== 'attach') continue;
    const path = `${job.output}.cover-${action.index}`;
    into.push({ path, fileName: action.fileName, mimeType: action.mimeType });
    const picture = ['-map', `0:${action.index}`, '-c', 'copy', '-frames:v', '1', '-f', 'image2pipe'];
    const command = {
      task: `taking cover art out of "${job.source.path}"`,
      inputs: [{ from: { file: job.source.path }, options: job.source.openOptions }],
      outputs: [{ to: { file: path }, options: picture }],
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

/** A NUT writer as the Matroska writer is: NUT has no durations. */
function nutWriter(stream: NutStream, additions: boolean): PacketWriter {
  const { header, packet } = createNutWriter(stream, additions);
  return { header, packet: (pts, keyframe, data, _, addition) => packet(pts, keyframe, data, addition) };
}

async function carryLastDuration({ source, pts, output }: AssembleJob, times: OutputTimes): Promise<void> {
  const ms = (ticks: number) => rescale(ticks + times.shift, source.video.timeBase, MATROSKA_FILE_TIME_BASE);
  const shown = ms(pts.at(-1) ?? 0);
  await setLastBlockDuration(output, shown, ms(times.end) - shown);
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
