import { JobError } from '../../system/errors.js';
import {
  AttributeType,
  DataType,
  type GraphProto,
  int64Tensor,
  type NodeProto,
  type TensorProto,
} from '../graph/onnx.js';
import type { Constant } from './constants.js';
import { endText } from './ends.js';
import { axesOf, type TensorLayout } from './tensors.js';

/** The frames of one run as the network sees them. */
export interface RunSize {
  readonly batch: number;
  readonly width: number;
  readonly height: number;
  readonly layout: TensorLayout;
}

/**
 * Returns the graph with its constants as initializers in place of inputs. A constant whose first dimension
 * is dynamic is repeated for each frame of the batch. A single number fills the whole tensor; where that has
 * four dimensions, dynamic height and width are those of the frames.
 *
 * @throws {JobError} model: when a single number has to fill another dynamic dimension.
 */
export function withConstants(graph: GraphProto, constants: readonly Constant[], run: RunSize): GraphProto {
  if (constants.length === 0) return graph;
  const names = new Set(constants.map(({ name }) => name));
  const made = constants.map((one) => constantValue(one, run));
  return {
    ...graph,
    input: (graph.input ?? []).filter((one) => !names.has(one.name ?? '')),
    node: [...made.flatMap(({ nodes }) => nodes), ...(graph.node ?? [])],
    initializer: [...(graph.initializer ?? []), ...made.flatMap(({ tensors }) => tensors)],
  };
}

interface Made {
  readonly nodes: readonly NodeProto[];
  readonly tensors: readonly TensorProto[];
}

function constantValue(constant: Constant, run: RunSize): Made {
  const { name, type, value } = constant;
  const dataType = DataType[type];
  const shapeName = `${name}/shape`;
  if (value.kind === 'fill') {
    const t = { dataType, dims: [1], rawData: value.data };
    const attribute = [{ name: 'value', type: AttributeType.tensor, t }];
    return {
      nodes: [{ opType: 'ConstantOfShape', name, input: [shapeName], output: [name], attribute }],
      tensors: [shapeTensor(shapeName, filledDims(constant, run))],
    };
  }
  const isRepeated = typeof constant.dims?.[0] === 'string' && value.dims[0] === 1 && run.batch > 1;
  if (!isRepeated)
    return { nodes: [], tensors: [{ name, dataType, dims: [...value.dims], rawData: value.data }] };
  const one = `${name}/one`;
  return {
    nodes: [{ opType: 'Expand', name, input: [one, shapeName], output: [name] }],
    tensors: [
      { name: one, dataType, dims: [...value.dims], rawData: value.data },
      shapeTensor(shapeName, [run.batch, ...value.dims.slice(1)]),
    ],
  };
}

function shapeTensor(name: string, dims: readonly number[]): TensorProto {
  return int64Tensor(name, [dims.length], dims);
}

function filledDims({ name, type, dims = [] }: Constant, run: RunSize): readonly number[] {
  const axes = axesOf(run.layout);
  return dims.map((dim, at) => {
    if (typeof dim === 'number') return dim;
    if (at === 0) return run.batch;
    if (dims.length === 4 && at === axes.height) return run.height;
    if (dims.length === 4 && at === axes.width) return run.width;
    throw new JobError(
      'model',
      `one number cannot fill ${endText({ name, type, dims })}: its shape is open`,
      {
        hint: `give a .npy file of the shape it should have`,
      },
    );
  });
}
