import { existsSync } from 'node:fs';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { identity } from './graphs.js';

// In a file of its own, since the first session of a process is what a job opens.
const gpuLibrary = `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/libonnxruntime_providers_shared.so`;
const skip = existsSync(gpuLibrary) && 'the GPU libraries of ONNX Runtime are installed';
t.test('an unusable provider is one clear sentence', { skip }, async (t) => {
  for (const provider of ['cuda', 'tensorrt'] as const) {
    await t.rejects(native().createSession(identity(1, 4), { provider, device: 0, threads: 1 }), {
      code: 'ERR_PROVIDER',
      message: /is unavailable: the library libonnxruntime_providers_shared\.so is missing/,
    });
  }
});
