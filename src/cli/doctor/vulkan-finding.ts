import { PROVIDERS } from '../../model/session/providers.js';
import { messageOf } from '../../system/errors.js';
import type { Native, VulkanAdapter } from '../../system/native.js';
import type { Finding } from './finding.js';
import { runSmall } from './gpu-findings.js';

const subject = 'Vulkan';

/** Lists Vulkan's adapters, and runs a small graph by WebGPU on the one that it uses. */
export async function vulkanFinding(
  addon: () => Pick<Native, 'createSession' | 'vulkanAdapters'>,
): Promise<Finding> {
  try {
    const adapters = addon().vulkanAdapters();
    if (adapters === null) {
      const remedy = 'only --provider webgpu needs it: install libvulkan1 and the Vulkan driver of the GPU';
      return { subject, found: 'libvulkan.so.1 is missing', lack: { remedy, fatal: false } };
    }
    const [first] = adapters;
    if (first === undefined) {
      const remedy =
        'only --provider webgpu needs one: install mesa-vulkan-drivers, or the driver of the GPU';
      return { subject, found: 'no adapter', lack: { remedy, fatal: false } };
    }
    const found = adapters.map(described).join('; ');
    try {
      await runSmall('webgpu', 0, addon());
    } catch (error) {
      const { remedy } = PROVIDERS.webgpu;
      return { subject, found: `${found}: ${messageOf(error)}`, lack: { remedy, fatal: false } };
    }
    return { subject, found: `${found}: WebGPU runs a small graph on ${first.name}` };
  } catch (error) {
    // Without the addon there is a finding on that.
    return { subject, found: messageOf(error), lack: { remedy: PROVIDERS.webgpu.remedy, fatal: false } };
  }
}

function described({ name, driver, kind }: VulkanAdapter): string {
  const facts = [kind === 'software' ? 'software: never taken by --provider auto' : '', driver];
  const known = facts.filter((one) => one !== '');
  return known.length === 0 ? name : `${name} (${known.join(', ')})`;
}
