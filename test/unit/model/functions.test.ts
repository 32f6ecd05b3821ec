/** Models with functions of their own, whose schema has more fields than this program's. */
import { join } from 'node:path';
import onnxProto, { type onnx as types } from 'onnx-proto';
import t from 'tap';
import { refuseDroppedFields } from '../../../src/model/graph/functions.js';
import { decodeModel } from '../../../src/model/graph/onnx.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { modelBytes, node } from '../../fixtures/onnx.js';
import * as ort from '../../fixtures/onnx-runtime.js';

const { AttributeProto, FunctionProto } = onnxProto.onnx;
const PICTURES = { dims: ['N', 3, 'H', 'W'] };
const OVERRIDES = { range: '0..1', channels: 'rgb', scale: 1, multiple: 1 } as const;

/** A length-delimited field of a message, as protobuf writes it. */
function field(number: number, bytes: Uint8Array): Buffer {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
  return Buffer.from([...varint(8 * number + 2), ...varint(bytes.length), ...bytes]);
}

const FUNCTIONS = 25;
const ATTRIBUTE_PROTO = 11;

/** x to LeakyRelu of it, by a function whose attribute `slope` is 0.5 unless a call says otherwise. */
function withFunction(call: types.INodeProto): Buffer {
  const body = node('LeakyRelu', ['x'], 'y');
  body.attribute = [{ name: 'alpha', type: 1, refAttrName: 'slope' }];
  const plain = {
    ...{ name: 'Act', domain: 'my', input: ['x'], output: ['y'], node: [body] },
    opsetImport: [{ domain: '', version: 17 }],
  };
  const slope = AttributeProto.encode({ name: 'slope', type: 1, f: 0.5 }).finish();
  const act = Buffer.concat([FunctionProto.encode(plain).finish(), field(ATTRIBUTE_PROTO, slope)]);
  const model = modelBytes({ nodes: [call], input: PICTURES, output: PICTURES, irVersion: 9 });
  const opset = Buffer.from([0x42, 6, 0x0a, 2, ...Buffer.from('my'), 0x10, 1]);
  return Buffer.concat([model, opset, field(FUNCTIONS, act)]);
}

t.test('a default value that would be lost is refused, and not replaced by another', async (t) => {
  const call: types.INodeProto = { ...node('Act', ['input'], 'output'), domain: 'my' };
  const bytes = withFunction(call);
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const { output } = await session.run({
    input: new ort.Tensor('float32', Float32Array.of(-1, -1, -1), [1, 3, 1, 1]),
  });
  await session.release();
  t.same([...(output?.data ?? [])], [-0.5, -0.5, -0.5], 'ONNX Runtime knows the default');

  const given = { ...call, attribute: [{ name: 'slope', type: 1, f: 0.25 }] };
  const folder = t.testdir({ 'left-out.onnx': bytes, 'given.onnx': withFunction(given) });
  await t.rejects(loadModel(join(folder, 'left-out.onnx'), { folder, overrides: OVERRIDES }), {
    code: 'model',
    message: /left-out\.onnx" calls its function Act without "slope"/,
    hint: /inline_local_functions/,
  });
  const model = await loadModel(join(folder, 'given.onnx'), { folder, overrides: OVERRIDES });
  t.equal(model.proto.functions.length, 1, 'a call that says the value loses nothing');
});

t.test('a graph of any number of nodes is looked through', async (t) => {
  const nodes = Array.from({ length: 200_000 }, () => node('Identity', ['input'], 'output'));
  const bytes = modelBytes({ nodes, input: PICTURES, output: PICTURES });
  t.doesNotThrow(() => refuseDroppedFields(decodeModel(bytes), 'long.onnx'));
});
