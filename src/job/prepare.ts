import { availableParallelism } from 'node:os';
import { type ComposedGraph, compose } from '../model/compose.js';
import { visibleGpus } from '../model/devices.js';
import type { LoadedModel } from '../model/loaded-model.js';
import { loadModel } from '../model/registry.js';
import { lockFolder } from '../storage/folder-lock.js';
import { openLocalStore, type WorkStore } from '../storage/work-store.js';
import { type Container, containerFor } from '../video/container.js';
import { type EncodeSpec, pixelFormatFor } from '../video/encode.js';
import { probe, type SourceFacts } from '../video/probe.js';
import { planStreams, type StreamPlan } from '../video/streams.js';
import { type WirePlan, wirePlan } from '../video/wire.js';
import { codecDefaults } from './codec-defaults.js';
import { checkDestination } from './destination.js';
import { fingerprint } from './fingerprint.js';
import { type Identity, type Journal, openJournal } from './journal.js';
import type { JobOptions } from './options.js';

/** Everything the root decides before the first frame. */
export interface PreparedJob {
  readonly source: SourceFacts;
  readonly wire: WirePlan;
  readonly container: Container;
  readonly streams: StreamPlan;
  readonly model: LoadedModel;
  readonly batch: number;
  readonly graph: ComposedGraph;
  readonly spec: EncodeSpec;
  readonly segmentFrames: number;
  readonly identity: Identity;
  /** What the user should know about the decisions, a line each. */
  readonly notes: readonly string[];
}

/** Frames that a GPU infers at once with `--batch auto`; a CPU gains nothing from more than one. */
const GPU_BATCH = 4;
/** Where a video does not tell its rate: for rate control and segment lengths only, never for timestamps. */
const UNKNOWN_RATE = { num: 25, den: 1 } as const;
/** Encoder threads are part of the journal; more than this gains little and costs memory. */
const MOST_ENCODER_THREADS = 16;
/** x264's own default for the longest distance between keyframes. */
const MOST_KEYFRAME_INTERVAL = 250;

/** Looks at input, output and model, and decides everything; no frame is decoded and nothing is written. */
export async function prepareJob(
  options: JobOptions,
  modelsFolder: string,
  version: string,
): Promise<PreparedJob> {
  const container = containerFor(options.output, options.format);
  await checkDestination(options.input, options.output, options.overwrite);
  const source = await probe(options.input);
  const wire = wirePlan(source.video, container);
  const model = await loadModel(options.model, {
    folder: modelsFolder,
    ...(options.strength === undefined ? {} : { strength: options.strength }),
    overrides: options.modelOverrides,
  });
  const batch = batchFor(options);
  const graph = compose(model, wire.format, batch);
  const rate = source.video.averageRate ?? UNKNOWN_RATE;
  const segmentFrames = Math.max(1, Math.round((options.segmentSeconds * rate.num) / rate.den));
  const spec = encodeSpec(options, wire, graph, rate, segmentFrames);
  const streams = await planStreams(source, container, spec.codec);
  return {
    source,
    wire,
    container,
    streams,
    model,
    batch,
    graph,
    spec,
    segmentFrames,
    identity: {
      'framescatter version': version,
      'input size': source.bytes,
      'input content': await fingerprint(options.input, source.bytes),
      model: model.sha256,
      provider: options.provider,
      batch: batch,
      container: container.name,
      codec: spec.codec,
      crf: spec.crf,
      preset: spec.preset,
      'pixel format': spec.pixelFormat,
      'frames a segment': segmentFrames,
      tolerant: options.tolerant,
    },
    notes: [...model.notes, ...wire.notes, ...pixelFormatNotes(spec), ...streams.notes, ...graph.notes],
  };
}

/** The folder that holds a job's journal. */
export function workFolder(options: JobOptions): string {
  return options.workDir ?? `${options.output}.framescatter`;
}

/** Opens the job's journal, alone: a second job on the same one is refused. */
export async function openWork(
  options: JobOptions,
  identity: Identity,
): Promise<{ readonly journal: Journal; readonly store: WorkStore; readonly unlock: () => Promise<void> }> {
  const folder = workFolder(options);
  let store = await openLocalStore(folder);
  let unlock = await lockFolder(folder);
  try {
    if (options.restart) {
      await unlock();
      await store.destroy();
      store = await openLocalStore(folder);
      unlock = await lockFolder(folder);
    }
    const threads = Math.min(MOST_ENCODER_THREADS, availableParallelism());
    return { journal: await openJournal(store, identity, threads), store, unlock };
  } catch (error) {
    await unlock();
    throw error;
  }
}

function batchFor(options: JobOptions): number {
  if (options.batch !== 'auto') return options.batch;
  const gpu = options.provider === 'auto' ? visibleGpus() > 0 : options.provider !== 'cpu';
  return gpu ? GPU_BATCH : 1;
}

function encodeSpec(
  options: JobOptions,
  wire: WirePlan,
  graph: ComposedGraph,
  rate: EncodeSpec['rate'],
  segmentFrames: number,
): EncodeSpec {
  const { width, height } = graph.output;
  const defaults = codecDefaults(options.codec);
  return {
    codec: options.codec,
    crf: options.crf ?? defaults.crf,
    preset: options.preset ?? defaults.preset,
    pixelFormat: pixelFormatFor(options.codec, width, height),
    width,
    height,
    rate,
    keyframeInterval: Math.min(MOST_KEYFRAME_INTERVAL, segmentFrames),
    tags: wire.tags,
    sampleAspectRatio: wire.sampleAspectRatio,
    threads: 1,
  };
}

function pixelFormatNotes(spec: EncodeSpec): readonly string[] {
  if (spec.pixelFormat === 'yuv420p') return [];
  const why =
    spec.width % 2 === 1 || spec.height % 2 === 1
      ? ` (${spec.width}x${spec.height} is odd, which 4:2:0 cannot hold)`
      : '';
  return [`the output is encoded as ${spec.pixelFormat}${why}`];
}
