import { existsSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { type NativeSession, native, type SessionOptions } from '../../src/system/native.js';
import { float, identity, invert, model, slow, uint8 } from './graphs.js';

const { createSession } = native();
const cpu: SessionOptions = { provider: 'cpu', device: 0, threads: 1 };

t.test('says which ONNX Runtime and which providers there are', async (t) => {
  const { version, providers } = native().runtimeInfo();
  t.match(version, /^\d+\.\d+\.\d+$/);
  t.ok(providers.includes('cpu'));
});

t.test('passes on what ONNX Runtime logs, once asked to', async (t) => {
  const messages: string[] = [];
  // ONNX Runtime warns of a weight that no node uses.
  const weight = { name: 'unused', dims: [4], dataType: 2, rawData: new Uint8Array(4) };
  const bytes = model(
    [{ opType: 'Identity', input: ['x'], output: ['y'] }],
    [uint8('x', 4)],
    [uint8('y', 4)],
    [weight],
  );
  const load = async () => (await createSession(bytes, cpu)).dispose();
  await load();
  native().onRuntimeMessage((message) => messages.push(message));
  await load();
  await setImmediate();
  t.match(messages.join('\n'), /unused/);
  t.throws(() => native().onRuntimeMessage('listener' as never), { code: 'ERR_ARGUMENT' });
});

t.test('describes the graph', async (t) => {
  const session = await createSession(identity(2, 6), cpu);
  t.strictSame(session.inputs, [{ name: 'x', type: 'uint8', shape: [2, 6] }]);
  t.strictSame(session.outputs, [{ name: 'y', type: 'uint8', shape: [2, 6] }]);
  t.strictSame(session.notes, [], 'nothing is slower than it might be');
  await session.dispose();
});

t.test('runs a graph over the caller’s memory', async (t) => {
  const session = await createSession(invert(256), { ...cpu, threads: 2 });
  const output = new Uint8Array(256);
  await session.run(
    Uint8Array.from({ length: 256 }, (_, i) => i),
    output,
  );
  t.strictSame(
    output,
    Uint8Array.from({ length: 256 }, (_, i) => 255 - i),
  );
  await session.dispose();
});

t.test('runs on views in the middle of a buffer', async (t) => {
  const session = await createSession(invert(4), cpu);
  const buffer = new Uint8Array(32);
  await session.run(buffer.subarray(3, 7), buffer.subarray(9, 13));
  t.strictSame(buffer, new Uint8Array(32).fill(255, 9, 13));
  await session.dispose();
});

t.test('carries out many runs at once, in order', async (t) => {
  const session = await createSession(invert(1000), cpu);
  const buffers = Array.from({ length: 65 }, () => new Uint8Array(1000));
  buffers[0]?.fill(7);
  // Each run reads what the one before it wrote.
  const runs = buffers.slice(1).map((output, i) => session.run(buffers[i] ?? output, output));
  await Promise.all(runs);
  t.strictSame(buffers.at(-1), new Uint8Array(1000).fill(7));
  t.strictSame(buffers.at(-2), new Uint8Array(1000).fill(248));
  await session.dispose();
});

t.test('has sessions side by side', async (t) => {
  const sessions = await Promise.all([1, 2, 3].map(() => createSession(invert(8), cpu)));
  const outputs = await Promise.all(
    sessions.map(async (session, i) => {
      const output = new Uint8Array(8);
      await session.run(new Uint8Array(8).fill(i), output);
      return output[0];
    }),
  );
  t.strictSame(outputs, [255, 254, 253]);
  await Promise.all(sessions.map((session) => session.dispose()));
});

t.test('refuses graphs that are not one uint8 tensor in and one out, and lists what they have', async (t) => {
  const cast = (to: number) => [
    { opType: 'Cast', input: ['x'], output: ['y'], attribute: [{ name: 'to', type: 2, i: to }] },
  ];
  const refused: [Uint8Array, RegExp][] = [
    [model(cast(2), [float('x', 1, 3)], [uint8('y', 1, 3)]), /one input.*x float \[1,3\]/],
    [model(cast(1), [uint8('x', 4)], [float('y', 4)]), /one output.*y float \[4\]/],
    [identity('batch', 4), /one input.*x uint8 \[-1,4\]/],
    [
      model(
        [{ opType: 'Identity', input: ['x'], output: ['y'] }],
        [uint8('x', 2), uint8('extra', 5)],
        [uint8('y', 2)],
      ),
      /one input.*x uint8 \[2\], extra uint8 \[5\]/,
    ],
    [
      model(
        ['y', 'z'].map((output) => ({ opType: 'Identity', input: ['x'], output: [output] })),
        [uint8('x', 2)],
        [uint8('y', 2), uint8('z', 2)],
      ),
      /one output.*y uint8 \[2\], z uint8 \[2\]/,
    ],
  ];
  for (const [bytes, message] of refused) {
    await t.rejects(createSession(bytes, cpu), { code: 'ERR_ORT', message });
  }
});

t.test('refuses bytes that are no model', async (t) => {
  const whole = invert(64);
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(100).fill(7),
    whole.subarray(0, whole.length - 20),
  ]) {
    await t.rejects(createSession(bytes, cpu), {
      code: 'ERR_ORT',
      message: /^the model cannot be loaded: \S/,
    });
  }
});

t.test('refuses an operator that ONNX Runtime does not know', async (t) => {
  const bytes = model(
    [{ opType: 'NoSuchOperator', input: ['x'], output: ['y'] }],
    [uint8('x', 2)],
    [uint8('y', 2)],
  );
  await t.rejects(createSession(bytes, cpu), { code: 'ERR_ORT', message: /NoSuchOperator/ });
});

t.test('never reads a file for external data', async (t) => {
  const folder = t.testdir();
  const before = process.cwd();
  process.chdir(folder);
  t.teardown(() => process.chdir(before));
  const length = 4096;
  writeFileSync('weights.bin', new Uint8Array(length));
  for (const location of [
    'weights.bin',
    `../${folder.split('/').at(-1)}/weights.bin`,
    `${folder}/weights.bin`,
  ]) {
    const weights = {
      name: 'w',
      dims: [length],
      dataType: 2,
      dataLocation: 1,
      externalData: [
        { key: 'location', value: location },
        { key: 'offset', value: '0' },
        { key: 'length', value: String(length) },
      ],
    };
    const inputs = ['x', 'w'];
    const bytes = model(
      [{ opType: 'Max', input: inputs, output: ['y'] }],
      [uint8('x', length)],
      [uint8('y', length)],
      [weights],
    );
    t.ok(existsSync(location), 'the file is there to be read');
    await t.rejects(createSession(bytes, cpu), { code: 'ERR_ORT', message: /external data/i }, location);
  }
});

t.test('checks the options of a session', async (t) => {
  const bytes = identity(1, 4);
  const wrong = [
    null,
    {},
    { ...cpu, provider: 'abacus' },
    { ...cpu, device: -1 },
    { ...cpu, threads: 0 },
    { ...cpu, threads: 1.5 },
    { ...cpu, cacheFolder: 5 },
    { ...cpu, half: 1 },
  ];
  for (const options of wrong) {
    await t.rejects(createSession(bytes, options as SessionOptions), { code: 'ERR_ARGUMENT' });
  }
  await t.rejects(createSession('model' as unknown as Uint8Array, cpu), { code: 'ERR_ARGUMENT' });
});

t.test('checks the arguments of a run', async (t) => {
  const session = await createSession(identity(1, 4), cpu);
  const four = () => new Uint8Array(4);
  const detached = four();
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const wrong: [unknown, unknown][] = [
    [new Uint8Array(3), four()],
    [four(), new Uint8Array(5)],
    [null, four()],
    [four(), new Float32Array(1)],
    [detached, four()],
    [new Uint8Array(new SharedArrayBuffer(4)), four()],
  ];
  for (const [input, output] of wrong) {
    await t.rejects(session.run(input as Uint8Array, output as Uint8Array), { code: 'ERR_ARGUMENT' });
  }
  const same = four();
  await t.rejects(session.run(same, same), { code: 'ERR_ARGUMENT', message: /overlap/ });
  await session.dispose();
});

t.test('finishes the runs it has when disposed of, and refuses later ones', async (t) => {
  const session = await createSession(slow(64, 50), cpu);
  const input = new Uint8Array(64 * 64).fill(1);
  const outputs = Array.from({ length: 8 }, () => new Uint8Array(64 * 64));
  const runs = outputs.map((output) => session.run(input, output));
  const disposals = [session.dispose(), session.dispose()];
  await t.rejects(session.run(input, new Uint8Array(64 * 64)), { code: 'ERR_STATE' });
  await Promise.all([...runs, ...disposals]);
  for (const output of outputs) t.strictSame(output, input);
  await session.dispose();
  await t.rejects(session.run(input, new Uint8Array(64 * 64)), { code: 'ERR_STATE' });
});

t.test('sessions come from createSession only', async (t) => {
  const session = await createSession(identity(1, 4), cpu);
  const Session = session.constructor as new (...args: unknown[]) => NativeSession;
  t.throws(() => new Session(), { code: 'ERR_ARGUMENT' });
  t.throws(() => new Session({}), { code: 'ERR_ARGUMENT' });
  t.throws(() => Session.prototype.run.call({}, new Uint8Array(4), new Uint8Array(4)));
  await session.dispose();
});
