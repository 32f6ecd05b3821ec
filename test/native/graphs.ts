import proto, { type onnx } from 'onnx-proto';

const { ModelProto, TensorProto } = proto.onnx;
const { UINT8, FLOAT } = TensorProto.DataType;

/** A dimension: a number, or a name where the graph leaves it open. */
export type Dimension = number | string;

export interface Tensor {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly Dimension[];
}

function valueInfo({ name, type, shape }: Tensor): onnx.IValueInfoProto {
  const dim = shape.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: type, shape: { dim } } } };
}

/** An ONNX file with these nodes. */
export function model(
  node: onnx.INodeProto[],
  input: readonly Tensor[],
  output: readonly Tensor[],
  initializer: onnx.ITensorProto[] = [],
): Uint8Array {
  const graph = {
    name: 'test',
    node,
    input: input.map(valueInfo),
    output: output.map(valueInfo),
    initializer,
  };
  return ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }).finish();
}

export const uint8 = (name: string, ...shape: Dimension[]): Tensor => ({ name, type: UINT8, shape });
export const float = (name: string, ...shape: Dimension[]): Tensor => ({ name, type: FLOAT, shape });

/** uint8 [frames, bytes] in, the same out. */
export function identity(frames: Dimension, bytes: number): Uint8Array {
  return model(
    [{ opType: 'Identity', input: ['x'], output: ['y'] }],
    [uint8('x', frames, bytes)],
    [uint8('y', frames, bytes)],
  );
}

/** uint8 [bytes] in, 255 minus each out. */
export function invert(bytes: number): Uint8Array {
  return model(
    [
      { opType: 'Cast', input: ['x'], output: ['xf'], attribute: [{ name: 'to', type: 2, i: FLOAT }] },
      { opType: 'Sub', input: ['c', 'xf'], output: ['yf'] },
      { opType: 'Cast', input: ['yf'], output: ['y'], attribute: [{ name: 'to', type: 2, i: UINT8 }] },
    ],
    [uint8('x', bytes)],
    [uint8('y', bytes)],
    [{ name: 'c', dims: [1], dataType: FLOAT, floatData: [255] }],
  );
}

/**
 * Two inputs: `picture` uint8 [rows, columns] and `gain` float [columns]. Three outputs: `turned` uint8, the
 * picture's transpose; `scaled` float, the picture times the gain; `best` int64 [rows], the column of the
 * largest of it.
 */
export function severalEnds(rows: number, columns: number): Uint8Array {
  return model(
    [
      {
        opType: 'Cast',
        input: ['picture'],
        output: ['real'],
        attribute: [{ name: 'to', type: 2, i: FLOAT }],
      },
      { opType: 'Mul', input: ['real', 'gain'], output: ['scaled'] },
      {
        opType: 'ArgMax',
        input: ['scaled'],
        output: ['best'],
        attribute: [
          { name: 'axis', type: 2, i: 1 },
          { name: 'keepdims', type: 2, i: 0 },
        ],
      },
      { opType: 'Transpose', input: ['picture'], output: ['turned'] },
    ],
    [uint8('picture', rows, columns), float('gain', columns)],
    [
      uint8('turned', columns, rows),
      float('scaled', rows, columns),
      { name: 'best', type: TensorProto.DataType.INT64, shape: [rows] },
    ],
  );
}

/** uint8 [64] in, the same out, by way of a tensor of so many bytes. */
export function tooLarge(bytes: number): Uint8Array {
  const reduce = [{ name: 'keepdims', type: 2, i: 0 }];
  return model(
    [
      { opType: 'ConstantOfShape', input: ['shape'], output: ['large'] },
      { opType: 'ReduceMax', input: ['large'], output: ['zero'], attribute: reduce },
      {
        opType: 'Cast',
        input: ['zero'],
        output: ['nothing'],
        attribute: [{ name: 'to', type: 2, i: UINT8 }],
      },
      { opType: 'Add', input: ['x', 'nothing'], output: ['y'] },
    ],
    [uint8('x', 64)],
    [uint8('y', 64)],
    [{ name: 'shape', dims: [1], dataType: TensorProto.DataType.INT64, int64Data: [bytes / 4] }],
  );
}

/**
 * A chain of `depth` matrix products of side `side`: as slow as a test wants it. uint8 [side, side] in and
 * out.
 */
export function slow(side: number, depth: number): Uint8Array {
  const node: onnx.INodeProto[] = [
    { opType: 'Cast', input: ['x'], output: ['m0'], attribute: [{ name: 'to', type: 2, i: FLOAT }] },
  ];
  for (let i = 0; i < depth; i += 1) {
    node.push({ opType: 'MatMul', input: [`m${i}`, 'm0'], output: [`p${i}`] });
    node.push({ opType: 'Clip', input: [`p${i}`, '', 'top'], output: [`m${i + 1}`] });
  }
  node.push({
    opType: 'Cast',
    input: [`m${depth}`],
    output: ['y'],
    attribute: [{ name: 'to', type: 2, i: UINT8 }],
  });
  return model(
    node,
    [uint8('x', side, side)],
    [uint8('y', side, side)],
    [{ name: 'top', dims: [], dataType: FLOAT, floatData: [1] }],
  );
}
