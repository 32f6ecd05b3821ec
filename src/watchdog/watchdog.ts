import { STATUS_BYTES, type World } from '../mpi/world.js';
import { sayFailure } from '../report/failure.js';
import type { Log } from '../report/log.js';
import { killChildren } from '../system/children.js';
import { exitCode } from '../system/errors.js';
import { type Activity, createActivity, PIECE_WAIT } from './activity.js';
import { receiveBeats, sendBeats } from './beats.js';
import { type Beat, type Pulse, stallError, waitedFor } from './stall.js';

/** Detects that a job has stalled, warns about what it waits for, and ends it. */
export interface Watchdog {
  readonly activity: Activity;
  /**
   * Returns whether a rank with work has stalled for so long that other ranks should take it. For the root.
   */
  isStalled(rank: number): boolean;
  /** Returns the host of a rank. For the root. */
  hostOf(rank: number): string;
  /** Calls `look` at every beat, until the returned function is called. For the root. */
  onBeat(look: () => void): () => void;
  /** Returns what the job waits for, in words. For the root. */
  waitedFor(): string;
  /** Ends the watchdog on all ranks together. */
  stop(): Promise<void>;
}

/** The host of a rank that has not sent a beat yet. */
const UNKNOWN = 'an unknown host';
/** Most characters of a host name, and most steps under way, that fit into a beat. */
const MOST_HOST = 64;
const MOST_UNDER_WAY = 6;
const BEAT_SECONDS = 1;
/** Seconds without a move after which the root warns; less if half the timeout is less. */
const WARN_SECONDS = 60;

/**
 * Starts the watchdog. Every rank sends the root its state at each beat. If no rank, child process or
 * transfer has moved for a minute, the root warns about what it waits for; after `timeout` seconds (0: never)
 * it ends the job.
 */
export function startWatchdog(world: World, log: Log, timeout: number): Watchdog {
  // Over TCP the root reads beats like any data; several of one rank may come within a second.
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
    if (timeout > 0 && quiet >= timeout) endJob(stallError(known, quiet));
    if (warned !== quiet >= warnAfter) {
      warned = !warned;
      if (warned) log.warn(stallError(known, quiet).message, { event: 'stall', seconds: quiet });
      else log.info('the job makes progress again', { event: 'moves' });
    }
    for (const look of looks) look();
  }

  function endJob(error: Error): never {
    sayFailure(log, error);
    killChildren();
    if (world.size > 1) world.abort(exitCode(error));
    process.exit(exitCode(error));
  }

  const beats = world.isRoot ? receiveBeats(world, hear) : sendBeats(world, mine);
  beats.beat(); // at once, so that the root knows this rank's host
  const timer = setInterval(world.isRoot ? judge : beats.beat, BEAT_SECONDS * 1000);
  return {
    activity,
    isStalled(rank) {
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
