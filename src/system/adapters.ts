import { readdirSync } from 'node:fs';
import type { Native, VulkanAdapter } from './native.js';

type Addon = Pick<Native, 'vulkanAdapters'>;

/** Returns the adapter that WebGPU uses; undefined if there is none. All ranks of a node share it. */
export function webGpuAdapter(addon: Addon): VulkanAdapter | undefined {
  return addon.vulkanAdapters()?.[0];
}

/**
 * Returns the adapter that `--provider auto` may use: a real GPU. Drivers are loaded only where the kernel
 * shows a GPU in `folder`.
 */
export function realAdapter(addon: Addon, folder = '/dev/dri'): VulkanAdapter | undefined {
  if (!hasRenderNode(folder)) return undefined;
  const adapter = webGpuAdapter(addon);
  return adapter?.kind === 'discrete' || adapter?.kind === 'integrated' ? adapter : undefined;
}

function hasRenderNode(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.startsWith('renderD'));
  } catch {
    return false;
  }
}
