import type { World } from '../mpi/world.js';
import type { Beat } from './standstill.js';

/** This rank's part in the beats. */
export interface Beats {
  /** Tells the root what this rank is at, unless the last beat is still on its way. */
  beat(): void;
  /** Ends them in order, on all ranks together: nothing is on its way afterwards. */
  end(): Promise<void>;
}

/** A beat that is the last. */
const LAST = 'last';

/** Takes the beats of all other ranks in, on the root. */
export function hearBeats(world: World, hear: (beat: Beat) => void): Beats {
  const listening = listen();
  listening.catch(() => {}); // thrown at the end; a rank that is silent is seen to be
  async function listen(): Promise<void> {
    for (let left = world.size - 1; left > 0; ) {
      const beat = await world.receiveStatus<Beat | typeof LAST>();
      if (beat === LAST) left -= 1;
      else hear(beat);
    }
  }
  return { beat: () => {}, end: () => listening };
}

/** Tells the root at every beat what `tell` gives, on any other rank. */
export function tellBeats(world: World, tell: () => Beat): Beats {
  let telling: Promise<void> | undefined;
  return {
    beat() {
      if (telling !== undefined) return;
      telling = world
        .sendStatus(tell())
        .catch(() => {}) // where MPI fails, whatever waits for it says so
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
