import t from 'tap';
import { vulkanFinding } from '../../../src/cli/doctor/vulkan-finding.js';
import { realAdapter } from '../../../src/system/adapters.js';
import { native, type VulkanAdapter } from '../../../src/system/native.js';

const CARD: VulkanAdapter = { name: 'Card', driver: 'radv Mesa 25', kind: 'discrete' };
const SOFTWARE: VulkanAdapter = { name: 'llvmpipe', driver: '', kind: 'software' };

function addon(adapters: readonly VulkanAdapter[] | null, failure?: string) {
  return () => ({
    vulkanAdapters: () => adapters,
    createSession: async (model: Uint8Array) => {
      if (failure !== undefined) throw new Error(failure);
      return native().createSession(model, { provider: 'cpu', device: 0, threads: 1 });
    },
  });
}

t.test('doctor names adapters and drivers, or what is missing', async (t) => {
  const found = await vulkanFinding(addon([CARD, SOFTWARE]));
  t.strictSame(found, {
    subject: 'Vulkan',
    found:
      'Card (radv Mesa 25); llvmpipe (software: never taken by --provider auto): WebGPU runs a small graph on Card',
  });
  t.match(await vulkanFinding(addon(null)), {
    found: 'libvulkan.so.1 is missing',
    lack: { remedy: /libvulkan1/, fatal: false },
  });
  t.match(await vulkanFinding(addon([])), { found: 'no adapter', lack: { remedy: /mesa-vulkan-drivers/ } });
  t.match(await vulkanFinding(addon([CARD], 'the driver is too old')), {
    found: /^Card \(radv Mesa 25\): the driver is too old$/,
    lack: { fatal: false },
  });
});

t.test('auto takes real GPUs alone, and loads no driver where there is none', async (t) => {
  const folder = t.testdir({ renderD128: '' });
  const of = (adapters: readonly VulkanAdapter[] | null) => realAdapter(addon(adapters)(), folder);
  t.equal(of([CARD, SOFTWARE]), CARD);
  t.equal(of([SOFTWARE]), undefined);
  t.equal(of([]), undefined);
  t.equal(of(null), undefined);
  const never = {
    vulkanAdapters: (): never => {
      throw new Error('loaded');
    },
  };
  t.equal(realAdapter(never, t.testdir({})), undefined);
  t.equal(realAdapter(never, '/does/not/exist'), undefined);
});
