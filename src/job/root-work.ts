import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../errors.js';
import type { Log } from '../report/log.js';
import type { Monitor } from '../report/metrics.js';
import { type Progress, showProgress } from '../report/progress.js';
import { assemble } from '../video/assemble.js';
import { type Decoder, openDecoder } from '../video/decode.js';
import { frameBytes } from '../video/frame-format.js';
import { verifyOutput } from '../video/verify.js';
import type { Journal } from './journal.js';
import type { JobOptions } from './options.js';
import type { Ends } from './pipeline.js';
import type { PreparedJob } from './prepare.js';
import { type SegmentSink, segmentSink } from './segments.js';
import type { Site } from './site.js';
import type { StopRequest } from './stop.js';
import { openWork } from './work.js';

/** The root's side of a running job: its journal, and the ends of the pipeline. */
export interface RootWork {
  readonly journal: Journal;
  readonly decoder: Decoder;
  readonly sink: SegmentSink;
  readonly progress: Progress;
  readonly monitor: Monitor;
  /** Frames that earlier runs had done. */
  readonly restored: number;
  /** Ends what still runs. Keeps the journal if there is anything in it to resume from. */
  close(): Promise<void>;
}

/** Opens the journal, takes over what earlier runs did, and opens the video where they ended. */
export async function openRootWork(
  options: JobOptions,
  prepared: PreparedJob,
  site: Site,
  monitor: Monitor,
): Promise<RootWork> {
  const { source, wire } = prepared;
  const { log } = site;
  const { journal, unlock } = await openWork(options, prepared.identity, site);
  const sink = segmentSink({
    journal,
    spec: { ...prepared.spec, threads: journal.encoderThreads },
    segmentFrames: prepared.segmentFrames,
    frameBytes: frameBytes(prepared.graph.output.width, prepared.graph.output.height),
    onSegment: monitor.segment,
  });
  let decoder: Decoder | undefined;
  const close = async (): Promise<void> => {
    await decoder?.close();
    const worthKeeping = journal.resumes > 0 || sink.holdsWork();
    await sink.abandon();
    await unlock();
    if (!worthKeeping) await journal.store.destroy();
  };
  try {
    const done = await sink.restore();
    if (done.frames > 0) log.info(`resuming after ${done.frames} frames that an earlier run has done`);
    const resume =
      done.lastPts === undefined ? {} : { resume: { frames: done.frames, lastPts: done.lastPts } };
    decoder = await openDecoder(source, wire, { tolerant: options.tolerant, ...resume });
    const progress = showProgress(log, source.video.frames, done.frames);
    monitor.begin(source.video.frames, done.frames);
    return { journal, decoder, sink, progress, monitor, restored: done.frames, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The root's ends of the pipeline, which never fail within it: all ranks come to its end together. */
export interface RootEnds extends Ends {
  /** Ends the job where decoder or encoder failed, or a signal asked for it: what is done stays done. */
  refuseUnfinished(): Promise<void>;
}

/** How much later than its children a process may learn of a signal that all of them were sent. */
const SIGNAL_MS = 200;

/** After a failure no frame is begun, and those in flight are dropped. */
export function pipelineEnds(work: RootWork, stop: StopRequest): RootEnds {
  let failure: { readonly error: unknown } | undefined;
  async function unlessFailed<T>(step: () => Promise<T>): Promise<T | undefined> {
    if (failure !== undefined) return undefined;
    try {
      return await step();
    } catch (error) {
      failure = { error };
      return undefined;
    }
  }
  return {
    decoder: { read: (into) => unlessFailed(() => work.decoder.read(into)) },
    sink: {
      write: (frame, pts) =>
        unlessFailed(async () => {
          await work.sink.write(frame, pts);
          work.progress.advance();
          work.monitor.frame();
        }),
    },
    stopping: () => failure !== undefined || stop.signal() !== undefined,
    async refuseUnfinished() {
      // A scheduler's signal may reach ffmpeg first, or alone; then this rank's own is not far.
      if (failure !== undefined) await sleep(SIGNAL_MS);
      if (stop.signal() !== undefined) throw stoppedError(work, stop);
      if (failure !== undefined) throw failure.error;
    },
  };
}

/** What a job says that ends because of a signal. */
function stoppedError(work: RootWork, stop: StopRequest): JobError {
  const { location } = work.journal.store;
  return new JobError('stopped', `stopped by ${stop.signal()}; the work so far is in ${location}`, {
    hint: 'the same command resumes it',
  });
}

/** An input that was still being written, or was exchanged, has no one right output. */
async function refuseChangedInput(prepared: PreparedJob): Promise<void> {
  const { input, identity } = prepared;
  const { size } = await stat(input.path).catch(() => ({ size: -1 }));
  const now = size < 0 ? {} : await input.identity(size);
  const unchanged = size >= 0 && Object.entries(now).every(([key, value]) => identity[key] === value);
  if (unchanged) return;
  throw new JobError('input', `${input.display} changed while the job ran`, {
    hint: 'when it is whole, run the same command with --restart',
  });
}

/**
 * Makes the output of the finished segments, checks every frame's time in it, and puts it in its place as the last act;
 * then the journal goes. Gives the number of frames.
 */
export async function completeOutput(
  options: JobOptions,
  prepared: PreparedJob,
  work: RootWork,
  log: Log,
): Promise<number> {
  const { source, streams, container, destination, labels } = prepared;
  const segments = await work.sink.finish();
  const pts = segments.flatMap((segment) => segment.pts);
  if (pts.length === 0)
    throw new JobError('input', `${prepared.input.display} has no frame that can be decoded`);
  await refuseChangedInput(prepared);
  const finished = join(work.journal.store.scratch, `output.${container.name}`);
  const notes = await work.monitor.phase('assemble', async () =>
    assemble({
      source,
      streams,
      container,
      segments: await Promise.all(
        segments.map(async (segment) => ({ path: await work.journal.segmentPath(segment.index) })),
      ),
      pts,
      tags: prepared.spec.tags,
      output: finished,
    }),
  );
  for (const note of notes) log.info(note);
  await work.monitor.phase('verify', () => verifyOutput(finished, { source, streams, container, pts }));
  await work.monitor.phase('publish', () => destination.publish(finished, labels, options.overwrite));
  await work.journal.store.destroy();
  return pts.length;
}
