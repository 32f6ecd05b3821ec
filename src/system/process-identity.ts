import * as fs from 'node:fs/promises';
import { isPlainObject } from './plain-object.js';

/**
 * Names a process among all that share a folder, so that others can find out whether it still runs. A host
 * name is not enough: containers may share one, and each has pids of its own.
 */
export interface ProcessIdentity {
  /** Identifies the kernel's present run: it changes with every start of the machine. Empty if unknown. */
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /**
   * Start time in clock ticks since boot: a reused pid is another process. Empty if there is no such process.
   */
  readonly started: string;
}

/**
 * The state of a process. `unknown`: it is on another machine or in another container, so only its files can
 * tell.
 */
export type ProcessState = 'runs' | 'dead' | 'unknown';

/** Returns the identity of a process of this machine and container; by default that of this process. */
export async function identityOf(pid: number = process.pid): Promise<ProcessIdentity> {
  return {
    boot: (await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim(),
    pidNamespace: await fs.readlink('/proc/self/ns/pid').catch(() => ''),
    pid,
    started: await startTime(pid),
  };
}

/** Returns whether the process still runs that `identity` names, perhaps read from a file of unknown age. */
export async function stateOf(identity: Partial<ProcessIdentity>): Promise<ProcessState> {
  const { boot, pidNamespace, pid, started } = identity;
  if (!boot || !pidNamespace || pid === undefined || !started) return 'unknown';
  const now = await identityOf(pid);
  if (boot !== now.boot || pidNamespace !== now.pidNamespace) return 'unknown';
  return started === now.started ? 'runs' : 'dead';
}

/**
 * Returns field 22 of /proc/PID/stat (proc(5)), counted after the command name, which may hold spaces and
 * brackets. Empty for a zombie (field 3): it has ended, and in a container without an init no one may collect
 * its exit code.
 */
async function startTime(pid: number): Promise<string> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
}

/**
 * Returns what JSON of unknown origin says of a process; fields that are missing or of another type are left
 * out.
 */
export function identityIn(value: unknown): Partial<ProcessIdentity> {
  if (!isPlainObject(value)) return {};
  const { boot, pidNamespace, pid, started } = value;
  return {
    ...(typeof boot === 'string' ? { boot } : {}),
    ...(typeof pidNamespace === 'string' ? { pidNamespace } : {}),
    ...(typeof pid === 'number' ? { pid } : {}),
    ...(typeof started === 'string' ? { started } : {}),
  };
}
