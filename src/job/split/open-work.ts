import { stat } from 'node:fs/promises';
import type { Ends } from '../../pipeline/pipeline.js';
import { untilFailure } from '../../pipeline/until-failure.js';
import type { Log } from '../../report/log.js';
import { showProgress } from '../../report/progress.js';
import { parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import type { StopRequest } from '../../system/stop.js';
import type { TableFormat } from '../../table/write.js';
import { type Decoder, openDecoder } from '../../video/frames/decode.js';
import type { JobOptions } from '../context/options.js';
import { framesTaken, samplingOf } from '../context/sampling.js';
import { MODIFIED, sameContentHint } from '../journal/fingerprint.js';
import { inspections } from '../journal/inspections.js';
import {
  type NonFiniteFrames,
  nonFiniteFrames,
  nonFiniteWarning,
  nonFiniteWatch,
  refuseNonFinite,
} from '../journal/non-finite.js';
import { onGpu } from '../journal/segment-files.js';
import type { SegmentRecord } from '../journal/segment-record.js';
import { type SegmentSink, segmentSink } from '../journal/segments.js';
import { closeWork, discardWork, openWork } from '../journal/work.js';
import type { BlobLabels } from '../output/destination.js';
import { publish } from '../output/publication.js';
import { type MadeTable, makeTable } from '../output/table.js';
import type { Chooser, Split } from '../prepare/chooser.js';
import { segmentRecorded } from '../prepare/decisions.js';
import { decideHardware } from '../prepare/hardware.js';
import type { HardwareTrials } from '../prepare/hardware-trials.js';
import { TABLE_TYPES } from '../prepare/outputs.js';
import type { PreparedJob } from '../prepare/prepare.js';
import { refuseLostPictures } from '../prepare/sequence-source.js';
import { openPieceWork, type PieceWork } from './piece-work.js';
import type { OpenedWork, RootContext, RootWork } from './root-work.js';
import { layoutOf, specsOf } from './row-layout.js';
import { type SampledDecoder, sampledDecoder, samplerOf } from './sampled-decoder.js';
import { refuseUnfinished } from './unfinished.js';
import { type CompletedVideo, furtherVideos, muxedVideo, type PublishedVideo } from './videos.js';

/** The work of a job split into frames: the root decodes and encodes, and frames go to the ranks and back. */
export interface FrameWork extends RootWork {
  readonly mode: 'frames';
  readonly decoder: Decoder;
  /** Number of the first frame that the decoder gives. */
  readonly from: number;
  /** True if frames before those to make are only looked at. */
  readonly looksAround: boolean;
  readonly sink: SegmentSink;
}

/** The chooser of the split, and the trials of the video engines. */
export interface Choices {
  /** Undefined: split into frames. */
  readonly choose: Chooser | undefined;
  readonly trials: HardwareTrials;
}

/** Opens the journal, chooses the split and the codecs' engines, and resumes the work of earlier runs. */
export async function openRootWork(
  options: JobOptions,
  prepared: PreparedJob,
  place: RootContext,
  { choose, trials }: Choices,
): Promise<FrameWork | PieceWork> {
  const { storage } = place;
  const { journal, chosen } = await openWork(options, storage, async (earlier) => {
    // Another job that had the work may have published the output since this one was prepared.
    if (parseLocation(options.output).kind === 'file')
      await prepared.destination.check(parseLocation(options.input), options.overwrite);
    const split: Split = (await choose?.(prepared, storage, earlier?.split)) ?? { mode: 'frames' };
    const codecs = split.mode === 'segments' ? trials.ranks : trials.ranks.slice(0, 1);
    const hardware = decideHardware(trials.request, codecs, earlier?.encoder);
    const identity = { ...prepared.identity, split: split.mode, encoder: hardware.encoder };
    return { identity, chosen: { split, hardware } };
  });
  const { split, hardware } = chosen;
  for (const note of hardware.notes) storage.log.info(note);
  const opened = { ...place, journal, hardware, strict: options.strict };
  return split.mode === 'segments'
    ? openPieceWork(prepared, split.plan, opened)
    : openFrameWork(options, prepared, opened);
}

/** Opens the video at the point where earlier runs ended. */
async function openFrameWork(
  options: JobOptions,
  prepared: PreparedJob,
  { journal, monitor, storage, device, hardware, queue }: OpenedWork,
): Promise<FrameWork> {
  const { source, wire } = prepared;
  const { log } = storage;
  const sampling = samplingOf(options);
  let sampled: SampledDecoder | undefined;
  const watch = nonFiniteWatch(options.strict, log.warn);
  const specs = specsOf(prepared, journal.encoder);
  const looking = specs.map((_, at) => inspections(journal, at));
  const sink = segmentSink({
    journal,
    specs: hardware.nvenc ? onGpu(specs, device) : specs,
    segmentFrames: prepared.segmentFrames,
    run: prepared.graph.every ?? 1,
    layout: layoutOf(prepared),
    ...(sampling === undefined ? {} : { numberOf: (pts: number) => sampled?.numberOf(pts) ?? 0 }),
    onNonFinite: watch,
    onSegment: (index, frames, began) => {
      for (const one of looking) one.begin(index);
      const first = index * prepared.segmentFrames;
      log.detail(segmentRecorded(index, first, frames), { event: 'segment', segment: index, frames });
      monitor.segment(index, frames, began);
    },
  });
  let opened: Decoder | undefined;
  const close = async (): Promise<void> => {
    await opened?.[Symbol.asyncDispose]();
    const keep = journal.resumes > 0 || sink.holdsWork();
    await sink[Symbol.asyncDispose]();
    await closeWork(journal.store, { keep, log });
  };
  try {
    refuseNonFinite(options.strict, journal.segments);
    const { pts, lastNumber } = await sink.restore();
    const restored = pts.length;
    if (restored > 0) log.info(`resuming after ${restored} frames of an earlier run`);
    // A model that looks at neighbouring frames needs some of those before, too.
    const { before = 0, after = 0 } = prepared.graph.window ?? {};
    const from = Math.max(0, restored - Math.max(before, after));
    const lastPts = pts[from - 1];
    const [first] = pts;
    const position = lastNumber === undefined ? from : lastNumber + 1;
    const resume = lastPts === undefined ? {} : { resume: { frames: position, lastPts } };
    const whole = await openDecoder(source, wire, {
      tolerant: options.tolerant,
      gpu: hardware.nvdec ? device : undefined,
      ...resume,
    });
    opened = whole;
    const taken = first === undefined || lastPts === undefined ? undefined : { first, last: lastPts };
    sampled = sampling && sampledDecoder(whole, samplerOf(sampling, source.video.timeBase, taken), position);
    const decoder = sampled ?? whole;
    const total = source.video.frames && framesTaken(sampling, source.video.frames, prepared.rate);
    const progress = showProgress(log, total, restored, () => journal.videoBytes, 'frames', queue);
    monitor.begin(total, restored);
    return {
      mode: 'frames',
      ...{
        journal,
        decoder,
        sink,
        progress,
        monitor,
        hardware,
        restored,
        from,
        looksAround: prepared.graph.window !== undefined || prepared.graph.chunk !== undefined,
        inspections: looking,
        [Symbol.asyncDispose]: close,
      },
      finish: sink.finish,
      get warnings() {
        return decoder.warnings;
      },
      get concealed() {
        return decoder.concealed;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The root's ends of the pipeline. They never throw inside it, so all ranks reach its end together. */
export interface RootEnds extends Ends {
  /** Throws if the decoder or encoder failed, or a signal stopped the job. Finished work stays. */
  refuseUnfinished(): Promise<void>;
}

/** Creates the root's ends. After a failure no frame starts, and those in flight are dropped. */
export function pipelineEnds(work: FrameWork, stop: StopRequest): RootEnds {
  const until = untilFailure();
  const decoder = { read: (into: Uint8Array) => until.run(() => work.decoder.read(into)) };
  return {
    decoder,
    sink: {
      write: (row, pts) =>
        until.run(async () => {
          await work.sink.write(row, pts);
          work.progress.advance();
          work.monitor.frame();
        }),
    },
    ...(work.looksAround ? { runs: [{ decoder, position: work.restored, from: work.from }] } : {}),
    stopping: () => until.failure() !== undefined || stop.reason() !== undefined,
    refuseUnfinished: () => refuseUnfinished(until.failure(), stop, work.journal.store.location),
  };
}

/**
 * Checks that the input has not changed since the job was prepared.
 *
 * @throws {JobError} input: when it has.
 */
export async function refuseChangedInput({ input, identity }: PreparedJob): Promise<void> {
  const { size } = input.sequence ? { size: 0 } : await stat(input.path).catch(() => ({ size: -1 }));
  const now = size < 0 ? undefined : await input.identity(size).catch(() => undefined);
  const differing = Object.entries(now ?? {}).filter(([key, value]) => identity[key] !== value);
  if (now !== undefined && differing.length === 0) return;
  const isTimeAlone = now !== undefined && differing.every(([key]) => key === MODIFIED);
  throw new JobError('input', `${input.display} changed while the job ran`, {
    hint: `${isTimeAlone ? `${sameContentHint(identity[MODIFIED])}; else, ` : ''}when the file is complete, run the same command with --restart`,
  });
}

/** A published output: its frames and rows, and notes and warnings about the other streams. */
export interface Completed {
  readonly frames: number;
  readonly nonFiniteFrames: NonFiniteFrames;
  /** Rows of each table. */
  readonly rows: readonly number[];
  /** Size of the output, and of the videos of further pictures. */
  readonly bytes: number;
  readonly furtherBytes: readonly number[];
  /** Seconds from the first frame to the end of the last one. */
  readonly videoSeconds: number;
  /** The video in it; undefined if it is a table. */
  readonly video: CompletedVideo | undefined;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Makes the output of the finished segments, verifies every frame in it, publishes it, and removes the
 * journal. `onPublished` is called in between with the published video, if there is one.
 */
export async function completeOutput(
  options: JobOptions,
  prepared: PreparedJob,
  work: RootWork,
  log: Log,
  onPublished: (video: PublishedVideo) => Promise<void>,
): Promise<Completed> {
  const { destination, labels } = prepared;
  const segments = await work.finish();
  const frames = segments.reduce((sum, segment) => sum + segment.frames, 0);
  if (frames === 0) throw new JobError('input', `${prepared.input.display} has no frame that can be decoded`);
  await refuseChangedInput(prepared);
  if (samplingOf(options) === undefined) refuseLostPictures(prepared.input, prepared.source, frames);
  const { store } = work.journal;
  const tables = await tablesOf(prepared, work, segments);
  const video = prepared.video && (await muxedVideo(prepared.source, prepared.video, work, segments));
  const further = prepared.video ? await furtherVideos(prepared.video, work, segments) : [];
  const notes = [...(video?.notes ?? []), ...further.flatMap((one) => one.notes)];
  for (const note of notes) log.info(note);
  const files = prepared.table?.files ?? [];
  const alone = tables.find((_, at) => files[at]?.beside === undefined);
  const file = video?.file ?? alone?.file;
  if (file === undefined) throw new JobError('internal', 'the job makes neither a video nor a table');
  await store.check();
  const bytes = video?.bytes ?? (await stat(file)).size;
  const { overwrite } = options;
  const besides = files.flatMap(({ beside, format }, at) => {
    const made = tables[at];
    if (beside === undefined || made === undefined) return [];
    return [{ destination: beside, file: made.file, labels: tableLabels(labels, format), overwrite }];
  });
  for (const [at, { destination, container }] of (prepared.video?.further ?? []).entries()) {
    const made = further[at];
    if (made === undefined) continue;
    const own = { ...labels, contentType: container.contentType };
    besides.push({ destination, file: made.file, labels: own, overwrite });
  }
  const furtherBytes = await Promise.all(further.map(async (one) => (await stat(one.file)).size));
  await work.monitor.phase('publish', () =>
    publish(store, prepared.identity, { destination, file, labels, overwrite }, besides),
  );
  if (video !== undefined) await onPublished(video);
  await discardWork(store, log);
  const odd = nonFiniteFrames(segments);
  const told = nonFiniteWarning(odd, frames, video !== undefined);
  return {
    frames,
    nonFiniteFrames: odd,
    rows: tables.map(({ rows }) => rows),
    bytes,
    furtherBytes,
    videoSeconds: videoSeconds(prepared, segments),
    video,
    notes,
    warnings: [
      ...(told === undefined ? [] : [told]),
      ...tables.flatMap(({ warnings }) => warnings),
      ...(video?.warnings ?? []),
      ...further.flatMap((one) => one.warnings),
    ],
  };
}

function videoSeconds({ source, rate }: PreparedJob, segments: readonly SegmentRecord[]): number {
  const [first = 0, last = first] = [segments[0]?.pts[0], segments.at(-1)?.pts.at(-1)];
  const { num, den } = source.video.timeBase;
  return ((last - first) * num) / den + rate.den / rate.num;
}

async function tablesOf(
  { table, source, model, identity }: PreparedJob,
  { journal, monitor }: RootWork,
  segments: readonly SegmentRecord[],
): Promise<readonly MadeTable[]> {
  const made: MadeTable[] = [];
  const { timeBase } = source.video;
  const metadata = {
    model_sha256: model.sha256,
    framescatter_version: String(identity['framescatter version']),
  };
  for (const [at, { format }] of (table?.files ?? []).entries()) {
    if (table === undefined) break;
    const parts = { journal, plan: table.plan, at, format, segments, timeBase, metadata };
    made.push(await monitor.phase('table', () => makeTable(parts)));
  }
  return made;
}

function tableLabels(labels: BlobLabels, format: TableFormat): BlobLabels {
  return { ...labels, contentType: TABLE_TYPES[format] };
}
