import { existsSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { type NativeSession, native, type SessionOptions } from '../../src/system/native.js';
import { float, identity, invert, model, severalEnds, slow, type Tensor, uint8 } from './graphs.js';

const { allocate, createSession } = native();
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
  t.strictSame(session.inputs, [{ name: 'x', type: 'uint8', shape: [2, 6], bytes: 12 }]);
  t.strictSame(session.outputs, [{ name: 'y', type: 'uint8', shape: [2, 6], bytes: 12 }]);
  t.strictSame(session.notes, [], 'nothing is slower than it might be');
  await session.dispose();
});

t.test('runs a graph over the caller’s memory', async (t) => {
  const session = await createSession(invert(256), { ...cpu, threads: 2 });
  const output = new Uint8Array(256);
  await session.run([Uint8Array.from({ length: 256 }, (_, i) => i)], [output]);
  t.strictSame(
    output,
    Uint8Array.from({ length: 256 }, (_, i) => 255 - i),
  );
  await session.dispose();
});

t.test('runs on views in the middle of a buffer', async (t) => {
  const session = await createSession(invert(4), cpu);
  const buffer = new Uint8Array(32);
  await session.run([buffer.subarray(3, 7)], [buffer.subarray(9, 13)]);
  t.strictSame(buffer, new Uint8Array(32).fill(255, 9, 13));
  await session.dispose();
});

t.test('carries out many runs at once, in order', async (t) => {
  const session = await createSession(invert(1000), cpu);
  const buffers = Array.from({ length: 65 }, () => new Uint8Array(1000));
  buffers[0]?.fill(7);
  // Each run reads what the one before it wrote.
  const runs = buffers.slice(1).map((output, i) => session.run([buffers[i] ?? output], [output]));
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
      await session.run([new Uint8Array(8).fill(i)], [output]);
      return output[0];
    }),
  );
  t.strictSame(outputs, [255, 254, 253]);
  await Promise.all(sessions.map((session) => session.dispose()));
});

t.test('runs a graph of several inputs and outputs, in the order of the graph', async (t) => {
  const session = await createSession(severalEnds(3, 4), cpu);
  t.strictSame(session.inputs, [
    { name: 'picture', type: 'uint8', shape: [3, 4], bytes: 12 },
    { name: 'gain', type: 'float', shape: [4], bytes: 16 },
  ]);
  t.strictSame(session.outputs, [
    { name: 'turned', type: 'uint8', shape: [4, 3], bytes: 12 },
    { name: 'scaled', type: 'float', shape: [3, 4], bytes: 48 },
    { name: 'best', type: 'int64', shape: [3], bytes: 24 },
  ]);
  const [picture, gain, turned, scaled, best] = [...session.inputs, ...session.outputs].map(({ bytes }) =>
    allocate(bytes, session),
  );
  if (!picture || !gain || !turned || !scaled || !best) throw new Error('there are five');
  new Uint8Array(picture).set([9, 1, 2, 3, 4, 50, 6, 7, 8, 9, 10, 11]);
  new Float32Array(gain).set([0.5, 1, -2, 1.5]);
  const lists = [
    [picture, gain].map((buffer) => new Uint8Array(buffer)),
    [turned, scaled, best].map((buffer) => new Uint8Array(buffer)),
  ] as const;
  const run = session.run(...lists);
  for (const list of lists) list.length = 0; // the lists are the caller's
  await run;
  t.strictSame(new Uint8Array(turned), Uint8Array.of(9, 4, 8, 1, 50, 9, 2, 6, 10, 3, 7, 11));
  t.strictSame(new Float32Array(scaled), Float32Array.of(4.5, 1, -4, 4.5, 2, 50, -12, 10.5, 4, 9, -20, 16.5));
  t.strictSame(new BigInt64Array(best), BigInt64Array.of(0n, 1n, 3n));
  await session.dispose();
});

t.test('lists names as the graph does, whatever the order of names, nodes and weights', async (t) => {
  const names = ['m', 'z', 'a', 'k'];
  const permutations = [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
  ];
  for (const order of permutations) {
    const inputs = order.map((at) => names[at] ?? '');
    const outputs = [...inputs].reverse().map((name) => `to ${name}`);
    const weight = { name: 'w', dims: [1], dataType: 2, rawData: Uint8Array.of(1) };
    const bytes = model(
      names.map((name) => ({ opType: 'Add', input: [name, 'w'], output: [`to ${name}`] })),
      // An input with an initializer is none of the session's.
      [uint8('w', 1), ...inputs.map((name) => uint8(name, 1))],
      outputs.map((name) => uint8(name, 1)),
      [weight],
    );
    const session = await createSession(bytes, cpu);
    t.strictSame(
      session.inputs.map(({ name }) => name),
      inputs,
    );
    t.strictSame(
      session.outputs.map(({ name }) => name),
      outputs,
    );
    const results = outputs.map(() => new Uint8Array(1));
    await session.run(
      inputs.map((_, i) => Uint8Array.of(10 * i)),
      results,
    );
    t.strictSame(
      results.map(([byte]) => byte),
      [31, 21, 11, 1],
    );
    await session.dispose();
  }
});

t.test('checks the buffers of every input and output', async (t) => {
  const session = await createSession(severalEnds(3, 4), cpu);
  const buffers = (list: NativeSession['inputs']) =>
    list.map(({ bytes }) => new Uint8Array(allocate(bytes, session)));
  const [inputs, outputs] = [buffers(session.inputs), buffers(session.outputs)];
  const instead = (list: readonly Uint8Array[], at: number, buffer: Uint8Array) =>
    list.map((one, i) => (i === at ? buffer : one));
  const wrong: [readonly Uint8Array[], readonly Uint8Array[], RegExp][] = [
    [inputs.slice(1), outputs, /inputs must hold .* the graph's 2 \(picture, gain\), not 1/],
    [inputs, [...outputs, new Uint8Array(4)], /outputs must hold .* 3 \(turned, scaled, best\), not 4/],
    [instead(inputs, 1, new Uint8Array(4)), outputs, /inputs\[1\] .* 16 bytes of the tensor gain, not 4/],
    [inputs, instead(outputs, 2, new Uint8Array(48)), /outputs\[2\] .* 24 bytes of the tensor best, not 48/],
    [
      instead(inputs, 1, new Uint8Array(allocate(20, null), 2, 16)),
      outputs,
      /inputs\[1\] must be aligned to the 4 bytes of an element of the tensor gain \(float\)/,
    ],
    [
      inputs,
      instead(outputs, 2, new Uint8Array(allocate(32, null), 4, 24)),
      /outputs\[2\] must be aligned to the 8 bytes of an element of the tensor best \(int64\)/,
    ],
    [
      inputs,
      instead(outputs, 0, inputs[0] ?? new Uint8Array()),
      /inputs\[0\] and outputs\[0\] must not overlap/,
    ],
    [
      inputs,
      instead(outputs, 0, (outputs[1] ?? new Uint8Array()).subarray(0, 12)),
      /outputs\[0\] and outputs\[1\] must not overlap/,
    ],
  ];
  for (const [ins, outs, message] of wrong) {
    await t.rejects(session.run(ins, outs), { code: 'ERR_ARGUMENT', message });
  }
  await session.run(inputs, outputs);
  await session.dispose();
});

t.test('a getter in a list cannot take a buffer away between check and use', async (t) => {
  const session = await createSession(severalEnds(3, 4), cpu);
  const picture = new Uint8Array(12);
  const inputs = [picture, new Uint8Array(16)];
  Object.defineProperty(inputs, 1, {
    get: () => {
      structuredClone(picture.buffer, { transfer: [picture.buffer] });
      return new Uint8Array(16);
    },
  });
  const outputs = session.outputs.map(({ bytes }) => new Uint8Array(bytes));
  await t.rejects(session.run(inputs, outputs), { code: 'ERR_ARGUMENT', message: /inputs\[0\] .*detached/ });
  await session.dispose();
});

t.test('refuses an open shape and what are no numbers, by name', async (t) => {
  const same = (name: string, tensor: (name: string) => Tensor) => ({
    nodes: [{ opType: 'Identity', input: [name], output: [`${name} again`] }],
    inputs: [tensor(name)],
    outputs: [tensor(`${name} again`)],
  });
  const joined = (...parts: ReturnType<typeof same>[]) =>
    model(
      parts.flatMap(({ nodes }) => nodes),
      parts.flatMap(({ inputs }) => inputs),
      parts.flatMap(({ outputs }) => outputs),
    );
  const plain = same('x', (name) => uint8(name, 2));
  const refused: [Uint8Array, RegExp][] = [
    [identity('batch', 4), /the graph's input x is uint8 \[-1,4\]/],
    [
      joined(
        plain,
        same('state', (name) => float(name, 1, 'height', 8)),
      ),
      /input state is float \[1,-1,8\]/,
    ],
    [
      joined(
        plain,
        same('words', (name) => ({ ...uint8(name, 2), type: 8 })),
      ),
      /input words is string \[2\]/,
    ],
    [
      model(
        [
          { opType: 'NonZero', input: ['x'], output: ['places'] },
          { opType: 'Identity', input: ['x'], output: ['y'] },
        ],
        [float('x', 4)],
        [float('y', 4), { name: 'places', type: 7, shape: [1, 'found'] }],
      ),
      /the graph's output places is int64 \[1,-1\]/,
    ],
    [
      model(plain.nodes, plain.inputs, [...plain.outputs, ...plain.inputs]),
      /the graph's output x is also an input or another output/,
    ],
    [model(plain.nodes, plain.inputs, [...plain.outputs, ...plain.outputs]), /\S/],
    [model([], [], []), /\S/],
    [
      model(
        [{ opType: 'Identity', input: ['w'], output: ['y'] }],
        [],
        [uint8('y', 1)],
        [{ name: 'w', dims: [1], dataType: 2, rawData: Uint8Array.of(1) }],
      ),
      /the graph has no inputs/,
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
  const wrong: [unknown, unknown, RegExp][] = [
    [[new Uint8Array(3)], [four()], /^run: inputs\[0\] must hold the 4 bytes of the tensor x, not 3$/],
    [[four()], [new Uint8Array(5)], /^run: outputs\[0\] must hold the 4 bytes of the tensor y, not 5$/],
    [[], [four()], /^run: inputs must hold a buffer for each of the graph's 1 \(x\), not 0$/],
    [[four()], [four(), four()], /^run: outputs must hold a buffer for each of the graph's 1 \(y\), not 2$/],
    [four(), [four()], /^inputs must be an array$/],
    [[four()], undefined, /^outputs must be an array$/],
    [[null], [four()], /^inputs\[0\] must be a Uint8Array$/],
    [new Array(1), [four()], /^inputs\[0\] must be a Uint8Array$/],
    [[four()], [new Float32Array(1)], /^outputs\[0\] must be a Uint8Array$/],
    [[detached], [four()], /^inputs\[0\] must not be .* detached/],
    [[new Uint8Array(new SharedArrayBuffer(4))], [four()], /^inputs\[0\] must not be .* SharedArrayBuffer/],
  ];
  for (const [inputs, outputs, message] of wrong) {
    await t.rejects(session.run(inputs as Uint8Array[], outputs as Uint8Array[]), {
      ...{ code: 'ERR_ARGUMENT', message },
    });
  }
  const same = four();
  await t.rejects(session.run([same], [same]), { code: 'ERR_ARGUMENT', message: /overlap/ });
  await session.dispose();
});

t.test('finishes the runs it has when disposed of, and refuses later ones', async (t) => {
  const session = await createSession(slow(64, 50), cpu);
  const input = new Uint8Array(64 * 64).fill(1);
  const outputs = Array.from({ length: 8 }, () => new Uint8Array(64 * 64));
  const runs = outputs.map((output) => session.run([input], [output]));
  const disposals = [session.dispose(), session.dispose()];
  await t.rejects(session.run([input], [new Uint8Array(64 * 64)]), { code: 'ERR_STATE' });
  await Promise.all([...runs, ...disposals]);
  for (const output of outputs) t.strictSame(output, input);
  await session.dispose();
  await t.rejects(session.run([input], [new Uint8Array(64 * 64)]), { code: 'ERR_STATE' });
});

t.test('sessions come from createSession only', async (t) => {
  const session = await createSession(identity(1, 4), cpu);
  const Session = session.constructor as new (...args: unknown[]) => NativeSession;
  t.throws(() => new Session(), { code: 'ERR_ARGUMENT' });
  t.throws(() => new Session({}), { code: 'ERR_ARGUMENT' });
  t.throws(() => Session.prototype.run.call({}, [new Uint8Array(4)], [new Uint8Array(4)]));
  await session.dispose();
});
