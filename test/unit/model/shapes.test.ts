import t from 'tap';
import { countMacs } from '../../../src/model/graph/macs.js';
import { decodeModel } from '../../../src/model/graph/onnx.js';
import { inferShapes } from '../../../src/model/graph/shapes.js';
import { floats, integers, type ModelSpec, modelBytes, node } from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';

const PICTURES = ['N', 'C', 'H', 'W'];
const zeros = (name: string, dims: readonly number[]) =>
  floats(name, dims, new Array(dims.reduce((product, dim) => product * dim, 1)).fill(0));

interface Case {
  readonly nodes: ModelSpec['nodes'];
  readonly initializers?: ModelSpec['initializers'];
  readonly opset?: number;
  readonly dims?: readonly number[];
  /** Rank of the result; 4 unless said. */
  readonly rank?: number;
}

const one = (opType: string, inputs: readonly string[], attributes = {}) => [
  node(opType, ['input', ...inputs], 'output', attributes),
];
const kernel = [zeros('w', [5, 6, 3, 3])];
const turned = [zeros('w', [6, 5, 4, 4])];

const CASES: Readonly<Record<string, Case>> = {
  'Conv valid': { nodes: one('Conv', ['w']), initializers: kernel },
  'Conv padded, strided': {
    nodes: one('Conv', ['w'], { pads: [1, 0, 2, 1], strides: [2, 3] }),
    initializers: kernel,
  },
  'Conv dilated': { nodes: one('Conv', ['w'], { dilations: [2, 3] }), initializers: kernel },
  'Conv same': {
    nodes: one('Conv', ['w'], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
    initializers: kernel,
  },
  'Conv grouped': { nodes: one('Conv', ['w'], { group: 3 }), initializers: [zeros('w', [9, 2, 3, 3])] },
  ConvTranspose: {
    nodes: one('ConvTranspose', ['w'], { strides: [2, 2], pads: [1, 1, 1, 1] }),
    initializers: turned,
  },
  'ConvTranspose output padding': {
    nodes: one('ConvTranspose', ['w'], { strides: [3, 2], output_padding: [1, 1], dilations: [2, 1] }),
    initializers: turned,
  },
  'ConvTranspose same': {
    nodes: one('ConvTranspose', ['w'], { auto_pad: 'SAME_LOWER', strides: [2, 2] }),
    initializers: turned,
  },
  'MaxPool ceil': { nodes: one('MaxPool', [], { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 }) },
  AveragePool: {
    nodes: one('AveragePool', [], { kernel_shape: [2, 2], strides: [2, 2], pads: [1, 1, 0, 0] }),
  },
  GlobalAveragePool: { nodes: one('GlobalAveragePool', []) },
  'Pad reflect': {
    nodes: one('Pad', ['p'], { mode: 'reflect' }),
    initializers: [integers('p', [0, 0, 1, 2, 0, 0, 3, 4])],
  },
  'Pad old': { nodes: one('Pad', [], { pads: [0, 0, 1, 2, 0, 0, 3, 4] }), opset: 10 },
  'Resize scales': {
    nodes: one('Resize', ['', 's'], { mode: 'nearest' }),
    initializers: [floats('s', [4], [1, 1, 1.5, 2.4])],
  },
  'Resize sizes': {
    nodes: one('Resize', ['', '', 's'], { mode: 'linear' }),
    initializers: [integers('s', [2, 6, 31, 7])],
  },
  'Resize old': { nodes: one('Resize', ['s']), initializers: [floats('s', [4], [1, 1, 2, 3])], opset: 10 },
  'Upsample old': { nodes: one('Upsample', ['s']), initializers: [floats('s', [4], [1, 1, 2, 2])], opset: 9 },
  DepthToSpace: { nodes: one('DepthToSpace', [], { blocksize: 2 }), dims: [1, 12, 4, 5] },
  SpaceToDepth: { nodes: one('SpaceToDepth', [], { blocksize: 2 }), dims: [1, 3, 4, 6] },
  Transpose: { nodes: one('Transpose', [], { perm: [0, 3, 1, 2] }) },
  Concat: { nodes: [node('Concat', ['input', 'input', 'input'], 'output', { axis: -3 })] },
  'Slice backwards': {
    nodes: one('Slice', ['from', 'to', 'axes', 'steps']),
    initializers: [
      integers('from', [-1, 3]),
      integers('to', [-1000, 9]),
      integers('axes', [2, -1]),
      integers('steps', [-2, 2]),
    ],
  },
  'Slice old': { nodes: one('Slice', [], { starts: [1, -4], ends: [100, -1], axes: [2, 3] }), opset: 9 },
  'Add broadcast': { nodes: one('Add', ['w']), initializers: [zeros('w', [6, 1, 1])] },
  PRelu: { nodes: one('PRelu', ['w']), initializers: [zeros('w', [6, 1, 1])] },
  'Reshape with 0 and -1': {
    nodes: one('Reshape', ['s']),
    initializers: [integers('s', [0, 2, -1])],
    rank: 3,
  },
  Flatten: { nodes: one('Flatten', [], { axis: 2 }), rank: 2 },
  'Unsqueeze, Squeeze': {
    nodes: [node('Unsqueeze', ['input', 'at'], 'long'), node('Squeeze', ['long', 'first'], 'output')],
    initializers: [integers('at', [0, -1]), integers('first', [0])],
    rank: 5,
  },
  'Squeeze old': { nodes: one('Squeeze', [], { axes: [0] }), dims: [1, 6, 8, 9], opset: 11, rank: 3 },
  ReduceMean: { nodes: one('ReduceMean', [], { axes: [-1, 2], keepdims: 1 }) },
  'ReduceMax to fewer': { nodes: one('ReduceMax', [], { axes: [1], keepdims: 0 }), rank: 3 },
  Expand: { nodes: one('Expand', ['s']), initializers: [integers('s', [3, 1, 1, 1, 1])], rank: 5 },
  Tile: { nodes: one('Tile', ['s']), initializers: [integers('s', [1, 1, 2, 3])] },
  MatMul: { nodes: one('MatMul', ['w']), initializers: [zeros('w', [21, 4])] },
  'a size computed as exporters do': {
    nodes: [
      node('Shape', ['input'], 'shape'),
      node('Gather', ['shape', 'two'], 'height', { axis: 0 }),
      node('Gather', ['shape', 'three'], 'width', { axis: 0 }),
      node('Mul', ['height', 'two'], 'h2'),
      node('Div', ['width', 'two'], 'w2'),
      node('Unsqueeze', ['h2', 'zero'], 'h3'),
      node('Unsqueeze', ['w2', 'zero'], 'w3'),
      node('Slice', ['shape', 'zero', 'end'], 'front'),
      node('Concat', ['front', 'h3', 'w3'], 'sizes', { axis: 0 }),
      node('Cast', ['sizes'], 'whole', { to: 7 }),
      node('Resize', ['input', '', '', 'whole'], 'output', { mode: 'nearest' }),
    ],
    initializers: [
      { ...integers('two', [2]), dims: [] },
      { ...integers('three', [3]), dims: [] },
      integers('zero', [0]),
      integers('end', [2]),
    ],
  },
};

t.test('inferred shapes are those that ONNX Runtime arrives at', async (t) => {
  for (const [
    name,
    { nodes, initializers = [], opset = 17, dims = [2, 6, 17, 21], rank = 4 },
  ] of Object.entries(CASES)) {
    const output = { dims: Array.from({ length: rank }, (_, at) => `d${at}`) };
    const bytes = modelBytes({ nodes, initializers, input: { dims: PICTURES }, output, opset });
    const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
    const size = dims.reduce((product, dim) => product * dim, 1);
    const results = await session.run({ input: new ort.Tensor('float32', new Float32Array(size), dims) });
    await session.release();
    const shapes = inferShapes(decodeModel(bytes).graph ?? {}, opset, 'input', dims);
    t.same(shapes.of('output')?.dims, results.output?.dims, name);
  }
});

t.test('Split and Gemm', async (t) => {
  const split = node('Split', ['input', 'sizes'], 'a', { axis: 1 });
  split.output = ['a', 'b'];
  const nodes = [
    split,
    node('GlobalMaxPool', ['b'], 'c'),
    node('Flatten', ['c'], 'd'),
    node('Gemm', ['d', 'w'], 'output', { transB: 1 }),
  ];
  const initializers = [integers('sizes', [2, 4]), zeros('w', [5, 4])];
  const bytes = modelBytes({ nodes, initializers, input: { dims: PICTURES }, output: { dims: ['N', 5] } });
  const shapes = inferShapes(decodeModel(bytes).graph ?? {}, 17, 'input', [3, 6, 8, 8]);
  t.same(shapes.of('a')?.dims, [3, 2, 8, 8]);
  t.same(shapes.of('output')?.dims, [3, 5]);
  t.equal(countMacs(shapes), 3 * 5 * 4);
});

t.test('Split into parts that are not equal: the last has the rest', async (t) => {
  const split = node('Split', ['input'], 'first', { axis: 3, num_outputs: 3 });
  split.output = ['first', 'middle', 'output'];
  const nodes = [split];
  const bytes = modelBytes({ nodes, input: { dims: PICTURES }, output: { dims: PICTURES }, opset: 18 });
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const results = await session.run({
    input: new ort.Tensor('float32', new Float32Array(20), [1, 1, 2, 10]),
  });
  await session.release();
  const graph = decodeModel(bytes).graph ?? {};
  const shapes = inferShapes(graph, 18, 'input', [1, 1, 2, 10]);
  t.same(shapes.of('first')?.dims, [1, 1, 2, 4]);
  t.same(shapes.of('output')?.dims, results.output?.dims);
  t.equal(
    inferShapes(graph, 17, 'input', [1, 1, 2, 10]).of('output'),
    undefined,
    'before, they had to be equal',
  );
});

t.test('what depends on sizes alone is computed once', async (t) => {
  const scalar = (name: string, value: number) => ({ ...integers(name, [value]), dims: [] });
  const nodes = [
    node('Shape', ['input'], 'shape'),
    node('Gather', ['shape', 'axis'], 'count', { axis: 0 }),
    node('Range', ['first', 'count', 'step'], 'places'),
    node('Mod', ['places', 'period'], 'wrapped'),
    node('Gather', ['field', 'wrapped'], 'window', { axis: 3 }),
    node('Conv', ['window', 'w'], 'fixed'),
    node('Conv', ['input', 'w'], 'moving'),
    node('Add', ['moving', 'fixed'], 'output'),
  ];
  const initializers = [
    ...[scalar('axis', 3), scalar('first', -1), scalar('step', 2), scalar('period', 3)],
    ...[zeros('field', [1, 6, 9, 3]), zeros('w', [2, 6, 1, 1])],
  ];
  const bytes = modelBytes({ nodes, initializers, input: { dims: PICTURES }, output: { dims: PICTURES } });
  const shapes = inferShapes(decodeModel(bytes).graph ?? {}, 17, 'input', [1, 6, 9, 200]);
  t.same(shapes.of('window')?.dims, [1, 6, 9, 101]);
  t.same(shapes.of('output'), undefined, 'two widths do not add up');
  const fitting = inferShapes(decodeModel(bytes).graph ?? {}, 17, 'input', [1, 6, 9, 1]);
  t.same(fitting.of('output')?.dims, [1, 2, 9, 1]);
  t.equal(countMacs(fitting), 2 * 6 * 9);
});

t.test('multiply-adds: by hand', async (t) => {
  const macs = (name: keyof typeof CASES, dims: readonly number[]) => {
    const { nodes = [], initializers = [] } = CASES[name] ?? {};
    const bytes = modelBytes({ nodes, initializers, input: { dims: PICTURES }, output: { dims: PICTURES } });
    return countMacs(inferShapes(decodeModel(bytes).graph ?? {}, 17, 'input', dims));
  };
  t.equal(macs('Conv valid', [2, 6, 10, 12]), 2 * 5 * 8 * 10 * 6 * 9);
  t.equal(macs('Conv grouped', [1, 6, 10, 12]), 9 * 8 * 10 * 2 * 9);
  t.equal(macs('ConvTranspose', [1, 6, 10, 12]), 6 * 10 * 12 * 5 * 16);
  t.equal(macs('MatMul', [1, 6, 10, 21]), 6 * 10 * 4 * 21);
  t.equal(macs('Add broadcast', [1, 6, 10, 21]), 0);
});

t.test('what is not known stays unknown', async (t) => {
  const graph = (nodes: ModelSpec['nodes'], initializers: ModelSpec['initializers'] = []) =>
    decodeModel(modelBytes({ nodes, initializers, input: { dims: PICTURES }, output: { dims: PICTURES } }))
      .graph ?? {};
  const shapesOf = (nodes: ModelSpec['nodes'], initializers?: ModelSpec['initializers']) =>
    inferShapes(graph(nodes, initializers), 17, 'input', [1, 6, 4, 4]);
  const strange = shapesOf([node('Strange', ['input'], 'x'), node('Conv', ['x', 'w'], 'output')], kernel);
  t.equal(strange.of('output'), undefined);
  t.equal(countMacs(strange), undefined);
  t.equal(
    shapesOf(one('Reshape', ['s']), [integers('s', [5, 7])]).of('output'),
    undefined,
    'a reshape that cannot be',
  );
  t.equal(
    shapesOf(one('Conv', ['w']), [zeros('w', [5, 4, 3, 3])]).of('output'),
    undefined,
    'channels that do not match',
  );
  t.equal(
    shapesOf(one('Concat', ['w'], { axis: 1 }), [zeros('w', [1, 2, 4, 5])]).of('output'),
    undefined,
    'pictures of two sizes beside each other',
  );
  t.equal(
    shapesOf(one('Concat', ['w'], { axis: 1 }), [zeros('w', [1, 2, 4])]).of('output'),
    undefined,
    'ranks that differ',
  );
  const deep = [integers('p', [0, 0, 4, 4, 0, 0, 4, 4])];
  t.equal(
    shapesOf(one('Pad', ['p'], { mode: 'reflect' }), deep).of('output'),
    undefined,
    'a reflection beyond the picture',
  );
});
