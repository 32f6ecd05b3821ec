/** Jobs with `--provider webgpu`, on whatever adapter Vulkan has here; software is enough. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { native } from '../../src/system/native.js';
import { ffmpegClip } from '../fixtures/clips.js';
import { decodedSamples, runJob } from '../fixtures/job.js';
import { type ModelFixture, modelFolder } from '../fixtures/onnx.js';
import { chaotic, twoEpsilons, webGpuLack } from '../fixtures/webgpu.js';

const lack = await webGpuLack();
const skip = lack !== undefined && `WebGPU cannot be tested here: ${lack}`;

const clip = (): Promise<string> => {
  const source = { from: { lavfi: 'testsrc2=size=64x48:rate=10' } };
  return ffmpegClip('webgpu.mkv', [source], ['-frames:v', '5', '-c:v', 'ffv1', '-pix_fmt', 'yuv420p']);
};

async function run(
  folder: string,
  ranks: number,
  name: string,
  options: readonly string[],
  env: NodeJS.ProcessEnv = {},
) {
  const output = join(folder, name);
  const model = ['--model', join(folder, 'model.onnx'), '--codec', 'ffv1', '--batch', '1'];
  return { output, ...(await runJob(ranks, [await clip(), output, ...model, ...options], { env })) };
}

function inFolder(t: Test, fixture: ModelFixture): string {
  return t.testdir(modelFolder(fixture));
}

t.test('frames are those of the CPU, and the same on 1 and 2 ranks', { skip }, async (t) => {
  const folder = inFolder(t, twoEpsilons());
  const one = await run(folder, 1, 'one.mkv', ['--provider', 'webgpu']);
  t.equal(one.code, 0, one.stderr);
  t.match(one.stderr, /1 rank: 1 x webgpu on \S.* in fp32/);
  const two = await run(folder, 2, 'two.mkv', ['--provider', 'webgpu']);
  t.equal(two.code, 0, two.stderr);
  t.match(two.stderr, /all 2 ranks of a host share WebGPU on /);
  const cpu = await run(folder, 1, 'cpu.mkv', ['--provider', 'cpu']);
  t.equal(cpu.code, 0, cpu.stderr);
  const [ours, others] = [decodedSamples(one.output), decodedSamples(cpu.output)];
  t.ok(ours.equals(decodedSamples(two.output)), 'the same samples');
  t.equal(ours.length, others.length);
  const most = ours.reduce((most, sample, at) => Math.max(most, Math.abs(sample - (others[at] ?? 0))), 0);
  t.ok(most <= 1, `at most one level away from the CPU: ${most}`);
  const spread = new Set(ours).size;
  t.ok(spread > 20, `the network gives pictures, of ${spread} levels`);
});

t.test('a model that comes out wrong is refused, and nothing is published', { skip }, async (t) => {
  const folder = inFolder(t, chaotic());
  const { code, stderr, output } = await run(folder, 2, 'wrong.mkv', ['--provider', 'webgpu']);
  t.equal(code, 1);
  t.match(
    stderr,
    /rank \d on \S+: WebGPU on .+ computes this model wrongly: its samples are up to \d+ levels? away/,
  );
  t.match(stderr, /use --provider cpu/);
  t.throws(() => decodedSamples(output), 'no output');
});

t.test('without a driver, one sentence says what to install', async (t) => {
  const folder = inFolder(t, twoEpsilons());
  const env = { VK_DRIVER_FILES: join(folder, 'none.json'), VK_ICD_FILENAMES: join(folder, 'none.json') };
  const { code, stderr } = await run(folder, 1, 'none.mkv', ['--provider', 'webgpu'], env);
  t.equal(code, 1);
  const missing =
    native().vulkanAdapters() === null
      ? /WebGPU is unavailable: the library libvulkan\.so\.1 is missing: install the Vulkan loader/
      : /WebGPU is unavailable: Vulkan finds no adapter: install the Vulkan driver/;
  t.match(stderr, missing);
});
