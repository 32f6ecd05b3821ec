import * as fs from 'node:fs/promises';

/**
 * Names a process among all that share a folder, so that it can be told later whether it still runs. A host name would
 * not do: containers may share one, and each counts pids of its own.
 */
export interface ProcessIdentity {
  /** Of the kernel's present run: another after every start of the machine. Empty where the system does not tell. */
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** Start time in clock ticks since boot: a reused pid is another process. Empty where there is no such process. */
  readonly started: string;
}

/** `unknown`: of another machine or container, so only what it does there can tell. */
export type ProcessState = 'runs' | 'dead' | 'unknown';

/** The identity of a process of this machine and container; of this process unless told otherwise. */
export async function identityOf(pid: number = process.pid): Promise<ProcessIdentity> {
  return {
    boot: (await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim(),
    pidNamespace: await fs.readlink('/proc/self/ns/pid').catch(() => ''),
    pid,
    started: await startTime(pid),
  };
}

/** Whether the process that `identity`, perhaps read from a file of unknown age, names still runs. */
export async function stateOf(identity: Partial<ProcessIdentity>): Promise<ProcessState> {
  const { boot, pidNamespace, pid, started } = identity;
  if (!boot || !pidNamespace || pid === undefined || !started) return 'unknown';
  const now = await identityOf(pid);
  if (boot !== now.boot || pidNamespace !== now.pidNamespace) return 'unknown';
  return started === now.started ? 'runs' : 'dead';
}

/**
 * proc(5): field 22 of /proc/PID/stat; counted after the command name, which may hold spaces and brackets. Nothing of a zombie
 * (field 3): it has ended, and in a container without an init nobody may ask for its exit code.
 */
async function startTime(pid: number): Promise<string> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
}
