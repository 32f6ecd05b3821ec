import { type ComposedGraph, compose } from '../../model/compose/compose.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import { fp16Graph, int8Graph, type SessionGraphs } from '../../model/session/precision.js';
import { autoProvider, PROVIDERS } from '../../model/session/providers.js';
import { parseLocation } from '../../storage/location/location.js';
import { visibleGpus } from '../../system/devices.js';
import { JobError, OutputExists } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { CODEC_FACTS, codecDefaults } from '../../video/codecs/codecs.js';
import { tagNotes } from '../../video/codecs/colour-support.js';
import { type Container, containerFor } from '../../video/formats/container.js';
import { type WirePlan, wirePlan } from '../../video/frames/wire.js';
import type { StreamPlan } from '../../video/mux/stream-plan.js';
import { nominalRate } from '../../video/source/frame-rate.js';
import { probe, type SourceFacts, sourceLimits } from '../../video/source/probe.js';
import { refuseSplices } from '../../video/streams/splices.js';
import { planStreams } from '../../video/streams/streams.js';
import type { RankMachine } from '../context/machine.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from '../journal/identity.js';
import { checkWork, earlierWork, workLocation } from '../journal/work.js';
import { type BlobLabels, type Destination, openDestination } from '../output/destination.js';
import { isSameJob, publishedIdentity, removeEmptyWork } from '../output/publication.js';
import { batchFor } from './batch.js';
import { refuseLargeBuffers } from './buffer-limits.js';
import { cpuPrecision, ON_CPUS } from './cpu-precision.js';
import { refuseSharedFiles } from './files-apart.js';
import { type MemoryPlan, planMemory } from './memory-plan.js';
import { openSource, type Source, withDisplayName } from './source.js';

/** Every decision of the root before the first frame. */
export interface PreparedJob {
  readonly input: Source;
  readonly destination: Destination;
  readonly labels: BlobLabels;
  readonly source: SourceFacts;
  readonly wire: WirePlan;
  readonly container: Container;
  readonly streams: StreamPlan;
  readonly model: LoadedModel;
  readonly batch: number;
  /** Why the batch is that large. */
  readonly batchReason: string;
  readonly graph: ComposedGraph;
  /** The composed graph in the precisions that ranks may run. */
  readonly graphs: SessionGraphs;
  readonly memory: MemoryPlan;
  readonly spec: EncodeSpec;
  readonly segmentFrames: number;
  readonly identity: Identity;
  /** True if an earlier run has published this job's output, so that only its work is left to remove. */
  readonly published: boolean;
  /** Notes for the user about the decisions, one line each. */
  readonly notes: readonly string[];
}

/** x264's own default for the longest distance between keyframes. */
const MOST_KEYFRAME_INTERVAL = 250;

/**
 * Inspects input, output and model, and makes every decision. Decodes no frame, and writes only downloads to
 * scratch. Checks the destination first, and fetches small files before large ones.
 */
export async function prepareJob(
  options: JobOptions,
  readModel: () => Promise<LoadedModel>,
  version: string,
  storage: StorageContext,
  machines: readonly RankMachine[],
): Promise<PreparedJob> {
  const location = parseLocation(options.input);
  const destination = await openDestination(parseLocation(options.output), storage);
  const container = containerFor(destination.name, options.format);
  const made = await publishedIdentity(options, destination);
  const inTheWay = await destination.check(location, options.overwrite).catch((error: unknown) => {
    if (error instanceof OutputExists) return error;
    throw error;
  });
  if (inTheWay && made === undefined) {
    await removeEmptyWork(workLocation(options), storage.log);
    throw inTheWay;
  }
  await refuseSharedFiles([options]);
  await checkWork(options, storage);
  const input = await openSource(location, storage);
  const source = await withDisplayName(input, () => probe(input.path, sourceLimits(), options.video));
  const wire = wirePlan(source.video, container);
  const model = await readModel();
  const { frames: batch, why: batchReason } = batchFor(options.batch, model, wire.format, onGpu(options));
  const graph = compose(model, wire.format, batch);
  // If the video may be cut into pieces, the root may hold only its own batch.
  const ranks = options.split === 'frames' ? machines.length : 1;
  refuseLargeBuffers({ batch, graph, model }, ranks);
  const fp16 = fp16Graph(graph, model, options);
  const earlier = options.precision === 'int8' ? await earlierWork(options) : undefined;
  const onCpus = cpuPrecision(model, options, machines, earlier);
  if (onCpus.warning !== undefined) storage.log.warn(onCpus.warning);
  const int8 = onCpus.precision === 'int8' ? int8Graph(graph, model) : undefined;
  const rate = nominalRate(source.video.averageRate);
  const segmentFrames = Math.max(1, Math.round((options.segmentSeconds * rate.num) / rate.den));
  const spec = encodeSpec(options, wire, graph, rate, segmentFrames);
  const memory = planMemory({
    ...{ options, source, model, batch, graph, spec, segmentFrames, machines },
    onCpus: onCpus.precision,
  });
  memory.refuseLack(options.split === 'frames' ? 'frames' : 'segments');
  const streams = await planStreams(source, container, spec.codec, storage.scratch.folder);
  if (options.tolerant) await withDisplayName(input, () => refuseSplices(source, streams));
  const identity: Identity = {
    'framescatter version': version,
    ...(await input.identity(source.bytes)),
    model: model.sha256,
    provider: options.provider,
    precision: options.precision,
    [ON_CPUS]: onCpus.precision,
    batch: batch,
    container: container.name,
    codec: spec.codec,
    crf: spec.crf,
    preset: spec.preset,
    'pixel format': spec.pixelFormat,
    'frames a segment': segmentFrames,
    tolerant: options.tolerant,
    // Absent unless requested.
    ...(options.video === undefined ? {} : { 'video stream': options.video }),
    ...(source.video.interlaced === 'flagged' ? { deinterlaced: 'frames marked so' } : {}),
  };
  const published = made !== undefined && isSameJob(identity, made);
  if (inTheWay && !published) throw inTheWay;
  return {
    input,
    destination,
    published,
    labels: {
      contentType: container.contentType,
      metadata: { ...input.metadata, model_sha256: model.sha256, framescatter_version: version },
    },
    source,
    wire,
    container,
    streams,
    model,
    batch,
    batchReason,
    graph,
    memory,
    graphs: { fp32: graph.bytes, fp16: fp16.bytes, int8 },
    spec,
    segmentFrames,
    identity,
    notes: [
      ...model.notes,
      ...source.notes,
      ...wire.notes,
      ...pixelFormatNotes(spec),
      ...tagNotes(spec, container),
      ...streams.notes,
      ...graph.notes,
      ...fp16.notes,
    ],
  };
}

function onGpu({ provider }: JobOptions): boolean {
  return PROVIDERS[provider === 'auto' ? autoProvider(visibleGpus()) : provider].inDeviceMemory;
}

function encodeSpec(
  options: JobOptions,
  wire: WirePlan,
  graph: ComposedGraph,
  rate: EncodeSpec['rate'],
  segmentFrames: number,
): EncodeSpec {
  const { width, height, sample } = graph.output;
  const { evenFrom: least, pixelFormat } = CODEC_FACTS[options.codec];
  const fits = (size: number, from: number) => size >= from && size % 2 === 0;
  if (least !== undefined && !(fits(width, least.width) && fits(height, least.height))) {
    const taken = `${options.codec} takes frames of even size from ${least.width}x${least.height}`;
    throw new JobError('output', `${taken}; the output would have ${width}x${height}`, {
      hint: 'choose another --codec',
    });
  }
  const defaults = codecDefaults(options.codec);
  const preset = options.preset ?? defaults.preset;
  return {
    codec: options.codec,
    crf: options.crf ?? defaults.crf,
    preset,
    pixelFormat: pixelFormat(graph.output, preset),
    ...{ width, height, sample },
    rate,
    keyframeInterval: Math.min(MOST_KEYFRAME_INTERVAL, segmentFrames),
    matrix: wire.format.matrix,
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
