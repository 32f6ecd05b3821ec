import { haloOf } from '../../model/ports/window.js';
import type { CutPlan } from '../../video/split/cut.js';
import type { StorageContext } from '../context/storage-context.js';
import { fewerFrames } from './batch.js';
import { refuseLargeBuffers } from './buffer-limits.js';
import type { PreparedJob } from './prepare.js';

/**
 * Wraps `choose`: if the video is not cut into pieces after all, its rounds must fit into the root's buffers
 * and memory. If they do not, the chooser rejects with JobError `limit`.
 */
export function withinLimits(choose: Chooser, ranks: number): Chooser {
  return async (prepared, ...more) => {
    const split = await choose(prepared, ...more);
    if (split.mode === 'frames') {
      const { share, graph, model } = prepared;
      const batch = share + haloOf(graph.window);
      refuseLargeBuffers({ batch, graph, fewer: fewerFrames(model) }, ranks);
      prepared.memory.refuseLack('frames');
    }
    return split;
  };
}

/** The split of the job's video over the ranks. */
export type Split = { readonly mode: 'frames' } | { readonly mode: 'segments'; readonly plan: CutPlan };

/** Chooses the split, on the root. `earlier` is the mode of an earlier run, from its journal. */
export type Chooser = (prepared: PreparedJob, storage: StorageContext, earlier: unknown) => Promise<Split>;
