import type { World } from '../../mpi/world.js';
import { gpuModels, visibleGpus } from '../../system/devices.js';
import { type MemoryBudget, memoryBudgets } from '../../system/host-memory.js';
import { channelBlock, multipliesInt8, processorName } from '../../system/processor.js';

/** The hardware of a rank, known before any session is opened. */
export interface Machine {
  readonly gpus: number;
  /** True if the processor multiplies bytes exactly, by VNNI or AMX. */
  readonly int8: boolean;
  /** Names of the processor and the GPUs. A model runs alike on machines of one kind. */
  readonly kind: string;
  /** See `channelBlock`. */
  readonly channelBlock: number;
  /** Memory that is still free there, and bytes that this rank holds already. */
  readonly memory: readonly MemoryBudget[];
  readonly resident: number;
}

export interface RankMachine extends Machine {
  readonly rank: number;
  readonly host: string;
}

/** Returns the machine of every rank, on the root. All ranks call this together. */
export async function machinesOf(
  world: World,
  machine: Machine,
): Promise<readonly RankMachine[] | undefined> {
  return world.collect<RankMachine>({ ...machine, rank: world.rank, host: world.host });
}

/** Returns the number of hosts among the machines. */
export function nodesOf(machines: readonly Pick<RankMachine, 'host'>[]): number {
  return new Set(machines.map(({ host }) => host)).size;
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
