import type { World } from '../../mpi/world.js';
import { gpuModels, visibleGpus } from '../../system/devices.js';
import { type MemoryBudget, memoryBudgets } from '../../system/host-memory.js';
import { channelBlock, multipliesInt8, processorName } from '../../system/processor.js';

/** What a rank has to compute with, known before anything is opened. */
export interface Machine {
  readonly gpus: number;
  /** Whether its processor multiplies bytes exactly, by VNNI or AMX. */
  readonly int8: boolean;
  /** What its processor and GPUs are called: on machines of one kind a model runs alike. */
  readonly kind: string;
  /** See `channelBlock`. */
  readonly channelBlock: number;
  /** Memory that may still be taken there, and bytes that this rank holds already. */
  readonly memory: readonly MemoryBudget[];
  readonly resident: number;
}

export interface RankMachine extends Machine {
  readonly rank: number;
  readonly host: string;
}

/** What every rank has to compute with, on the root. All ranks call it together. */
export async function machinesOf(
  world: World,
  machine: Machine,
): Promise<readonly RankMachine[] | undefined> {
  return world.collect<RankMachine>({ ...machine, rank: world.rank, host: world.host });
}

export function thisMachine(): Machine {
  return {
    gpus: visibleGpus(),
    int8: multipliesInt8(),
    kind: [processorName(), ...gpuModels()].join(', '),
    channelBlock: channelBlock(),
    memory: memoryBudgets(),
    resident: process.memoryUsage.rss(),
  };
}
