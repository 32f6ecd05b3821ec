import t from 'tap';
import type { Finding } from '../../../src/cli/doctor/finding.js';
import { gpuFindings } from '../../../src/cli/doctor/gpu-findings.js';
import { type Native, native, type SessionOptions } from '../../../src/system/native.js';

const CUDA = 'libonnxruntime_providers_cuda.so';
const TENSORRT = 'libonnxruntime_providers_tensorrt.so';

/** The addon with the CPU in place of every GPU but those that `refuse` throws for; `notes` is what a session says. */
function addon(
  asked: SessionOptions[],
  refuse: (options: SessionOptions) => void = () => {},
  notes: readonly string[] = [],
): () => Pick<Native, 'createSession'> {
  return () => ({
    async createSession(model, options) {
      asked.push(options);
      refuse(options);
      const session = await native().createSession(model, { ...options, provider: 'cpu' });
      return { ...session, notes, run: (i, o) => session.run(i, o), dispose: () => session.dispose() };
    },
  });
}

t.test('without a GPU, or without libraries for it, nothing is tried', async (t) => {
  const none = (): never => {
    throw new Error('tried');
  };
  t.match(await gpuFindings({ visible: 0, libraries: [CUDA] }, none), [
    { found: 'none visible', lack: { remedy: /jobs use the CPU/, fatal: false } },
  ]);
  t.match(await gpuFindings({ visible: 2, libraries: [] }, none), [
    { found: '2 visible', lack: { remedy: /setup-cuda/, fatal: false } },
  ]);
});

t.test('each GPU runs a small graph', async (t) => {
  const asked: SessionOptions[] = [];
  const found = await gpuFindings({ visible: 2, libraries: [CUDA, TENSORRT] }, addon(asked));
  t.strictSame<readonly Finding[]>(found, [
    { subject: 'GPUs', found: '2 visible' },
    { subject: 'CUDA', found: 'runs a small graph on each of 2 GPUs' },
    { subject: 'TensorRT', found: 'runs a small graph on each of 2 GPUs' },
  ]);
  t.same(
    asked.map(({ provider, device }) => [provider, device]),
    [
      ['cuda', 0],
      ['cuda', 1],
      ['tensorrt', 0],
      ['tensorrt', 1],
    ],
  );
});

t.test('a provider that cannot be used is named, with what to do', async (t) => {
  const refuse = ({ provider, device }: SessionOptions): void => {
    if (provider === 'tensorrt')
      throw new Error('TensorRT cannot be used: the library libnvinfer.so.10 is missing');
    if (device === 1) throw new Error('CUDA cannot be used: out of memory');
  };
  t.match(await gpuFindings({ visible: 2, libraries: [CUDA, TENSORRT] }, addon([], refuse)), [
    {},
    { subject: 'CUDA', found: 'GPU 1: CUDA cannot be used: out of memory', lack: { fatal: false } },
    { subject: 'TensorRT', found: /^GPU 0: .*libnvinfer/, lack: { remedy: /only --provider tensorrt/ } },
  ]);
});

t.test('what is slower than it might be is said, and a wrong result is no success', async (t) => {
  const slow = addon([], () => {}, ['CUDA graphs are not used: why']);
  t.match(await gpuFindings({ visible: 1, libraries: [CUDA] }, slow), [
    {},
    { found: 'runs a small graph', lack: { remedy: /slower: CUDA graphs are not used: why/, fatal: false } },
  ]);
  const wrong = () => ({
    createSession: async (model: Uint8Array, options: SessionOptions) => ({
      ...(await addon([])().createSession(model, options)),
      run: async (_inputs: readonly Uint8Array[], [output]: readonly Uint8Array[]) => void output?.fill(7),
    }),
  });
  t.match(await gpuFindings({ visible: 1, libraries: [CUDA] }, wrong), [
    {},
    { found: /GPU 0: .*wrong result/, lack: { fatal: false } },
  ]);
});
