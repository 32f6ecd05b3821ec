import { connect } from '../storage/blob-client.js';
import { tryLockBlob } from '../storage/blob-lock.js';
import { type Location, nameBelow } from '../storage/location.js';
import { folderClaims } from './folder-claims.js';

/** A video that is this watcher's for now. */
export interface Claim {
  /** False where another watcher has taken it over since, thinking this one dead. */
  held(): Promise<boolean>;
  /** Gives it back. `settled` where nobody will need it again. */
  release(settled: boolean): Promise<void>;
}

/** `taken`: another watcher has it. `unsure`: another has, but may have died: look again soon. */
export type Refusal = 'taken' | 'unsure';

/** Claims on videos, of which any number of watchers hold each at most once. */
export interface Claims {
  /** Does not wait. */
  claim(key: string): Promise<Claim | Refusal>;
}

export interface ClaimTimes {
  /** Seconds that a dead watcher's claim in Blob storage lasts: 15 to 60. */
  readonly leaseSeconds?: number;
}

/** Claims in a folder of `state`. */
export async function openClaims(state: Location, times: ClaimTimes = {}): Promise<Claims> {
  if (state.kind === 'file') return folderClaims(state.path);
  const access = await connect(state);
  return {
    async claim(key) {
      const what = `the video ${key}`;
      const lock = await tryLockBlob(access, nameBelow(state, `claims/${key}`), {
        what,
        code: 'output',
        ...times,
      });
      if (lock === undefined) return 'taken';
      return {
        held: async () => {
          try {
            await lock.check();
            return true;
          } catch {
            return false;
          }
        },
        release: () => lock.release(),
      };
    },
  };
}
