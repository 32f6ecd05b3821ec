/** The processor time of this process and its children, as Linux counts it. */
import { readdirSync, readFileSync } from 'node:fs';
import { childPids } from './children.js';

/** Seconds so far. */
export interface ProcessorTime {
  /** Of this process and its children, in user mode and in the kernel. */
  readonly used: number;
  /**
   * That the threads of this process and of its running children ran, and that they could have run while
   * others had the processor.
   */
  readonly ran: number;
  readonly waited: number;
}

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const NANOSECONDS = 1e9;

/** Returns the processor time so far. Only differences mean something: threads that ended count no more. */
export function processorTime(): ProcessorTime {
  const { user, system } = process.cpuUsage();
  const pids = childPids();
  const running = pids.reduce((sum, pid) => sum + secondsIn(`/proc/${pid}/stat`, 11), 0);
  const used = (user + system) / 1e6 + secondsIn('/proc/self/stat', 13) + running;
  return { used, ...threadTimes(['self', ...pids]) };
}

/**
 * Returns the sum of two fields that follow each other in a stat file of proc(5): utime and stime (11), or
 * cutime and cstime (13), counted from 0 after the name. 0 if the process has ended.
 */
function secondsIn(path: string, field: number): number {
  const stat = textOf(path);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[field] ?? 0) + Number(fields[field + 1] ?? 0)) / TICKS_PER_SECOND;
}

/** Returns the times of the threads of processes; zeros where the kernel does not count them. */
function threadTimes(processes: readonly (number | string)[]): Pick<ProcessorTime, 'ran' | 'waited'> {
  let [ran, waited] = [0, 0];
  for (const folder of processes.map((one) => `/proc/${one}/task`)) {
    for (const thread of threadsIn(folder)) {
      const [on = 0, ready = 0] = textOf(`${folder}/${thread}/schedstat`).split(' ').map(Number);
      ran += on / NANOSECONDS;
      waited += ready / NANOSECONDS;
    }
  }
  return { ran, waited };
}

function threadsIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // the process has ended
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
