import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { isPlainObject } from '../system/plain-object.js';
import { identityIn, identityOf, type ProcessIdentity, stateOf } from '../system/process-identity.js';
import type { Claim, ClaimRefusal, Claims } from './claim.js';

/** The interval of heartbeats, and the silence after which a holder on another machine counts as dead. */
const HEARTBEAT_MS = 2000;
const SILENCE_MS = 5 * HEARTBEAT_MS;

interface Holder extends ProcessIdentity {
  readonly beat: number;
  /**
   * `free`: released, so that the next claim may follow at once. As long as `held`, since it overwrites that.
   */
  readonly state: 'held' | 'free';
}

/**
 * Opens claims as files KEY.N, of which the highest N counts. A watcher takes over a dead holder's claim by
 * creating KEY.N+1, which only one can (O_EXCL). If it replaced the file instead, two watchers could replace
 * each other's. On this machine the process shows whether the holder is alive, elsewhere its heartbeat, by
 * this watcher's clock.
 */
export async function folderClaims(state: string): Promise<Claims> {
  const folder = join(state, 'claims');
  await fs.mkdir(folder, { recursive: true });
  const me = await identityOf();
  const heartbeats = new Map<string, { readonly text: string; readonly since: number }>();
  const path = (key: string, generation: number): string => join(folder, `${key}.${generation}`);

  async function generations(key: string): Promise<readonly number[]> {
    const names = await fs.readdir(folder);
    const found = names
      .filter((name) => name.startsWith(`${key}.`))
      .map((name) => name.slice(key.length + 1));
    return found.map(Number).sort((a, b) => a - b);
  }

  async function stateOfClaim(file: string): Promise<'free' | ClaimRefusal> {
    const text = await fs.readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) return 'taken'; // just settled
    const holder = parse(text);
    if (holder?.state === 'free') return 'free';
    const state = await stateOf(holder ?? {});
    if (state !== 'unknown') return state === 'runs' ? 'taken' : 'free';
    const earlier = heartbeats.get(file);
    if (earlier?.text !== text) {
      heartbeats.set(file, { text, since: performance.now() });
      return earlier === undefined ? 'unsure' : 'taken';
    }
    if (performance.now() - earlier.since < SILENCE_MS) return 'unsure';
    heartbeats.delete(file);
    return 'free';
  }

  function hold(key: string, generation: number): Claim {
    const file = path(key, generation);
    let beat = 0;
    let writing = Promise.resolve();
    const write = (state: Holder['state']): Promise<void> => {
      beat += 1;
      const text = JSON.stringify({ ...me, beat, state });
      // One after another, so that a heartbeat cannot undo the release. `held` notices a deleted claim.
      writing = writing.then(() => fs.writeFile(file, text, { flag: 'r+' })).catch(() => {});
      return writing;
    };
    const timer = setInterval(() => void write('held'), HEARTBEAT_MS);
    timer.unref();
    return {
      held: async () => (await generations(key)).at(-1) === generation,
      async release(settled) {
        clearInterval(timer);
        await write('free');
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
      const state = last === undefined ? 'free' : await stateOfClaim(path(key, last));
      if (state !== 'free') return state;
      const mine = (last ?? 0) + 1;
      const text = JSON.stringify({ ...me, beat: 0, state: 'held' });
      try {
        await fs.writeFile(path(key, mine), text, { flag: 'wx' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'taken';
        throw error;
      }
      // Since `last` was read, another watcher may have claimed and settled the video, and removed its file.
      if ((await generations(key)).at(-1) === mine) return hold(key, mine);
      await fs.rm(path(key, mine), { force: true });
      return 'taken';
    },
  };
}

/** Parses a claim; undefined for text that is just being written, or is not a claim. */
function parse(text: string): Partial<Holder> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isPlainObject(value)) return undefined;
    return { ...identityIn(value), ...(value.state === 'free' ? { state: 'free' } : {}) };
  } catch {
    return undefined;
  }
}
