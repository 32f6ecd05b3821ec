/** Runs programs and measures them, and summarizes repeated measurements. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { MPI_ENVIRONMENT } from '../test/fixtures/job.js';

export interface Timed {
  readonly seconds: number;
  /** CPU time, user and system, of the program and its children. Correct if no other child ends meanwhile. */
  readonly cpuSeconds: number;
  /** Bytes that they wrote to file systems on a device; likewise. */
  readonly writtenBytes: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TimedOptions {
  /** Called with the program's process id every `watchMs`, by default 50. */
  readonly watch?: (pid: number) => void;
  readonly watchMs?: number;
}

const WATCH_MS = 50;
/** USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Runs a program until it ends. Throws if it fails. */
export async function timed(
  program: string,
  args: readonly string[],
  { watch, watchMs = WATCH_MS }: TimedOptions = {},
): Promise<Timed> {
  const before = usedByChildren();
  const start = performance.now();
  const child = spawn(program, args, { env: MPI_ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const watching = watch && setInterval(() => watch(child.pid ?? -1), watchMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearInterval(watching);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}`);
  const seconds = (performance.now() - start) / 1000;
  const after = usedByChildren();
  return {
    seconds,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    writtenBytes: after.writtenBytes - before.writtenBytes,
    stdout,
    stderr,
  };
}

/**
 * Returns the use of all children that have ended, and theirs (proc(5): cutime, cstime; io is cumulative
 * too).
 */
function usedByChildren(): { readonly cpuSeconds: number; readonly writtenBytes: number } {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [Number(fields[13]), Number(fields[14])];
  const io = readFileSync('/proc/self/io', 'utf8');
  return {
    cpuSeconds: (user + system) / TICKS_PER_SECOND,
    writtenBytes: Number(/^write_bytes: (\d+)/m.exec(io)?.[1]),
  };
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median =
    sorted.length % 2 === 1
      ? (sorted[Math.floor(middle)] ?? 0)
      : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return { median, least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 };
}

/** Formats `0.95 (0.93 to 0.96)`, or a single value alone. */
export function spreadText(values: readonly number[], digits = 2): string {
  const { median, least, most } = spread(values);
  const text = median.toFixed(digits);
  return values.length === 1 ? text : `${text} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

export function machine(): string {
  return `${cpus().length} cores of ${cpus()[0]?.model ?? 'an unknown processor'}`;
}
