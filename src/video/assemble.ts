/** Puts the finished file together: the encoded segments at the source's own times, and everything else the source holds. */
import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { JobError } from '../errors.js';
import type { Container } from './container.js';
import { scaleMatrix, writeDisplayMatrix } from './display-matrix.js';
import type { ColourTags } from './encode.js';
import { type FfmpegProcess, runFfmpeg, startFfmpeg } from './ffmpeg.js';
import { FfmpegFailure } from './ffmpeg-messages.js';
import { UNKNOWN_RATE } from './frame-rate.js';
import { createMatroskaWriter, MATROSKA_TIME_BASE, needsMatroska } from './matroska-writer.js';
import {
  type Attachment,
  type MuxVideo,
  muxOptions,
  rescale,
  timescaleFor,
  videoTrack,
} from './mux-command.js';
import { isSystemFault, type MuxListener, muxListener } from './mux-messages.js';
import { createNutWriter } from './nut.js';
import { reduced } from './rational.js';
import { type SegmentFacts, type SegmentRun, segmentRun, timedStream } from './segment-packets.js';
import { hasBroadcastClock, type SourceFacts } from './source-facts.js';
import type { StreamPlan } from './stream-plan.js';

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
  /** Makes a trial of it: how much of the source is read and written, as ffmpeg's options. */
  readonly trial?: { readonly reading: readonly string[]; readonly writing: readonly string[] };
}

/** Muxers refuse some damaged packets, and the whole file with them. */
export const SOURCE_READING: readonly string[] = ['-fflags', '+discardcorrupt'];

/** A last frame is shown for no longer than this, whatever the source's headers say. */
const LONGEST_LAST_FRAME_SECONDS = 10;

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
  try {
    const { carried, notes, warnings } = await muxFile(job, run);
    await carryDisplayMatrix(job, run, carried);
    await flush(job.output);
    return { streams: carried, notes: [...shiftNotes(job), ...notes], warnings };
  } catch (error) {
    await rm(job.output, { force: true });
    throw error;
  }
}

/** Writes `job.output`, as far as a trial's limits go, without flushing it. Errors: as `assemble`. */
export async function muxFile(job: AssembleJob, run = segmentRun(job.segments)): Promise<MuxListener> {
  const attachments: Attachment[] = [];
  try {
    await extractPictures(job, attachments);
    return await mux(job, run, attachments);
  } finally {
    for (const { path } of attachments) await rm(path, { force: true });
  }
}

/**
 * By how many ticks of the source's time base everything is shifted later, or below zero earlier: a broadcast's clock,
 * which begins anywhere, begins at zero in the output, and no frame lies before zero, where no container here shows it.
 * 0 for nearly every other video.
 */
export function timelineShift(source: SourceFacts, pts: readonly number[]): number {
  const { num, den } = source.video.timeBase;
  const start = hasBroadcastClock(source) ? Math.round(((source.startTime ?? 0) * den) / num) : 0;
  const first = pts[0] ?? 0;
  // `0 -`: there is no minus zero among ticks.
  return 0 - Math.min(first, start);
}

function shiftNotes(job: AssembleJob): readonly string[] {
  const shift = timelineShift(job.source, job.pts);
  if (shift === 0) return [];
  const { num, den } = job.source.video.timeBase;
  const seconds = ((Math.abs(shift) * num) / den).toFixed(3);
  return [
    shift > 0
      ? `The video begins ${seconds} s before time zero: everything is shifted later by as much.`
      : `The clock of the file begins at ${seconds} s: everything is shifted earlier by as much, to begin at zero.`,
  ];
}

async function mux(
  job: AssembleJob,
  run: SegmentRun,
  attachments: readonly Attachment[],
): Promise<MuxListener> {
  const { source, streams, container, pts } = job;
  const video = muxVideo(job, run);
  const { num, den } = source.video.timeBase;
  const shift = timelineShift(source, pts);
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
          options: [
            ...source.openOptions,
            ...SOURCE_READING,
            ...['-itsoffset', shiftSeconds.toFixed(6)],
            ...(job.trial?.reading ?? []),
          ],
        },
      ],
      outputs: [
        {
          to: { file: job.output },
          options: [
            ...(job.trial?.writing ?? []),
            ...muxOptions(source, streams, container, video, attachments),
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
      : createNutWriter({ ...run.stream, timeBase: video.timeBase });
  const { frameTicks, end } = video;
  const bytes = timedStream(run, writer, { pts, timeOf, frameTicks, end }, (packets) =>
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

function muxVideo(job: AssembleJob, run: SegmentRun): MuxVideo {
  const { source, pts } = job;
  const { averageRate, durationTicks, startPts } = source.video;
  const sourceBase = source.video.timeBase;
  const format = needsMatroska(run.stream.fourcc) ? 'matroska' : 'nut';
  const timescale = timescaleFor(sourceBase);
  const nutBase = job.container.isoMedia ? { num: 1, den: timescale } : reduced(sourceBase);
  const timeBase = format === 'matroska' ? MATROSKA_TIME_BASE : nutBase;
  const ticksOf = (seconds: number) => Math.max(1, Math.round((seconds * timeBase.den) / timeBase.num));
  const ours = (ticks: number) => rescale(ticks, sourceBase, timeBase);
  const first = pts[0] ?? 0;
  const last = pts.at(-1) ?? first;
  const rate = averageRate ?? UNKNOWN_RATE;
  const frameTicks = ticksOf(rate.den / rate.num);
  // What the source declares beyond the last frame's start is how long it shows that frame.
  const rest = (durationTicks ?? 0) - (last - (startPts ?? first));
  const declared = rest > 0 ? ours(rest) : 0;
  const lastTicks = declared > 0 && declared <= ticksOf(LONGEST_LAST_FRAME_SECONDS) ? declared : frameTicks;
  return {
    fourcc: run.stream.fourcc,
    decodeDelay: run.stream.decodeDelay,
    format,
    timeBase,
    timescale,
    frames: pts.length,
    frameTicks,
    end: ours(last + timelineShift(source, pts)) + lastTicks,
  };
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

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
