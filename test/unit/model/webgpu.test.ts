import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import { attribute, DataType, decodeModel, intAttribute } from '../../../src/model/graph/onnx.js';
import type { LoadedModel } from '../../../src/model/load/loaded-model.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { withCastsAtEnds } from '../../../src/model/passes/casts-at-ends.js';
import { toWebGpu } from '../../../src/model/passes/webgpu.js';
import { compareWithCpu } from '../../../src/model/session/cpu-trial.js';
import { openSession } from '../../../src/model/session/session.js';
import { type Native, native, type VulkanAdapter } from '../../../src/system/native.js';
import { modelsFolder } from '../../../src/system/package.js';
import { I420, type SampleFormat } from '../../../src/video/formats/frame-format.js';
import { modelBytes, modelFolder, node, pictureIdentity } from '../../fixtures/onnx.js';
import { photoLike } from '../../fixtures/picture.js';
import { runRows } from '../../fixtures/run-onnx.js';
import { twoEpsilons } from '../../fixtures/webgpu.js';

const CODING = { matrix: 'bt709', range: 'limited' } as const;

function composed(model: LoadedModel, sample: SampleFormat = I420): ComposedGraph {
  return compose(model, { width: 64, height: 48, ...CODING, sample }, 1);
}

function modelIn(t: Test, fixture: ReturnType<typeof twoEpsilons>): Promise<LoadedModel> {
  return loadModel(`${t.testdir(modelFolder(fixture))}/model.onnx`, { folder: '' });
}

t.test(
  'the graph for WebGPU gives the same rows, with one epsilon and casts at its ends alone',
  async (t) => {
    const models = [
      await modelIn(t, twoEpsilons()),
      await loadModel('wave', { folder: modelsFolder(), size: 'fast' }),
    ];
    for (const model of models) {
      const graph = composed(model);
      const frame = photoLike(64, 48, CODING);
      const bytes = toWebGpu(graph.bytes);
      const [[ours], [theirs]] = [await runRows({ ...graph, bytes }, [frame]), await runRows(graph, [frame])];
      const off = (ours ?? []).filter((sample, at) => sample !== theirs?.[at]).length;
      t.ok(off <= graph.rowBytes / 1000, `${off} of ${graph.rowBytes} bytes differ`);
      t.equal(ours?.length, theirs?.length);

      const nodes = decodeModel(bytes).graph?.node ?? [];
      const epsilons = nodes
        .filter(({ opType }) => opType === 'InstanceNormalization')
        .map((one) => attribute(one, 'epsilon')?.f);
      t.ok(epsilons.length > 1);
      t.equal(new Set(epsilons).size, 1);
      const toBytes = nodes.filter((one) => {
        return one.opType === 'Cast' && intAttribute(one, 'to', 0) === DataType.uint8;
      });
      t.same(
        toBytes.map(({ output }) => output?.[0]),
        ['styled'],
      );
      t.equal(nodes.filter(({ input }) => input?.includes('frames')).length, 1);
    }
  },
);

t.test('a graph that computes with bytes keeps its casts', async (t) => {
  const ends = { type: 'uint8', dims: [1, 8] } as const;
  const bytes = modelBytes({ nodes: [node('Max', ['input', 'input'], 'output')], input: ends, output: ends });
  t.equal(withCastsAtEnds(decodeModel(bytes).graph ?? {}), undefined);
  t.same(
    decodeModel(toWebGpu(bytes)).graph?.node?.map(({ opType }) => opType),
    ['Max'],
  );
});

/** The addon, with the CPU in place of WebGPU; `spoil` changes the results of that. */
function standIn(spoil: (output: Uint8Array) => void): Pick<Native, 'createSession' | 'allocate'> {
  return {
    allocate: (bytes) => native().allocate(bytes, null),
    async createSession(model, options) {
      const session = await native().createSession(model, { ...options, provider: 'cpu' });
      const run = async (inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]) => {
        await session.run(inputs, outputs);
        if (options.provider === 'webgpu' && outputs[0]) spoil(outputs[0]);
      };
      return { ...session, run, dispose: () => session.dispose() };
    },
  };
}

t.test('what differs from the CPU by more than rounding is refused', async (t) => {
  const graph = composed(await modelIn(t, pictureIdentity()));
  const tried = async (spoil: (output: Uint8Array) => void): Promise<void> => {
    const addon = standIn(spoil);
    const options = { provider: 'webgpu', device: 0, threads: 1 } as const;
    const session = await addon.createSession(toWebGpu(graph.bytes), options);
    await compareWithCpu(session, { graph: graph.bytes, threads: 1, where: 'WebGPU on a card' }, addon);
  };
  const change = (by: number, count: number) => (output: Uint8Array) => {
    for (let at = 0; at < count; at += 1) output[at] = (output[at] ?? 0) + by;
  };
  await t.resolves(tried(() => {}));
  await t.resolves(tried(change(1, 40)), 'a few samples, one level away');
  await t.rejects(tried(change(2, 1)), {
    code: 'provider',
    message: /^WebGPU on a card computes this model wrongly: its samples are up to 2 levels away/,
  });
  await t.rejects(tried(change(1, 80)), /up to 1 level away from those of the CPU, and 1\.7 % of them/);
  await t.rejects(
    tried((output) => output.fill(0, output.length - 1)),
    /numbers that are not finite/,
  );
});

t.test('a session is on the first adapter, in one stream, once it has been tried', async (t) => {
  const graph = composed(await modelIn(t, twoEpsilons()));
  const card: VulkanAdapter = { name: 'card', driver: '', kind: 'discrete' };
  const addon = (spoil: (output: Uint8Array) => void) => ({
    ...standIn(spoil),
    vulkanAdapters: () => [card],
    runtimeInfo: () => native().runtimeInfo(),
  });
  const graphs = { fp32: graph.bytes, fp16: undefined, int8: undefined };
  const request = {
    provider: 'webgpu',
    ...{ threads: 1, localRank: 1, localSize: 2, dryRun: false },
    ...{ inputBytes: graph.inputBytes, outputBytes: graph.rowBytes },
  } as const;
  const opened = await openSession(
    graphs,
    request,
    addon(() => {}),
  );
  t.match(opened, { provider: 'webgpu', device: 'card', precision: 'fp32', fallback: undefined });
  t.equal(opened.streams.length, 1);
  t.same(opened.notes, ['all 2 ranks of a host share WebGPU on card']);
  await t.rejects(
    openSession(
      graphs,
      request,
      addon((output) => output.fill(7, 0, 9)),
    ),
    {
      code: 'provider',
      message: /^WebGPU on card computes this model wrongly/,
      hint: /use --provider cpu/,
    },
  );
});
