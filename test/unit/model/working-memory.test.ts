/** The memory that a run takes, worked out from the graph, against what a process has taken. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type ComposedGraph, compose } from '../../../src/model/compose/compose.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { workingMemory } from '../../../src/model/session/working-memory.js';
import { modelsFolder } from '../../../src/system/package.js';
import { channelBlock } from '../../../src/system/processor.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { hiddenUpscaler, modelFolder, nearestUpscaler } from '../../fixtures/onnx.js';

const worker = fileURLToPath(new URL('./working-memory-worker.js', import.meta.url));
const COLOUR = { matrix: 'bt709', range: 'limited' } as const;

function compare(t: Test, graph: ComposedGraph, name: string): void {
  const file = join(t.testdir(), 'graph.onnx');
  writeFileSync(file, graph.bytes);
  const { status, stdout, stderr } = spawnSync(process.execPath, [worker, file], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
  const ratio = (workingMemory(graph.bytes, channelBlock()) ?? 0) / Number(stdout);
  t.ok(ratio > 0.7 && ratio < 1.3, `${name}: ${ratio.toFixed(3)} of what it takes`);
}

for (const [size, width, height] of [
  ['fast', 640, 360],
  ['fast', 1280, 720],
  ['fine', 640, 360],
] as const) {
  t.test(`${size} at ${width}x${height} is within 30 %`, async (t) => {
    const model = await loadModel('wave', { folder: modelsFolder(), size });
    compare(t, compose(model, { width, height, sample: I420, ...COLOUR }, 1), size);
  });
}

t.test('so are a batch, and a model that enlarges', async (t) => {
  const model = await loadModel('wave', { folder: modelsFolder(), size: 'fast' });
  compare(t, compose(model, { width: 320, height: 180, sample: I420, ...COLOUR }, 4), 'a batch of 4');
  const folder = t.testdir(modelFolder(nearestUpscaler(2)));
  const upscaler = await loadModel(`${folder}/model.onnx`, { folder });
  compare(t, compose(upscaler, { width: 1280, height: 720, sample: I420, ...COLOUR }, 1), 'twice the size');
});

t.test('a network with sizes that cannot be worked out has none', async (t) => {
  const folder = t.testdir(modelFolder(hiddenUpscaler()));
  const model = await loadModel(`${folder}/model.onnx`, { folder });
  t.equal(
    workingMemory(compose(model, { width: 64, height: 64, sample: I420, ...COLOUR }, 1).bytes, 16),
    undefined,
  );
});

t.test('processors take 16 channels at once, or 8', async (t) => {
  t.equal(channelBlock('flags : fpu avx2 avx512f\n'), 16);
  t.equal(channelBlock('flags : fpu avx2\n'), 8);
  t.equal(channelBlock('Features : fp asimd\n'), 16);
});
