import type { JobOptions } from '../context/options.js';
import type { GpuNode } from './gpu-bound.js';

/** The most nodes, and ranks per node, of a plan. */
export const MOST_NODES = 1024;
export const MOST_RANKS_PER_NODE = 256;

/** What a plan is asked for. */
export interface PlanOptions {
  /** The job. Where no OUTPUT was given, its output is a name alone. */
  readonly job: JobOptions;
  readonly hasOutput: boolean;
  /** Numbers of nodes, ascending. */
  readonly nodes: readonly number[];
  readonly ranksPerNode: number;
  /** Nodes with other devices than this machine, for which only a bound is known. */
  readonly vm: GpuNode | undefined;
  /** Bytes per second between nodes, each way. */
  readonly network: number;
  readonly json: boolean;
}
