import { readdirSync } from 'node:fs';

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

/** The driver lists each GPU in procfs; containers may show only the device nodes. */
function driverGpus(): number {
  return entries('/proc/driver/nvidia/gpus', /./) || entries('/dev', /^nvidia\d+$/);
}

function entries(folder: string, pattern: RegExp): number {
  try {
    return readdirSync(folder).filter((name) => pattern.test(name)).length;
  } catch {
    return 0;
  }
}
