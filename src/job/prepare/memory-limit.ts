import { ROOT } from '../../mpi/world.js';
import { JobError } from '../../system/errors.js';
import type { RankMachine } from '../context/machine.js';
import type { FewerFrames } from './batch.js';
import { estimateMemory, type MemoryFacts, type RankNeed } from './memory-estimate.js';

/** The input of a memory check. */
export interface MemoryCheck {
  readonly facts: MemoryFacts;
  readonly machines: readonly Pick<RankMachine, 'rank' | 'host' | 'memory' | 'resident'>[];
  /** Bytes that the ranks of one host may take together, if the user sets them. */
  readonly override: number | undefined;
  /** What makes ranks take fewer frames at a time, if anything does. */
  readonly fewer: FewerFrames | undefined;
  /** Pixels of a source frame. */
  readonly pixels: number;
}

/** A memory limit that several ranks share, and the bytes that they may have in all. */
interface Limit {
  readonly host: string;
  readonly what: string;
  readonly bytes: number;
  readonly ranks: readonly number[];
}

/**
 * Refuses a job that needs more memory than its hosts, or the cgroups of its ranks, have: by an estimate,
 * before any large allocation.
 *
 * @throws {JobError} limit: when it does. The message says what is needed, what there is, and what would fit.
 */
export function refuseLackOfMemory(check: MemoryCheck): void {
  const needs = estimateMemory(check.facts);
  for (const limit of limitsOf(check)) {
    if (sum(needs, limit.ranks) <= limit.bytes) continue;
    throw new JobError('limit', describeLack(limit, needs), { hint: remedies(check, limit, needs) });
  }
}

function limitsOf({ machines, override }: MemoryCheck): readonly Limit[] {
  const found = new Map<
    string,
    { readonly host: string; what: string; free: number; ranks: number[]; resident: number }
  >();
  for (const { rank, host, memory, resident } of machines) {
    for (const { cgroup, free } of override === undefined ? memory : [{ cgroup: '', free: override }]) {
      const key = `${host} ${cgroup}`;
      const what =
        override !== undefined
          ? 'FRAMESCATTER_MAX_MEMORY allows'
          : cgroup === ''
            ? `${host} has`
            : `the cgroup ${cgroup} of ${host} leaves`;
      const known = found.get(key) ?? { host, what, free, ranks: [], resident: 0 };
      known.free = Math.min(known.free, free);
      known.ranks.push(rank);
      // The memory that ranks hold already is not free, but part of what they need.
      if (override === undefined) known.resident += resident;
      found.set(key, known);
    }
  }
  return [...found.values()].map(({ free, resident, ...limit }) => ({ ...limit, bytes: free + resident }));
}

function total({ own, codecs }: RankNeed): number {
  return own + codecs;
}

function sum(needs: readonly RankNeed[], ranks: readonly number[]): number {
  return ranks.reduce((bytes, rank) => bytes + (needs[rank] === undefined ? 0 : total(needs[rank])), 0);
}

function describeLack({ host, what, bytes, ranks }: Limit, needs: readonly RankNeed[]): string {
  const others = ranks.filter((rank) => rank !== ROOT).map((rank) => needs[rank]);
  const most = Math.max(0, ...others.map((need) => (need === undefined ? 0 : total(need))));
  const root = ranks.includes(ROOT) ? needs[ROOT] : undefined;
  const parts = [
    ...(root === undefined ? [] : [`rank 0 about ${memorySize(total(root))}, decoder and encoder included`]),
    ...(most > 0 ? [`${root === undefined ? 'each' : 'each other'} rank up to ${memorySize(most)}`] : []),
  ];
  const all = `the job needs about ${memorySize(sum(needs, ranks))} of memory on ${host} (${parts.join('; ')})`;
  return `${all}, and ${what} ${memorySize(bytes)}`;
}

/** Returns what would fit, by the same estimate. */
function remedies(check: MemoryCheck, limit: Limit, needs: readonly RankNeed[]): string {
  const { facts, fewer, pixels } = check;
  const fits = (other: MemoryFacts): boolean => sum(estimateMemory(other), limit.ranks) <= limit.bytes;
  const found: string[] = [];
  const ranks = mostRanks(limit, needs);
  if (ranks > 0 && ranks < limit.ranks.length) {
    found.push(`at most ${ranks} rank${ranks === 1 ? '' : 's'} on ${limit.host}`);
  }
  for (let batch = facts.batch - 1; batch > 0 && fewer !== undefined; batch -= 1) {
    if (!fits(withBatch(facts, batch, fewer))) continue;
    found.push(fewer.way(batch));
    break;
  }
  if (facts.split === 'frames' && fits({ ...facts, split: 'segments' })) found.push('--split segments');
  const smaller = [0.75, 0.5, 0.25, 0.1].find((factor) => fits(withPixels(facts, factor)));
  if (smaller !== undefined) {
    found.push(`a video of at most ${((pixels * smaller) / 1e6).toFixed(1)} megapixels per frame`);
  }
  const fitting =
    found.length > 0 ? `what fits: ${found.join(', or ')}` : 'the job needs a host with more memory';
  return `${fitting}. The estimate is coarse; FRAMESCATTER_MAX_MEMORY overrides the limit, in bytes per host`;
}

/** Returns how many of a limit's ranks fit, rank 0 first. */
function mostRanks({ ranks, bytes }: Limit, needs: readonly RankNeed[]): number {
  let left = bytes;
  return ranks.filter((rank) => {
    left -= sum(needs, [rank]);
    return left >= 0;
  }).length;
}

function withBatch(facts: MemoryFacts, batch: number, { inRun }: FewerFrames): MemoryFacts {
  if (!inRun) return { ...facts, batch };
  const ranks = facts.ranks.map((rank) => ({ ...rank, working: (rank.working * batch) / facts.batch }));
  return { ...facts, batch, ranks };
}

function withPixels(facts: MemoryFacts, factor: number): MemoryFacts {
  return {
    ...facts,
    frameBytes: facts.frameBytes * factor,
    decodedBytes: (facts.decodedBytes ?? facts.frameBytes) * factor,
    styledBytes: facts.styledBytes * factor,
    ranks: facts.ranks.map((rank) => ({ ...rank, working: rank.working * factor })),
  };
}

/** Returns bytes of memory as text: `300 MiB` or `1.5 GiB`. */
export function memorySize(bytes: number): string {
  const gibibytes = bytes / 2 ** 30;
  return gibibytes < 1 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${gibibytes.toFixed(1)} GiB`;
}
