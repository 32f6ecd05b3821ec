import type { ComposedGraph } from '../../model/compose/compose.js';
import type { TablePlan } from '../../model/compose/table-ends.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import { haloOf } from '../../model/ports/window.js';
import { fp16Graph, int8Graph, type SessionGraphs } from '../../model/session/precision.js';
import { autoProvider, PROVIDERS } from '../../model/session/providers.js';
import { type Location, parseLocation, sameBlob } from '../../storage/location/location.js';
import { visibleGpus } from '../../system/devices.js';
import { JobError, OutputExists } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { CODEC_FACTS, codecDefaults } from '../../video/codecs/codecs.js';
import { tagNotes } from '../../video/codecs/colour-support.js';
import type { Container } from '../../video/formats/container.js';
import type { FrameFormat } from '../../video/formats/frame-format.js';
import type { Rational } from '../../video/formats/rational.js';
import { type WirePlan, wirePlan } from '../../video/frames/wire.js';
import type { StreamPlan } from '../../video/mux/stream-plan.js';
import { partText, withPart } from '../../video/source/frame-range.js';
import { nominalRate } from '../../video/source/frame-rate.js';
import { probe, type SourceFacts, sourceLimits } from '../../video/source/probe.js';
import { refuseSplices } from '../../video/streams/splices.js';
import { audioText, type StreamChoices } from '../../video/streams/stream-choices.js';
import { planStreams } from '../../video/streams/streams.js';
import type { RankMachine } from '../context/machine.js';
import type { JobOptions } from '../context/options.js';
import { framesTaken, samplingOf, samplingText } from '../context/sampling.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from '../journal/identity.js';
import { checkWork, earlierWork, workLocation } from '../journal/work.js';
import type { BlobLabels, Destination } from '../output/destination.js';
import { isPublishedBeside, isSameJob, publishedIdentity, removeEmptyWork } from '../output/publication.js';
import { batchFor, fewerFrames, shareFor } from './batch.js';
import { refuseLargeBuffers } from './buffer-limits.js';
import { chromaIdentity, wireChroma } from './chroma.js';
import { cpuPrecision, ON_CPUS } from './cpu-precision.js';
import { depthIdentity, refuseLackingFormat, wireDepth } from './depth.js';
import { settingsIdentity, tryEncoder } from './encoder-trial.js';
import { refuseSharedFiles } from './files-apart.js';
import { composeFor, scalingIdentity } from './frame-size.js';
import {
  type FurtherVideo,
  furtherIdentity,
  openVideosBeside,
  planFurther,
  type VideoBeside,
  withPictures,
} from './further-videos.js';
import { hdrNotes, withHdr } from './hdr.js';
import {
  imageNotes,
  openOutput,
  type PictureNames,
  pictureNames,
  streamsBesidePictures,
} from './images-output.js';
import { type MemoryPlan, planMemory } from './memory-plan.js';
import {
  modelFor,
  type OutputKind,
  openTablesBeside,
  outputKind,
  TABLE_TYPES,
  type TableBeside,
  type TableFile,
  UPRIGHT,
} from './outputs.js';
import { fewRuns, refuseSampledRuns } from './runs.js';
import { openInput, withPictureCount } from './sequence-source.js';
import { type Source, withDisplayName } from './source.js';
import { chooseTiling } from './tiling.js';

/** Every decision of the root before the first frame. */
export interface PreparedJob {
  readonly input: Source;
  readonly destination: Destination;
  readonly labels: BlobLabels;
  readonly source: SourceFacts;
  readonly wire: WirePlan;
  /** Undefined if only a table is made. */
  readonly video: VideoOutput | undefined;
  readonly table: TableOutput | undefined;
  readonly model: LoadedModel;
  readonly batch: number;
  /** Frames that a rank gets in a round. */
  readonly share: number;
  /** Why the batch is that large. */
  readonly batchReason: string;
  readonly graph: ComposedGraph;
  /** The composed graph in the precisions that ranks may run. */
  readonly graphs: SessionGraphs;
  readonly memory: MemoryPlan;
  /** The nominal frame rate. */
  readonly rate: Rational;
  readonly segmentFrames: number;
  readonly identity: Identity;
  /** True if an earlier run has published this job's output, so that only its work is left to remove. */
  readonly published: boolean;
  /** Notes for the user about the decisions, one line each. */
  readonly notes: readonly string[];
}

/** The video of a job's output, and those of further pictures beside it. */
export interface VideoOutput {
  readonly container: Container;
  readonly streams: StreamPlan;
  readonly spec: EncodeSpec;
  readonly further: readonly FurtherVideo[];
  /** The names of the pictures, if each frame becomes one. */
  readonly pictures: PictureNames | undefined;
}

/** The tables of a job's output. */
export interface TableOutput {
  readonly plan: TablePlan;
  /** Their places, in the order of the plan's tables. */
  readonly files: readonly TableFile[];
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
  const destination = await openOutput(options, storage);
  const output = outputKind(destination.name, options.format);
  const besides = await openTablesBeside(options, storage);
  const made = await publishedIdentity(options, destination);
  const inTheWay = await destination.check(location, options.overwrite).catch((error: unknown) => {
    if (error instanceof OutputExists) return error;
    throw error;
  });
  if (inTheWay && made === undefined) {
    await removeEmptyWork(workLocation(options), storage.log);
    throw inTheWay;
  }
  const videos = await openVideosBeside(options, storage);
  const all = [...besides, ...videos];
  for (const [at, beside] of all.entries()) await checkBeside(options, beside, all.slice(0, at), location);
  await refuseSharedFiles([options]);
  await checkWork(options, storage);
  const input = await openInput(options, storage);
  const source = await withDisplayName(input, async () => {
    const probed = await probe(input.path, sourceLimits(), options.video);
    return withPart(withPictureCount(probed, input.sequence), options.part);
  });
  const earlier = await earlierWork(options);
  const loaded = await readModel();
  const { model: chosen, files, notes } = modelFor(loaded, output, besides);
  const begun = made ?? earlier;
  const wire =
    output.kind === 'video'
      ? wirePlan(
          source.video,
          output.container,
          wireDepth(options, source.video, begun),
          wireChroma(options, source.video, chosen, begun),
          options.frameSize,
        )
      : wirePlan(source.video, UPRIGHT, undefined, undefined, options.frameSize);
  const { model, notes: unwritten } = withPictures(chosen, videos, loaded.tables);
  const { frames: batch, why: batchReason } = batchFor(options.batch, model, wire.format, onGpu(options));
  const whole = composeFor(model, wire, batch);
  // If the video may be cut into pieces, the root may hold only its own batch.
  const ranks = options.split === 'frames' ? machines.length : 1;
  const share = shareFor(batch, whole.window, whole.every);
  const fewer = fewerFrames(model);
  refuseLargeBuffers({ batch: share + haloOf(whole.window), graph: whole, fewer }, ranks);
  refuseSampledRuns(options, whole);
  const onCpus = cpuPrecision(model, options, machines, earlier);
  if (onCpus.warning !== undefined) storage.log.warn(onCpus.warning);
  const rate = nominalRate(source.video.averageRate);
  const sampling = samplingOf(options);
  const wanted = framesTaken(sampling, (options.segmentSeconds * rate.num) / rate.den, rate);
  const run = whole.every ?? 1;
  const segmentFrames = run * Math.max(1, Math.round(wanted / run));
  const spec = whole.output && encodeSpec(options, wire, whole.output, rate, segmentFrames);
  const tiling = chooseTiling({
    ...{ asked: options.tile, earlier: begun, model, batch, whole },
    memoryOf: (graph) =>
      planMemory({
        ...{ options, source, model, graph, spec, segmentFrames, machines },
        batch: share + haloOf(graph.window),
        onCpus: onCpus.precision,
      }),
    split: options.split === 'frames' ? 'frames' : 'segments',
  });
  const { graph, memory } = tiling;
  const fp16 = fp16Graph(graph, graph.input.sample.bits, model, options);
  const int8 = onCpus.precision === 'int8' ? int8Graph(graph, model) : undefined;
  const pictures = pictureNames(input, options);
  const video = await videoOutput(output, pictures, spec, source, storage, options, (container) => {
    const specOf = (format: FrameFormat) => encodeSpec(options, wire, format, rate, segmentFrames);
    return planFurther(source, container, videos, graph.further, specOf);
  });
  if (options.tolerant && video !== undefined)
    await withDisplayName(input, () => refuseSplices(source, video.streams));
  const table = graph.table && { plan: graph.table, files };
  const identity: Identity = {
    'framescatter version': version,
    ...(await input.identity(source.bytes)),
    model: model.sha256,
    provider: options.provider,
    precision: options.precision,
    [ON_CPUS]: onCpus.precision,
    batch: batch,
    ...tiling.identity,
    ...(video === undefined
      ? {}
      : {
          container: video.container.name,
          codec: video.spec.codec,
          crf: video.spec.crf,
          preset: video.spec.preset,
          'pixel format': video.spec.pixelFormat,
          ...depthIdentity(wire),
          ...settingsIdentity(video.spec),
          ...chromaIdentity(wire),
          ...(pictures && { 'first picture': pictures.first }),
        }),
    ...furtherIdentity(video?.further ?? []),
    ...(table === undefined ? {} : tablesIdentity(table, loaded)),
    ...scalingIdentity(wire),
    'frames a segment': segmentFrames,
    tolerant: options.tolerant,
    // Absent unless requested.
    ...(options.video === undefined ? {} : { 'video stream': options.video }),
    ...(options.part === undefined ? {} : { part: partText(options.part) }),
    ...(options.audio.kind === 'keep' ? {} : { audio: audioText(options.audio) }),
    ...(options.subtitles === 'keep' ? {} : { subtitles: options.subtitles }),
    ...(sampling === undefined ? {} : { 'frames taken': samplingText(sampling) }),
    ...(source.video.interlaced === 'flagged' ? { deinterlaced: 'frames marked so' } : {}),
  };
  const published = made !== undefined && isSameJob(identity, made);
  if (inTheWay && !published) throw inTheWay;
  return {
    input,
    destination,
    published,
    labels: {
      contentType: output.kind === 'video' ? output.container.contentType : TABLE_TYPES[output.format],
      metadata: { ...input.metadata, model_sha256: model.sha256, framescatter_version: version },
    },
    ...{ source, wire, video, table, model, batch, share, batchReason, graph, memory },
    graphs: { fp32: graph.bytes, fp16: fp16.bytes, int8 },
    rate,
    segmentFrames,
    identity,
    notes: [
      ...model.notes,
      ...notes,
      ...unwritten,
      ...source.notes,
      ...wire.notes,
      ...(video === undefined ? [] : videoNotes(video, source)),
      ...graph.notes,
      ...tiling.notes,
      ...fp16.notes,
      ...fewRuns(source.video.frames, graph, machines.length),
    ],
  };
}

/** Checks that a file beside the output can be written. */
async function checkBeside(
  options: JobOptions,
  { name, location, destination, ...kind }: TableBeside | VideoBeside,
  others: readonly Pick<TableBeside, 'location'>[],
  input: Location,
): Promise<void> {
  try {
    // Of files `refuseSharedFiles` knows more.
    const isOutput = sameBlob(location, parseLocation(options.output));
    if (isOutput || others.some((other) => sameBlob(location, other.location))) {
      const own = 'container' in kind ? 'video' : 'table';
      const what = isOutput ? `the ${own} is the output` : `the ${own} is another file beside the output`;
      throw new JobError('output', `${what}: ${destination.display}`, {
        hint: `give another ${name === undefined ? '--table' : '--output'}`,
      });
    }
    await destination.check(input, options.overwrite);
  } catch (error) {
    if (!(error instanceof OutputExists) || !(await isPublishedBeside(options, destination))) throw error;
  }
}

async function videoOutput(
  output: OutputKind,
  pictures: PictureNames | undefined,
  spec: EncodeSpec | undefined,
  source: SourceFacts,
  storage: StorageContext,
  choices: StreamChoices,
  further: (container: Container) => Promise<readonly FurtherVideo[]>,
): Promise<VideoOutput | undefined> {
  if (output.kind !== 'video' || spec === undefined) return undefined;
  await refuseLackingFormat(spec);
  await tryEncoder(spec, storage.scratch.folder);
  const { container } = output;
  return {
    container,
    spec: await withHdr(spec, source.video),
    pictures,
    streams: pictures
      ? streamsBesidePictures(source)
      : await planStreams(source, container, spec.codec, storage.scratch.folder, choices),
    further: await further(container),
  };
}

/** Returns what of the tables must be equal for a run to reuse earlier work. */
function tablesIdentity({ plan, files }: TableOutput, { tables: [first] }: LoadedModel): Identity {
  const [one] = files;
  if (files.length === 1 && plan.tables[0]?.name === first?.name) return { table: one?.format ?? null };
  return { tables: plan.tables.map(({ name }, at) => `${name} as ${files[at]?.format}`).join(', ') };
}

function videoNotes(
  { spec, container, streams, pictures }: VideoOutput,
  { video }: SourceFacts,
): readonly string[] {
  if (pictures !== undefined) return [...imageNotes(spec), ...streams.notes];
  return [
    ...hdrNotes(spec, video),
    ...pixelFormatNotes(spec),
    ...tagNotes(spec, container),
    ...streams.notes,
  ];
}

/** Returns whether a job's rank here would run its model on a GPU. */
export function onGpu({ provider }: Pick<JobOptions, 'provider'>): boolean {
  return PROVIDERS[provider === 'auto' ? autoProvider(visibleGpus()) : provider].gainsFromBatches;
}

/**
 * Returns how frames of this format are encoded.
 *
 * @throws {JobError} output: when the codec takes none of their size.
 */
export function encodeSpec(
  options: Pick<JobOptions, 'codec' | 'crf' | 'bitrate' | 'encoderOptions' | 'preset'>,
  wire: WirePlan,
  output: FrameFormat,
  rate: EncodeSpec['rate'],
  segmentFrames: number,
): EncodeSpec {
  const { width, height, sample } = output;
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
    ...(options.bitrate === undefined ? {} : { bitrate: options.bitrate }),
    ...(options.encoderOptions.length === 0 ? {} : { settings: options.encoderOptions }),
    preset,
    pixelFormat: pixelFormat(output, preset),
    ...{ width, height, sample },
    rate,
    keyframeInterval: Math.min(MOST_KEYFRAME_INTERVAL, segmentFrames),
    matrix: wire.format.matrix,
    tags: wire.tags,
    sampleAspectRatio: wire.sampleAspectRatio,
    ...{ threads: 1, picturesAtOnce: 1 },
  };
}

function pixelFormatNotes(spec: EncodeSpec): readonly string[] {
  if (spec.pixelFormat === spec.sample.pixelFormats.plain) return [];
  const why =
    spec.width % 2 === 1 || spec.height % 2 === 1
      ? ` (${spec.width}x${spec.height} is odd, which ${spec.sample.subsampling} cannot hold)`
      : '';
  return [`the output is encoded as ${spec.pixelFormat}${why}`];
}
