import type { CutPlan } from '../../video/split/cut.js';
import type { StorageContext } from '../context/storage-context.js';
import { refuseLargeBuffers } from './buffer-limits.js';
import type { PreparedJob } from './prepare.js';

/** `choose`, but a video that is not cut into pieces after all has to fit into the root's buffers and memory. Errors: JobError `limit`, too. */
export function withinLimits(choose: Chooser, ranks: number): Chooser {
  return async (prepared, ...more) => {
    const split = await choose(prepared, ...more);
    if (split.mode === 'frames') {
      refuseLargeBuffers(prepared, ranks);
      prepared.memory.refuseLack('frames');
    }
    return split;
  };
}

/** How the job's video goes to the ranks. */
export type Split = { readonly mode: 'frames' } | { readonly mode: 'segments'; readonly plan: CutPlan };

/** Chooses, on the root, given the mode of an earlier run whose journal is there. */
export type Chooser = (prepared: PreparedJob, storage: StorageContext, earlier: unknown) => Promise<Split>;
