import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { identityOf, type ProcessIdentity, stateOf } from '../system/process-identity.js';
import type { Claim, Claims, Refusal } from './claim.js';

/** How often a holder shows that it lives, and how long a silent one on another machine is given. */
const BEAT_MS = 2000;
const SILENCE_MS = 5 * BEAT_MS;

interface Holder extends ProcessIdentity {
  readonly beat: number;
  /** `free`: given back, so that the next claim may be made at once. As long as the other: it is written over it. */
  readonly state: 'held' | 'free';
}

/**
 * Claims as files KEY.N, of which the one with the highest N counts. A dead holder's claim is taken over by creating
 * KEY.N+1, which only one can (O_EXCL); were the dead one's file replaced instead, two could each replace the other's. On
 * this machine death is seen from the process; elsewhere from a beat that stands still on this watcher's own clock.
 */
export async function folderClaims(state: string): Promise<Claims> {
  const folder = join(state, 'claims');
  await fs.mkdir(folder, { recursive: true });
  const me = await identityOf();
  const watched = new Map<string, { readonly text: string; readonly since: number }>();
  const path = (key: string, generation: number): string => join(folder, `${key}.${generation}`);

  async function generations(key: string): Promise<readonly number[]> {
    const names = await fs.readdir(folder);
    const found = names
      .filter((name) => name.startsWith(`${key}.`))
      .map((name) => name.slice(key.length + 1));
    return found.map(Number).sort((a, b) => a - b);
  }

  async function standing(file: string): Promise<'free' | Refusal> {
    const text = await fs.readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) return 'taken'; // settled this moment
    const holder = parse(text);
    if (holder?.state === 'free') return 'free';
    const state = await stateOf(holder ?? {});
    if (state !== 'unknown') return state === 'runs' ? 'taken' : 'free';
    const earlier = watched.get(file);
    if (earlier?.text !== text) {
      watched.set(file, { text, since: performance.now() });
      return earlier === undefined ? 'unsure' : 'taken';
    }
    if (performance.now() - earlier.since < SILENCE_MS) return 'unsure';
    watched.delete(file);
    return 'free';
  }

  function hold(key: string, generation: number): Claim {
    const file = path(key, generation);
    let beat = 0;
    let writing = Promise.resolve();
    const say = (state: Holder['state']): Promise<void> => {
      beat += 1;
      const text = JSON.stringify({ ...me, beat, state });
      // One after the other, lest a beat undo the release. A claim that has vanished is noticed by `held`.
      writing = writing.then(() => fs.writeFile(file, text, { flag: 'r+' })).catch(() => {});
      return writing;
    };
    const timer = setInterval(() => void say('held'), BEAT_MS);
    timer.unref();
    return {
      held: async () => (await generations(key)).at(-1) === generation,
      async release(settled) {
        clearInterval(timer);
        await say('free');
        if (!settled) return;
        for (const old of await generations(key)) {
          if (old <= generation) await fs.rm(path(key, old), { force: true });
        }
      },
    };
  }

  return {
    async claim(key) {
      const last = (await generations(key)).at(-1);
      const state = last === undefined ? 'free' : await standing(path(key, last));
      if (state !== 'free') return state;
      const mine = (last ?? 0) + 1;
      const text = JSON.stringify({ ...me, beat: 0, state: 'held' });
      try {
        await fs.writeFile(path(key, mine), text, { flag: 'wx' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'taken';
        throw error;
      }
      // Others may have come and gone since `last` was read, and removed what would have stopped us.
      if ((await generations(key)).at(-1) === mine) return hold(key, mine);
      await fs.rm(path(key, mine), { force: true });
      return 'taken';
    },
  };
}

/** Undefined for a text that is just being written. */
function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}
