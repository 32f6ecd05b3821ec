/** Composes the models of a preview with its frames: the graphs of a job. */
import { type ComposedGraph, compose } from '../../model/compose/compose.js';
import { composePicture } from '../../model/compose/picture-graph.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { Size } from '../../model/load/network.js';
import { haloOf } from '../../model/ports/window.js';
import { fp16Graph, int8Graph, type SessionGraphs } from '../../model/session/precision.js';
import type { World } from '../../mpi/world.js';
import { UnusablePicture } from '../../pictures/decode.js';
import type { RgbPicture } from '../../pictures/raster.js';
import type { PipelineShape } from '../../pipeline/pipeline.js';
import { JobError } from '../../system/errors.js';
import type { FrameFormat } from '../../video/formats/frame-format.js';
import { rgbOfFrame } from '../../video/frames/rgb-frame.js';
import { turnedSize, turnFrame } from '../../video/frames/turn-frame.js';
import type { RunContext } from '../context/context.js';
import type { RankMachine } from '../context/machine.js';
import { pipelineShape } from '../job.js';
import { PICTURE_BITS, refuseLackOfMemory } from '../pictures/picture-sessions.js';
import { batchFor, fewerFrames, shareFor } from '../prepare/batch.js';
import { refuseLargeBuffers } from '../prepare/buffer-limits.js';
import { cpuPrecision } from '../prepare/cpu-precision.js';
import { mainPicture } from '../prepare/further-videos.js';
import { planMemory } from '../prepare/memory-plan.js';
import { onGpu } from '../prepare/prepare.js';
import type { Needs } from './moments.js';
import type { PreviewedPicture, PreviewedVideo, PreviewInput } from './preview-input.js';
import type { PreviewOptions } from './preview-options.js';
import type { Variant } from './variants.js';

/** A model that is ready to run on the frames. */
export interface ComposedVariant {
  readonly variant: Variant;
  readonly shape: PipelineShape;
  readonly graphs: SessionGraphs;
  /** The ranks that run it on grey before the first frame. */
  readonly dryRuns: readonly boolean[];
  readonly needs: Needs;
  /** Size of its output over that of a frame. */
  readonly scale: number;
  /** Format of the frames that it gives; undefined for pictures, whose samples are RGB. */
  readonly output: FrameFormat | undefined;
  /** Returns a row of the result as players show it. */
  show(row: Uint8Array): RgbPicture;
  readonly notes: readonly string[];
}

/** Each frame for itself. */
const ALONE: Needs = { reach: 0, every: undefined };

/**
 * Composes a model with the frames of the input.
 *
 * @throws {JobError} model: when it gives no image, or cannot take such frames.
 * @throws {JobError} limit: when the hosts lack the memory.
 */
export function composeVariant(
  variant: Variant,
  loaded: LoadedModel,
  input: PreviewInput,
  options: PreviewOptions,
  { world, machines = [] }: Pick<RunContext, 'world' | 'machines'>,
): ComposedVariant {
  if (loaded.io.io === 'table') {
    throw new JobError('model', `"${loaded.file}" gives a table and no image, so there is nothing to show`, {
      hint: 'run it as a job with a table as OUTPUT; --every and --fps take fewer frames',
    });
  }
  const model = { ...mainPicture(loaded), tables: [] };
  const made =
    input.kind === 'video'
      ? withFrames(model, input, options, machines)
      : withPicture(model, input.picture.size, options);
  const onCpus = cpuPrecision(model, options, machines, undefined);
  const bits = input.kind === 'video' ? input.wire.format.sample.bits : PICTURE_BITS;
  const fp16 = fp16Graph(made.graph, bits, model, options);
  const int8 = onCpus.precision === 'int8' ? int8Graph(made.graph, model) : undefined;
  if (input.kind === 'picture' && !onGpu(options)) refuseHugePicture(made.graph, input, world);
  if (input.kind === 'video') refuseLack(model, input, made, options, onCpus.precision, machines);
  // What fails on a GPU falls back to the CPU only before the first frame.
  const isTried = !made.verified || machines.some(({ gpus }) => gpus > 0);
  return {
    ...{ variant, shape: made.shape, needs: made.needs, scale: model.scale, output: made.output },
    graphs: { fp32: made.graph.bytes, fp16: fp16.bytes, int8 },
    dryRuns: machines.map(() => isTried),
    show: made.show,
    notes: [
      ...[...model.notes, ...made.notes, ...fp16.notes],
      ...(onCpus.warning === undefined ? [] : [onCpus.warning]),
    ],
  };
}

/** Returns the frame of a video, or the picture, as players show it. */
export function shownSource(input: PreviewInput, frame: Uint8Array): RgbPicture {
  if (input.kind === 'picture') return { ...input.picture.size, samples: frame };
  return uprightPicture(frame, input.wire.format, input.source.video.displayMatrix);
}

/** Returns the size of the source's frames as players show them: with square pixels, and upright. */
export function shownSize(input: PreviewInput): Size {
  if (input.kind === 'picture') return input.picture.size;
  const { format, sampleAspectRatio: aspect } = input.wire;
  const { num, den } = aspect ?? { num: 1, den: 1 };
  const wide = Math.max(1, Math.round((format.width * num) / den));
  return turnedSize({ width: wide, height: format.height }, input.source.video.displayMatrix);
}

type Made = Pick<ComposedVariant, 'shape' | 'needs' | 'output' | 'show' | 'notes'> & {
  readonly graph: Pick<ComposedGraph, 'bytes' | 'inputBytes' | 'rowBytes'> & { readonly stateBytes?: number };
  readonly verified: boolean;
};

function withFrames(
  model: LoadedModel,
  { wire, source }: PreviewedVideo,
  options: PreviewOptions,
  machines: readonly RankMachine[],
): Made {
  const { frames: batch } = batchFor('auto', model, wire.format, onGpu(options));
  const graph = compose(model, wire.format, batch);
  const { output, window, every, chunk, outputBytes } = graph;
  if (output === undefined) throw new JobError('internal', `"${model.file}" gives no frames`);
  const share = shareFor(batch, window, every);
  refuseLargeBuffers({ batch: share + haloOf(window), graph, fewer: fewerFrames(model) }, machines.length);
  const { before = 0, after = 0 } = window ?? {};
  return {
    shape: pipelineShape(options, { batch, share, graph }),
    needs: {
      reach: Math.max(before, after, (chunk?.frames ?? 1) - 1),
      every,
      ...(chunk === undefined ? {} : { chunk: chunk.frames }),
    },
    output,
    show: (row) => uprightPicture(row.subarray(0, outputBytes), output, source.video.displayMatrix),
    notes: graph.notes,
    graph,
    verified: graph.verified,
  };
}

function withPicture(
  model: LoadedModel,
  size: PreviewedPicture['picture']['size'],
  options: PreviewOptions,
): Made {
  const batch = model.fixedBatch ?? 1;
  const graph = composePicture(model, size, batch);
  const { output, inputBytes, rowBytes } = graph;
  if (output === undefined) throw new JobError('internal', `"${model.file}" gives no picture`);
  return {
    shape: { batch, share: batch, schedule: options.schedule, frameBytes: inputBytes, styledBytes: rowBytes },
    needs: ALONE,
    output: undefined,
    show: (row) => ({ ...output, samples: row.slice(0, -1) }),
    notes: [],
    graph,
    verified: false,
  };
}

function refuseHugePicture(graph: Made['graph'], { picture }: PreviewedPicture, world: World): void {
  try {
    refuseLackOfMemory({ bytes: graph.bytes, input: picture.size, batch: 1 }, world);
  } catch (error) {
    if (error instanceof UnusablePicture) throw new JobError('limit', error.message, { cause: error });
    throw error;
  }
}

function refuseLack(
  model: LoadedModel,
  { source, wire }: PreviewedVideo,
  { graph, shape }: Made,
  options: PreviewOptions,
  onCpus: 'fp32' | 'int8',
  machines: readonly RankMachine[],
): void {
  const batch = shape.share + haloOf(shape.window);
  planMemory({
    ...{ options, source, model, batch, onCpus, machines },
    graph: { input: wire.format, stateBytes: 0, ...graph, further: [] },
    spec: undefined,
    segmentFrames: 1,
  }).refuseLack('frames');
}

function uprightPicture(
  frame: Uint8Array,
  format: FrameFormat,
  matrix: readonly number[] | undefined,
): RgbPicture {
  const upright = turnFrame(frame, format, matrix);
  const { width, height } = upright.format;
  return { width, height, samples: rgbOfFrame(upright.frame, upright.format) };
}
