import { JobError } from '../../system/errors.js';
import type { FrameFormat } from '../../video/formats/frame-format.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { countMacs } from '../graph/macs.js';
import type { GraphProto } from '../graph/onnx.js';
import { inferShapes, type Shapes } from '../graph/shapes.js';
import type { LoadedModel } from './loaded-model.js';
import type { SampleType } from './manifest.js';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What is being composed. */
export interface ComposePlan {
  readonly model: LoadedModel;
  readonly graph: GraphProto;
  readonly input: FrameFormat;
  readonly batch: number;
  readonly opset: number;
  /** The frame with its padding: even sides. */
  readonly padded: Size;
}

export interface NetworkFacts {
  /** Multiply-adds of one run; undefined where the graph has operators whose sizes cannot be worked out. */
  readonly macs: number | undefined;
  /** Whether the output's size could be worked out (and then it is right). */
  readonly verified: boolean;
  /** Of the network's own values, by their names in the file. */
  readonly shapes: Shapes;
}

/** What one kind of model makes of the blocks. */
export interface ComposedNetwork extends NetworkFacts {
  /** Float [batch, 6, h, w] at output size: coded levels times the strength, plus 0.5. */
  readonly blocks: string;
  /** uint8 [batch, 1]: 1 for each frame for which the network gave finite numbers only, else 0. See `finiteCheck`. */
  readonly finite: string;
  readonly notes: readonly string[];
}

/**
 * Works out what the network gives for an input of `inputDims`.
 *
 * @throws {JobError} model: when that is known not to be `outputDims`.
 */
export function checkNetwork(
  plan: ComposePlan,
  inputDims: readonly number[],
  outputDims: readonly number[],
): NetworkFacts {
  const { model, graph, opset } = plan;
  const shapes = inferShapes(graph, opset, model.io.input.name, inputDims);
  const dims = shapes.of(model.io.output.name)?.dims;
  if (dims !== undefined && dims.join() !== outputDims.join()) {
    throw new JobError(
      'model',
      `the network in "${model.file}" gives [${dims.join(', ')}] for an input of [${inputDims.join(', ')}], ` +
        `where [${outputDims.join(', ')}] was expected`,
      {
        hint: 'Check scale, multiple, layout and channels: in its manifest, or with --model-scale, --model-multiple and so on.',
      },
    );
  }
  return { macs: countMacs(shapes), verified: dims !== undefined, shapes };
}

/** A dry run trips over this where the size could not be worked out: it takes no other number of elements. */
export function guardSize(
  builder: GraphBuilder,
  output: string,
  dims: readonly number[],
  facts: NetworkFacts,
): string {
  return facts.verified ? output : builder.reshape(output, dims);
}

/** Float32 to what a network reads. */
export function toSampleType(builder: GraphBuilder, x: string, type: SampleType): string {
  return type === 'float32' ? x : builder.cast(x, type);
}

export function fromSampleType(builder: GraphBuilder, x: string, type: SampleType): string {
  return type === 'float32' ? x : builder.cast(x, 'float32');
}
