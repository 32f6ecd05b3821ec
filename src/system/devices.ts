import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Returns the number of NVIDIA GPUs that this process may use. If CUDA_VISIBLE_DEVICES is set, these are its
 * entries (CUDA numbers devices within it), otherwise all that the driver lists.
 */
export function visibleGpus(environment: NodeJS.ProcessEnv = process.env): number {
  const visible = environment.CUDA_VISIBLE_DEVICES;
  const present = driverGpus();
  if (visible === undefined) return present;
  const listed = visible.split(',').filter((entry) => entry.trim() !== '' && !entry.trim().startsWith('-'));
  return Math.min(listed.length, present);
}

/** Returns the CUDA device of the rank with number `localRank` on its node. Ranks take the GPUs in turn. */
export function deviceOf(localRank: number): number {
  const gpus = visibleGpus();
  return gpus > 0 ? localRank % gpus : 0;
}

/**
 * Returns the models of NVIDIA GPU in this machine, by the driver's names; empty if the driver does not list
 * them.
 */
export function gpuModels(folder = '/proc/driver/nvidia/gpus'): readonly string[] {
  const models = entries(folder, /./).flatMap((gpu) => {
    try {
      const text = readFileSync(join(folder, gpu, 'information'), 'utf8');
      return /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim() ?? [];
    } catch {
      return [];
    }
  });
  return [...new Set(models)].sort();
}

/** The driver lists each GPU in procfs; containers may show only the device nodes. */
function driverGpus(): number {
  return entries('/proc/driver/nvidia/gpus', /./).length || entries('/dev', /^nvidia\d+$/).length;
}

function entries(folder: string, pattern: RegExp): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => pattern.test(name));
  } catch {
    return [];
  }
}
