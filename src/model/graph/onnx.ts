import onnxProto, { type onnx as types } from 'onnx-proto';

// The only importer of onnx-proto (ONNX IR version 8; later fields of functions are dropped: see
// functions.ts).
const { onnx } = onnxProto;

export type ModelProto = types.ModelProto;
export type GraphProto = types.IGraphProto;
export type NodeProto = types.INodeProto;
export type AttributeProto = types.IAttributeProto;
export type TensorProto = types.ITensorProto;
export type ValueInfoProto = types.IValueInfoProto;
export type ModelFields = types.IModelProto;

/** TensorProto.DataType: the types used here. */
export const DataType = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int32: 6,
  int64: 7,
  float16: 10,
  float64: 11,
  bool: 9,
} as const;
export const AttributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  graphs: 10,
} as const;
/** TensorProto.DataLocation.EXTERNAL: the numbers lie in another file. */
export const EXTERNAL = 1;

/**
 * Decodes a model.
 *
 * @throws {Error} when `bytes` are not a ModelProto.
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return onnx.ModelProto.decode(bytes);
}

export function encodeModel(model: ModelFields): Uint8Array {
  return onnx.ModelProto.encode(model).finish();
}

/**
 * Returns an int64 field as a number. Above 2^53 it loses digits; no dimension or attribute here is that
 * large.
 */
export function toNumber(value: number | { toNumber(): number } | null | undefined): number {
  if (value === null || value === undefined) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}

/** Returns the version of a model's default operator set. */
export function opsetOf(model: ModelProto): number | undefined {
  const entry = model.opsetImport.find((one) => !one.domain || one.domain === 'ai.onnx');
  return entry && toNumber(entry.version);
}

export function dimsOf(tensor: TensorProto): number[] {
  return (tensor.dims ?? []).map(toNumber);
}

/** Returns the number of elements of a tensor; 1 for a scalar. */
export function elements(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/**
 * Returns the dimensions of a value, each undefined if dynamic; undefined altogether if the rank is unknown.
 */
export function valueDims(value: ValueInfoProto): (number | undefined)[] | undefined {
  const dims = value.type?.tensorType?.shape?.dim;
  return dims?.map((dim) => {
    const size = toNumber(dim.dimValue);
    return size > 0 ? size : undefined;
  });
}

export function elementType(value: ValueInfoProto): number | undefined {
  return value.type?.tensorType?.elemType ?? undefined;
}

export function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute?.find((one) => one.name === name);
}

export function intAttribute(node: NodeProto, name: string, fallback: number): number {
  const found = attribute(node, name);
  return found === undefined ? fallback : toNumber(found.i);
}

export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return attribute(node, name)?.ints?.map(toNumber);
}

export function stringAttribute(node: NodeProto, name: string, fallback: string): string {
  const found = attribute(node, name)?.s;
  return found === undefined || found === null ? fallback : Buffer.from(found).toString('utf8');
}

export function float32Tensor(name: string, dims: readonly number[], values: ArrayLike<number>): TensorProto {
  const data = Float32Array.from(values);
  return { name, dataType: DataType.float32, dims: [...dims], rawData: new Uint8Array(data.buffer) };
}

export function int64Tensor(name: string, dims: readonly number[], values: readonly number[]): TensorProto {
  const data = BigInt64Array.from(values, BigInt);
  return { name, dataType: DataType.int64, dims: [...dims], rawData: new Uint8Array(data.buffer) };
}

/** Returns the values of a float32 tensor; undefined if it has another type or is malformed. */
export function float32Values(tensor: TensorProto): Float32Array | undefined {
  if (tensor.dataType !== DataType.float32) return undefined;
  const count = elements(dimsOf(tensor));
  const raw = tensor.rawData;
  if (raw === null || raw === undefined || raw.length === 0) {
    const data = tensor.floatData ?? [];
    return data.length === count ? Float32Array.from(data) : undefined;
  }
  // ONNX stores raw numbers in little endian, like the supported machines; the copy is aligned.
  return raw.length === 4 * count ? new Float32Array(new Uint8Array(raw).buffer) : undefined;
}

/** Returns the values of an int64 or int32 tensor; undefined if it has another type or is malformed. */
export function intValues(tensor: TensorProto): number[] | undefined {
  const count = elements(dimsOf(tensor));
  const raw = tensor.rawData;
  const stored = raw !== null && raw !== undefined && raw.length > 0;
  let values: number[] | undefined;
  if (tensor.dataType === DataType.int64) {
    values = stored ? wholeInts(raw, 8) : (tensor.int64Data ?? []).map(toNumber);
  } else if (tensor.dataType === DataType.int32) {
    values = stored ? wholeInts(raw, 4) : [...(tensor.int32Data ?? [])];
  }
  return values?.length === count ? values : undefined;
}

function wholeInts(raw: Uint8Array, bytes: 4 | 8): number[] {
  if (raw.length % bytes !== 0) return [];
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  return Array.from({ length: raw.length / bytes }, (_, at) =>
    bytes === 8 ? Number(view.getBigInt64(8 * at, true)) : view.getInt32(4 * at, true),
  );
}

/** Visits every graph: `graph` itself, and those inside its nodes' attributes (bodies of If, Loop, Scan). */
export function walkGraphs(graph: GraphProto, visit: (graph: GraphProto) => void): void {
  visit(graph);
  for (const node of graph.node ?? []) {
    for (const one of node.attribute ?? []) {
      if (one.g) walkGraphs(one.g, visit);
      for (const inner of one.graphs ?? []) walkGraphs(inner, visit);
    }
  }
}
