import { JobError } from '../../system/errors.js';
import { DataType, elementType, type GraphProto, type ValueInfoProto, valueDims } from '../graph/onnx.js';
import { axesOf, type SampleType, type TensorLayout } from '../ports/tensors.js';

/** The input or the output of a network, as its file declares it. */
export interface GraphEnd {
  readonly name: string;
  readonly type: SampleType;
  /** Four dimensions, undefined if dynamic; all undefined if the file does not even give their number. */
  readonly dims: readonly (number | undefined)[];
}

export interface GraphEnds {
  readonly input: GraphEnd;
  readonly output: GraphEnd;
}

const TYPES: ReadonlyMap<number | undefined, SampleType> = new Map([
  [DataType.float32, 'float32'],
  [DataType.float16, 'float16'],
  [DataType.uint8, 'uint8'],
]);

/**
 * Returns the only input and the only output of an image-to-image network. `names` select them if the file
 * has several outputs.
 *
 * @throws {JobError} model: when there is no such pair, or one is not an image of a supported type.
 */
export function graphEnds(
  graph: GraphProto,
  file: string,
  names: { readonly input?: string | undefined; readonly output?: string | undefined },
): GraphEnds {
  const constants = new Set((graph.initializer ?? []).map((one) => one.name));
  const inputs = (graph.input ?? []).filter((one) => !constants.has(one.name));
  const outputs = graph.output ?? [];
  const input = only(inputs, names.input, file, 'input');
  if (inputs.length > 1) {
    throw new JobError(
      'model',
      `"${file}" has ${inputs.length} inputs (${list(inputs)}); an image must be the only one`,
    );
  }
  const output = only(outputs, names.output, file, 'output');
  return { input: end(input, file, 'input'), output: end(output, file, 'output') };
}

function only(
  values: readonly ValueInfoProto[],
  name: string | undefined,
  file: string,
  what: string,
): ValueInfoProto {
  const found = name === undefined ? values : values.filter((one) => one.name === name);
  const [value] = found;
  if (value !== undefined && found.length === 1) return value;
  if (name !== undefined) {
    throw new JobError(
      'model',
      `"${file}" has no ${what} "${name}", which its manifest names; it has ${list(values)}`,
    );
  }
  throw new JobError(
    'model',
    `"${file}" has ${values.length} ${what}s (${list(values)}) where one was expected`,
    {
      hint: `name the one to use in a manifest, as ${what}.name`,
    },
  );
}

function list(values: readonly ValueInfoProto[]): string {
  return values.map((one) => `"${one.name}"`).join(', ') || 'none';
}

function end(value: ValueInfoProto, file: string, what: string): GraphEnd {
  const type = TYPES.get(elementType(value));
  if (type === undefined) {
    throw new JobError('model', `the ${what} of "${file}" is neither float32, float16 nor uint8`);
  }
  const dims = valueDims(value) ?? [undefined, undefined, undefined, undefined];
  if (dims.length !== 4) {
    throw new JobError(
      'model',
      `the ${what} of "${file}" has ${dims.length} dimensions; a batch of images has 4`,
    );
  }
  return { name: value.name ?? '', type, dims };
}

/**
 * Returns the only image size that a file allows, as its width and height dimensions; undefined if both are
 * dynamic.
 *
 * @throws {JobError} model: when only one of them is fixed.
 */
export function fixedSizeOf(
  { dims }: GraphEnd,
  layout: TensorLayout,
  file: string,
): { readonly width: number; readonly height: number } | undefined {
  const axes = axesOf(layout);
  const [height, width] = [dims[axes.height], dims[axes.width]];
  if (height === undefined && width === undefined) return undefined;
  if (height !== undefined && width !== undefined) return { width, height };
  throw new JobError('model', `"${file}" fixes the height or the width of its input, but not both`, {
    hint: 'export it with both dynamic, or both fixed',
  });
}
