import { STATUS_BYTES, type World } from '../mpi/world.js';
import { sayFailure } from '../report/failure.js';
import type { Log } from '../report/log.js';
import { killChildren } from '../system/children.js';
import { exitCode } from '../system/errors.js';
import { type Activity, createActivity, PIECE_WAIT } from './activity.js';
import { hearBeats, tellBeats } from './beats.js';
import { type Beat, type Pulse, standstill, waitedFor } from './standstill.js';

/** Sees that a job stands still, says what it waits for, and ends it at last. */
export interface Watchdog {
  readonly activity: Activity;
  /** On the root: whether a rank that has work has moved nothing for so long that others had better do it. */
  standsStill(rank: number): boolean;
  /** On the root: where a rank runs. */
  hostOf(rank: number): string;
  /** On the root: calls `look` at every beat, until the function that it gives is called. */
  onBeat(look: () => void): () => void;
  /** On the root: what is waited for, in words. */
  waitedFor(): string;
  /** Ends the watch in order, on all ranks together. */
  stop(): Promise<void>;
}

/** The host of a rank that has not been heard yet. */
const UNKNOWN = 'an unknown host';
/** Characters of a host's name, and things under way, that a beat has room for. */
const MOST_HOST = 64;
const MOST_UNDER_WAY = 6;
const BEAT_SECONDS = 1;
/** A job that has not moved for so long, or for half of what ends it, is said to stand still. */
const WARN_SECONDS = 60;

/**
 * Begins the watch: every rank tells the root at each beat what it is at. Where no rank, child process or transfer has moved
 * anything for a minute the root says what is waited for; after `timeout` seconds, unless that is 0, it ends the job.
 */
export function startWatchdog(world: World, log: Log, timeout: number): Watchdog {
  // Over TCP other ranks' beats are read like any data; several of a rank may come within a second.
  const activity = createActivity(world.isRoot ? 3 * STATUS_BYTES * world.size : 0);
  const warnAfter = timeout > 0 ? Math.min(WARN_SECONDS, timeout / 2) : WARN_SECONDS;
  const pulses = new Map<number, Pulse>(
    Array.from({ length: world.isRoot ? world.size : 0 }, (_, rank) => [rank, unheard(rank)]),
  );
  const looks = new Set<() => void>();
  let warned = false;

  const mine = (): Beat => ({
    rank: world.rank,
    host: world.host.slice(0, MOST_HOST),
    moves: activity.moves(),
    underWay: activity.underWay().slice(0, MOST_UNDER_WAY),
  });

  function hear(beat: Beat): void {
    const before = pulses.get(beat.rank);
    const still = before?.moves === beat.moves ? before.still : 0;
    pulses.set(beat.rank, { ...beat, silent: 0, still });
  }

  function judge(): void {
    hear(mine());
    for (const [rank, pulse] of pulses) {
      const { silent, still } = pulse;
      pulses.set(rank, { ...pulse, silent: silent + BEAT_SECONDS, still: still + BEAT_SECONDS });
    }
    const known = [...pulses.values()];
    const quiet = Math.min(...known.map(({ still }) => still));
    if (timeout > 0 && quiet >= timeout) endJob(standstill(known, quiet));
    if (warned !== quiet >= warnAfter) {
      warned = !warned;
      if (warned) log.warn(standstill(known, quiet).message, { event: 'stall', seconds: quiet });
      else log.info('it goes on', { event: 'moves' });
    }
    for (const look of looks) look();
  }

  function endJob(error: Error): never {
    sayFailure(log, error);
    killChildren();
    if (world.size > 1) world.abort(exitCode(error));
    process.exit(exitCode(error));
  }

  const beats = world.isRoot ? hearBeats(world, hear) : tellBeats(world, mine);
  beats.beat(); // at once: the root learns where this rank runs
  const timer = setInterval(world.isRoot ? judge : beats.beat, BEAT_SECONDS * 1000);
  return {
    activity,
    standsStill(rank) {
      const { silent = 0, still = 0, underWay = [] } = pulses.get(rank) ?? {};
      return silent >= warnAfter || (still >= warnAfter && !underWay.some(({ what }) => what === PIECE_WAIT));
    },
    hostOf: (rank) => pulses.get(rank)?.host ?? UNKNOWN,
    onBeat(look) {
      looks.add(look);
      return () => looks.delete(look);
    },
    waitedFor: () => waitedFor([...pulses.values()]),
    async stop() {
      clearInterval(timer);
      await beats.end();
    },
  };
}

function unheard(rank: number): Pulse {
  return { rank, host: UNKNOWN, moves: -1, underWay: [], silent: 0, still: 0 };
}
