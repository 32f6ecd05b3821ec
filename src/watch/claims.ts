import { connect } from '../storage/azure/blob-client.js';
import { tryLockBlob } from '../storage/azure/blob-lock.js';
import { type Location, nameBelow } from '../storage/location/location.js';
import type { Claims } from './claim.js';
import { folderClaims } from './folder-claims.js';

export interface ClaimTimes {
  /** The lifetime of a dead watcher's claim in Blob storage, in seconds: 15 to 60. */
  readonly leaseSeconds?: number;
}

/** Opens the claims in a folder of `state`. */
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
        release: async () => lock[Symbol.asyncDispose](),
      };
    },
  };
}
