export const SCHEDULES = ['even', 'dynamic'] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

/** Decides, on the root, how many frames of each round every rank gets, in rank order. */
export interface Schedule {
  /** Returns each rank's frames in the next round: at most the batch, and not all zero. */
  next(): readonly number[];
  /** Returns the counts of the round that `next` returned last, cut to the video's last `frames` frames. */
  last(frames: number): readonly number[];
  /** Takes each rank's recent seconds per run; 0 if there is nothing new. */
  learn(secondsPerRun: readonly number[]): void;
}

/**
 * Returns the schedule called `name` for rounds of up to `batch` frames on each of `ranks` ranks. At the end
 * of the video no rank gets a part of `run` frames that follow each other, of which `batch` is a multiple.
 */
export function scheduleOf(name: ScheduleName, ranks: number, batch: number, run = 1): Schedule {
  if (run > 1) return wholeRuns(scheduleOf(name, ranks, batch / run), run);
  switch (name) {
    case 'even':
      return evenSchedule(ranks, batch);
    case 'dynamic':
      return dynamicSchedule(ranks, batch);
  }
}

/**
 * Splits `frames` over `ranks` as evenly as possible, in order: the first `frames % ranks` ranks get one
 * more. The sum is always `frames`.
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

/** Returns a schedule that deals runs of frames, by one that deals frames. The last run may be short. */
function wholeRuns({ next, last, learn }: Schedule, run: number): Schedule {
  return {
    next: () => next().map((runs) => runs * run),
    last(frames) {
      let left = frames;
      return last(Math.ceil(frames / run)).map((runs) => {
        const own = Math.min(left, runs * run);
        left -= own;
        return own;
      });
    },
    learn,
  };
}

/** Ranks slower than the fastest by less than this share count as equally fast: run times vary by as much. */
const SPEED_TOLERANCE = 0.05;
/**
 * Even the slowest rank gets one run in this many rounds, so that the schedule notices when it becomes
 * faster.
 */
const MOST_ROUNDS_WITHOUT = 64;
/** Weight of a new measurement in the moving average of a rank's seconds per run. */
const NEW_WEIGHT = 0.5;

/**
 * Gives ranks runs in proportion to their speed. The fastest rank has a run in every round. Every other rank
 * collects its relative speed as credit, round by round, and has a run whenever the credit reaches 1. A rank
 * gets a whole batch or nothing: the composed graph's batch is fixed, and a part of it would take as long.
 * Without measurements all ranks count as equally fast.
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
    return relative > 1 - SPEED_TOLERANCE ? 1 : Math.max(relative, 1 / MOST_ROUNDS_WITHOUT);
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
        if (now > 0) seconds[rank] = before === 0 ? now : before + NEW_WEIGHT * (now - before);
      }
    },
  };
}
