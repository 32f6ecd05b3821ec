/** What the benchmarks share: running programs, and what repeated figures come to. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { MPI_ENVIRONMENT } from '../test/fixtures/job.js';

export interface Timed {
  readonly seconds: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Highest resident set of any process whose command line holds `watch`, in MiB. */
  readonly peakMebibytes: number;
}

/** Runs a program to its end, watching the memory of the processes that `watch` picks. Throws if it fails. */
export async function timed(program: string, args: readonly string[], watch?: number): Promise<Timed> {
  const start = performance.now();
  const child = spawn(program, args, { env: MPI_ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  let peak = 0;
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const sampler =
    watch === undefined
      ? undefined
      : setInterval(() => {
          peak = Math.max(peak, residentMebibytes(child.pid ?? -1));
        }, watch);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearInterval(sampler);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}`);
  return { seconds: (performance.now() - start) / 1000, stdout, stderr, peakMebibytes: peak };
}

/** VmHWM of a process: its highest resident set so far. */
function residentMebibytes(pid: number): number {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
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

/** `0.95 (0.93 to 0.96)` */
export function spreadText(values: readonly number[], digits = 2): string {
  const { median, least, most } = spread(values);
  return `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

export function machine(): string {
  return `${cpus().length} cores of ${cpus()[0]?.model ?? 'an unknown processor'}`;
}
