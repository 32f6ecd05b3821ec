import { JobError } from '../../system/errors.js';
import type { Geometry } from '../../table/geometry.js';
import type { FrameFormat } from '../../video/formats/frame-format.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { countMacs } from '../graph/macs.js';
import type { GraphProto } from '../graph/onnx.js';
import { firstUnknownNode, inferShapes, type Shapes } from '../graph/shapes.js';
import { declaredEnds, endText } from '../ports/ends.js';
import { imagesOf, type SeveralFrames, severalText } from '../ports/several.js';
import { sourceDims } from '../ports/source.js';
import { type State, settleStates, startsAs } from '../ports/state.js';
import { axesOf, type SampleType } from '../ports/tensors.js';
import { stackedDims } from '../ports/window.js';
import type { LoadedModel } from './loaded-model.js';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The input of `compose`, and facts derived from it. */
export interface ComposePlan {
  readonly model: LoadedModel;
  readonly graph: GraphProto;
  readonly input: FrameFormat;
  readonly batch: number;
  /** Frames of the composed graph's input: the batch, and the halo of a window. */
  readonly frames: number;
  readonly opset: number;
  /** The frame with its padding: even sides. */
  readonly padded: Size;
}

export interface NetworkFacts {
  /** MACs of one run; undefined if the graph has operators with unknown shapes. */
  readonly macs: number | undefined;
  /** True if the output's size was inferred, and is right. */
  readonly verified: boolean;
  /** Shapes of the network's values, by their names in the file. */
  readonly shapes: Shapes;
}

/** A network with its conversions from and to blocks, as part of a composed graph. */
export interface ComposedNetwork extends NetworkFacts {
  /**
   * Float [batch, 6, h, w] at output size: coded levels times the strength, plus 0.5. Undefined if it gives
   * no picture.
   */
  readonly blocks: string | undefined;
  /** How pixels of its input lie in the frame. */
  readonly geometry: Geometry;
  /**
   * bool [batch, 1] or undefined: true for each frame with a picture of finite numbers only. See
   * `finiteCheck`.
   */
  readonly finite: string | undefined;
  /** The network as it is included in the composed graph. */
  readonly included: GraphProto;
  readonly notes: readonly string[];
}

/**
 * Infers the shapes of the network for an input of `inputDims`.
 *
 * @throws {JobError} model: when the output is known not to be `outputDims`.
 */
export function checkNetwork(
  plan: ComposePlan,
  inputDims: readonly number[],
  output: string,
  outputDims: readonly number[],
): NetworkFacts {
  return checkOutput(plan, networkShapes(plan, inputDims), inputDims, output, outputDims, plan.model.several);
}

/**
 * Compares an output of the network, whose shapes are known for an input of `inputDims`, with what it should
 * be. `several`: how it gives several frames, if it does.
 *
 * @throws {JobError} model: when the output is known not to be `outputDims`.
 */
export function checkOutput(
  { model }: ComposePlan,
  shapes: Shapes,
  inputDims: readonly number[],
  output: string,
  outputDims: readonly number[],
  several: SeveralFrames | undefined,
): NetworkFacts {
  const found = shapes.of(output)?.dims;
  const dims = found && imagesOf(several, found);
  if (found !== undefined && dims?.join() !== outputDims.join()) {
    throw new JobError(
      'model',
      `the network in "${model.file}" gives [${found.join(', ')}] for an input of [${inputDims.join(', ')}], ` +
        `where [${outputDims.join(', ')}] was expected${several ? `, in ${severalText(several)}` : ''}`,
      {
        hint:
          'check scale, multiple, layout and channels in its manifest, or --model-scale, --model-multiple, ' +
          '--model-layout and --model-channels',
      },
    );
  }
  return { macs: countMacs(shapes), verified: dims !== undefined, shapes };
}

/** Follows images of `dims` through the network. */
export function networkShapes(plan: ComposePlan, dims: readonly number[]): Shapes {
  const { model, graph, opset } = plan;
  const layout = model.io.io === 'i420' ? 'nchw' : model.io.input.layout;
  const { name } = model.io.input;
  const all = new Map([
    ...model.feeds.map((feed) => [feed.name, stackedDims(feed, dims, layout)] as const),
    ...sourceDims(model.sources, dims[0] ?? 1, plan.padded),
  ]);
  const axes = axesOf(layout);
  const size = { width: dims[axes.width] ?? 1, height: dims[axes.height] ?? 1 };
  const { shapes, open } = settleStates(
    model.recurrence?.states ?? [],
    { batch: dims[0] ?? 1, ...size, layout },
    (states) => inferShapes(graph, opset, name, all.get(name) ?? dims, new Map([...all, ...states])),
  );
  if (open !== undefined) throw openState(open, shapes, model.file);
  for (const state of model.recurrence?.states ?? []) refuseMisfit(state, shapes, plan, dims[0] ?? 1);
  return shapes;
}

/** Refuses a first value of another shape than its state's, or of several frames. */
function refuseMisfit(state: State, shapes: Shapes, { model, graph }: ComposePlan, batch: number): void {
  const { initial } = state;
  const { dims = [] } = shapes.of(state.input) ?? {};
  const ofFrames = declaredEnds(graph).inputs.find(({ name }) => name === model.io.input.name)?.dims?.[0];
  const isOfBatch = typeof ofFrames === 'string' && initial.dims?.[0] === ofFrames;
  if (startsAs(state, dims) && (!isOfBatch || dims[0] === batch)) return;
  const own = initial.value.kind === 'tensor' ? initial.value.dims : [];
  const goes = isOfBatch ? [batch, ...dims.slice(1)] : dims;
  throw new JobError(
    'model',
    `the state ${endText(initial)} of "${model.file}" begins as [${own.join(', ')}], and goes on as [${goes.join(', ')}]`,
    { hint: 'give its manifest a "value" or "npy" of that shape, or with 1 in place of some of its sizes' },
  );
}

/** Returns the error for a state that does not come out as it goes in. */
function openState({ input, output, initial }: State, shapes: Shapes, file: string): JobError {
  const found = (name: string): string => {
    const dims = shapes.of(name)?.dims;
    const lost = dims === undefined ? firstUnknownNode(shapes, name)?.opType : undefined;
    const why = lost === undefined ? '' : ` (its operator ${lost} is not supported for this)`;
    return dims === undefined ? `a size that is not known before it runs${why}` : `[${dims.join(', ')}]`;
  };
  return new JobError(
    'model',
    `the state ${endText(initial)} of "${file}" goes in as ${found(input)}, and its output "${output}" has ${found(output)}`,
    {
      hint:
        initial.value.kind === 'tensor'
          ? 'correct "npy" or "value" in its manifest, whose shape goes in first'
          : 'correct "from" in its manifest, or export the model so that a state has one fixed shape',
    },
  );
}

/**
 * Adds a Reshape if the output's size is unknown: it fails in the dry run if the number of elements is wrong.
 */
export function guardSize(
  builder: GraphBuilder,
  output: string,
  dims: readonly number[],
  facts: NetworkFacts,
): string {
  return facts.verified ? output : builder.reshape(output, dims);
}

/** Converts float32 to the type that a network reads. */
export function toSampleType(builder: GraphBuilder, x: string, type: SampleType): string {
  return type === 'float32' ? x : builder.cast(x, type);
}

export function fromSampleType(builder: GraphBuilder, x: string, type: SampleType): string {
  return type === 'float32' ? x : builder.cast(x, 'float32');
}
