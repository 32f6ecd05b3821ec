import type { World } from '../mpi/world.js';
import { isPlainObject } from '../system/plain-object.js';
import type { Beat } from './stall.js';

/** The heartbeat of this rank. */
export interface Beats {
  /** Sends the root this rank's state, unless the last beat is still under way. */
  beat(): void;
  /** Ends the beats on all ranks together. Afterwards no message is under way. */
  end(): Promise<void>;
}

/** The last beat of a rank. */
const LAST = 'last';

/** Returns whether a status is a beat. */
function isBeat(status: unknown): status is Beat {
  if (!isPlainObject(status)) return false;
  const { rank, host, moves, underWay } = status;
  const isNumbered = typeof rank === 'number' && typeof moves === 'number';
  return isNumbered && typeof host === 'string' && Array.isArray(underWay) && underWay.every(isPlainObject);
}

/** Receives the beats of all other ranks, on the root. */
export function receiveBeats(world: World, hear: (beat: Beat) => void): Beats {
  const listening = listen();
  listening.catch(() => {}); // thrown by `end`; until then the rank counts as silent
  async function listen(): Promise<void> {
    for (let left = world.size - 1; left > 0; ) {
      const status = await world.receiveStatus<unknown>();
      if (status === LAST) left -= 1;
      else if (isBeat(status)) hear(status);
    }
  }
  return { beat: () => {}, end: () => listening };
}

/** Sends the root the result of `tell` at every beat, on any other rank. */
export function sendBeats(world: World, tell: () => Beat): Beats {
  let telling: Promise<void> | undefined;
  return {
    beat() {
      if (telling !== undefined) return;
      telling = world
        .sendStatus(tell())
        .catch(() => {}) // if MPI fails, the job's own calls report it
        .finally(() => {
          telling = undefined;
        });
    },
    async end() {
      await telling;
      await world.sendStatus(LAST);
    },
  };
}
