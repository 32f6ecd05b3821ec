import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { JobError } from './errors.js';

/** A limit on the memory of the processes of one host: the machine's own, or a cgroup's. */
export interface MemoryBudget {
  /** The cgroup's path, as this process sees it; "" for the machine. */
  readonly cgroup: string;
  /** Bytes that are still free. */
  readonly free: number;
}

/** Reads a file as text; undefined if it cannot be read. */
export type ReadText = (path: string) => string | undefined;

/** Version 1 means "no limit" by a number near 2^63. */
const NO_LIMIT = 2 ** 60;

/**
 * Returns the memory that a rank may still take: the machine's, swap included, and that of each cgroup above
 * the rank that has a limit.
 */
export function memoryBudgets(read: ReadText = readText): readonly MemoryBudget[] {
  return [...machineBudget(read), ...cgroupBudgets(read)];
}

/**
 * Returns the bytes that the ranks of one host may take together, if the user sets them
 * (FRAMESCATTER_MAX_MEMORY). They replace what is found.
 *
 * @throws {JobError} usage: when it is not a number.
 */
export function memoryOverride(environment: NodeJS.ProcessEnv = process.env): number | undefined {
  const text = environment.FRAMESCATTER_MAX_MEMORY;
  if (text === undefined || text === '') return undefined;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new JobError('usage', `FRAMESCATTER_MAX_MEMORY is "${text}"; it must be a number of bytes`);
}

function machineBudget(read: ReadText): readonly MemoryBudget[] {
  const text = read('/proc/meminfo') ?? '';
  const kibibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1]);
  const free = 1024 * (kibibytes('MemAvailable') + kibibytes('SwapFree'));
  return Number.isFinite(free) ? [{ cgroup: '', free }] : [];
}

/** The file and field names of a version of cgroups. */
interface Version {
  readonly limit: string;
  readonly used: string;
  /** In memory.stat: memory that the kernel takes back when it runs short. */
  readonly reclaimable: string;
}

const VERSION_1: Version = {
  limit: 'memory.limit_in_bytes',
  used: 'memory.usage_in_bytes',
  reclaimable: 'total_inactive_file',
};
const VERSION_2: Version = { limit: 'memory.max', used: 'memory.current', reclaimable: 'inactive_file' };

function cgroupBudgets(read: ReadText): readonly MemoryBudget[] {
  const mounts = (read('/proc/self/mountinfo') ?? '').split('\n').flatMap(parseMount);
  return (read('/proc/self/cgroup') ?? '').split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const isSecond = controllers === '';
    if (!isSecond && !controllers.split(',').includes('memory')) return [];
    const mount = mounts.find(({ type, options }) =>
      isSecond ? type === 'cgroup2' : type === 'cgroup' && options.includes('memory'),
    );
    return mount === undefined ? [] : upwards(mount, path, isSecond ? VERSION_2 : VERSION_1, read);
  });
}

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Parses a line of mountinfo: see proc(5). */
function parseMount(line: string): readonly Mount[] {
  const [before = '', behind = ''] = line.split(' - ');
  const [root, point] = before.split(' ').slice(3);
  const [type, , options = ''] = behind.split(' ');
  return root === undefined || point === undefined || type === undefined
    ? []
    : [{ root, point, type, options: options.split(',') }];
}

/** Returns the budgets of a cgroup and of those above it, up to the mount point. */
function upwards(
  { root, point }: Mount,
  path: string,
  version: Version,
  read: ReadText,
): readonly MemoryBudget[] {
  const below = root === '/' ? path : path.startsWith(root) ? path.slice(root.length) : '';
  // In a cgroup namespace a path outside it begins with /.., and the mount is all that can be seen.
  const inside = posix.normalize(`/${below}`);
  const budgets: MemoryBudget[] = [];
  for (let at = inside; ; at = posix.dirname(at)) {
    const folder = posix.join(point, at);
    const limit = Number(read(posix.join(folder, version.limit)) ?? Number.NaN); // "max" is no number either
    const used = Number(read(posix.join(folder, version.used)) ?? Number.NaN);
    const stat = read(posix.join(folder, 'memory.stat')) ?? '';
    const reclaimable = Number(new RegExp(`^${version.reclaimable} (\\d+)`, 'm').exec(stat)?.[1] ?? 0);
    if (limit < NO_LIMIT && Number.isFinite(used))
      budgets.push({ cgroup: at, free: Math.max(0, limit - used + reclaimable) });
    if (at === '/') return budgets;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
