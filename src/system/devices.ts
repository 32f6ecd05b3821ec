import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * How many NVIDIA GPUs this process may use: the entries of CUDA_VISIBLE_DEVICES where it is set (CUDA numbers devices
 * within it), else what the driver lists.
 */
export function visibleGpus(environment: NodeJS.ProcessEnv = process.env): number {
  const visible = environment.CUDA_VISIBLE_DEVICES;
  const present = driverGpus();
  if (visible === undefined) return present;
  const listed = visible.split(',').filter((entry) => entry.trim() !== '' && !entry.trim().startsWith('-'));
  return Math.min(listed.length, present);
}

/** The CUDA device of a rank that is number `localRank` of its node: ranks go round the GPUs. */
export function deviceOf(localRank: number): number {
  const gpus = visibleGpus();
  return gpus > 0 ? localRank % gpus : 0;
}

/** The kinds of NVIDIA GPU in this machine, by the driver's names for them; none where it does not tell. */
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
