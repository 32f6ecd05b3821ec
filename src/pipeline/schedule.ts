export const SCHEDULES = ['even', 'dynamic'] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

/** Decides, on the root, how many frames of each round every rank gets, in rank order. */
export interface Schedule {
  /** Frames of each rank in the next round: at most the batch, and not all zero. */
  next(): readonly number[];
  /** The round that `next` gave last, where the video ends after `frames` of its frames: they are the sum. */
  last(frames: number): readonly number[];
  /** Seconds that a run took each rank lately; 0 where there is nothing new to tell. */
  learn(secondsPerRun: readonly number[]): void;
}

/** The schedule called `name` for rounds of up to `batch` frames on each of `ranks` ranks. */
export function scheduleOf(name: ScheduleName, ranks: number, batch: number): Schedule {
  switch (name) {
    case 'even':
      return evenSchedule(ranks, batch);
    case 'dynamic':
      return dynamicSchedule(ranks, batch);
  }
}

/**
 * Splits `frames` over `ranks` as evenly as can be, in order: the first `frames % ranks` ranks get one more. Ranks beyond
 * the number of frames get none. The sum is always `frames`.
 */
export function splitEvenly(frames: number, ranks: number): readonly number[] {
  const share = Math.floor(frames / ranks);
  const remainder = frames % ranks;
  return Array.from({ length: ranks }, (_, rank) => share + (rank < remainder ? 1 : 0));
}

function evenSchedule(ranks: number, batch: number): Schedule {
  const full = splitEvenly(ranks * batch, ranks);
  return { next: () => full, last: (frames) => splitEvenly(frames, ranks), learn: () => {} };
}

/** Ranks that are less than this much slower than the fastest count as equally fast: times vary by that much anyway. */
const SAME = 0.05;
/** Even the slowest rank gets a run in so many rounds, so that it is noticed when it has become faster. */
const MOST_ROUNDS_WITHOUT = 64;
/** How much of what is known of a rank's speed a new measurement replaces. */
const NEWS = 0.5;

/**
 * Gives ranks runs in proportion to their speed. The fastest has one in every round; every other rank collects its speed
 * relative to that one as credit, round by round, and has a run whenever it comes to a whole one. So a rank gets a whole
 * batch or nothing: the composed graph's batch is fixed, and part of one would take as long. Without measurements all are
 * equally fast.
 */
function dynamicSchedule(ranks: number, batch: number): Schedule {
  const seconds = Array<number>(ranks).fill(0);
  const credit = Array<number>(ranks).fill(0);
  let planned: readonly number[] = [];

  function speed(rank: number): number {
    const known = seconds.filter((one) => one > 0);
    const mine = seconds[rank] ?? 0;
    if (mine === 0 || known.length === 0) return 1;
    const relative = Math.min(...known) / mine;
    return relative > 1 - SAME ? 1 : Math.max(relative, 1 / MOST_ROUNDS_WITHOUT);
  }

  return {
    next() {
      planned = credit.map((before, rank) => {
        const now = before + speed(rank);
        const run = now >= 1 - Number.EPSILON * MOST_ROUNDS_WITHOUT;
        credit[rank] = run ? now - 1 : now;
        return run ? batch : 0;
      });
      return planned;
    },

    last(frames) {
      const counts = planned.map(() => 0);
      let left = frames;
      const fastestFirst = [...counts.keys()].sort((a, b) => (seconds[a] ?? 0) - (seconds[b] ?? 0));
      for (const rank of fastestFirst) {
        counts[rank] = Math.min(left, planned[rank] ?? 0);
        left -= counts[rank] ?? 0;
      }
      return counts;
    },

    learn(secondsPerRun) {
      for (const [rank, now] of secondsPerRun.entries()) {
        const before = seconds[rank] ?? 0;
        if (now > 0) seconds[rank] = before === 0 ? now : before + NEWS * (now - before);
      }
    },
  };
}
