import { type ScheduleName, splitEvenly } from '../../pipeline/schedule.js';
import type { RankMachine } from '../context/machine.js';

/** The facts that decide how many ranks a video keeps busy. */
export interface Rounds {
  readonly schedule: ScheduleName;
  /** Frames per rank and round. */
  readonly batch: number;
}

/**
 * Returns which of `ranks` ranks will get frames of a video of about `frames` frames: all, unless it ends
 * within the first round. This is an estimate for memory and time only: a rank that gets frames after all
 * allocates what it needs then.
 */
export function busyRanks(
  frames: number | undefined,
  ranks: number,
  { schedule, batch }: Rounds,
): readonly boolean[] {
  if (frames === undefined || frames >= ranks * batch) return Array<boolean>(ranks).fill(true);
  const counts =
    schedule === 'even'
      ? splitEvenly(frames, ranks)
      : Array.from({ length: ranks }, (_, rank) => frames - rank * batch);
  return counts.map((count) => count > 0);
}

/**
 * Returns which ranks make a dry run before the first frame: those that will get frames, and one per kind of
 * machine.
 */
export function dryRunRanks(
  busy: readonly boolean[],
  machines: readonly Pick<RankMachine, 'kind'>[],
): readonly boolean[] {
  const tried = new Set(machines.filter((_, rank) => busy[rank]).map(({ kind }) => kind));
  return busy.map((will, rank) => {
    const kind = machines[rank]?.kind;
    if (will || kind === undefined || tried.has(kind)) return will;
    tried.add(kind);
    return true;
  });
}
