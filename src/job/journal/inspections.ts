import { gate, inParallel } from '../../system/parallel.js';
import { inspectSegment, type SegmentFacts } from '../../video/mux/segment-packets.js';
import type { Journal } from './journal.js';

/** Inspects finished segments while others are still in work, so that muxing need not start with it. */
export interface Inspections {
  /** Starts to inspect a recorded segment. */
  begin(index: number): void;
  /** Returns the facts of the segments to mux, some of which earlier runs may have made. */
  all(indices: readonly number[]): Promise<readonly SegmentFacts[]>;
}

/** Most segments open at a time: a resumed job may have thousands from earlier runs. */
const AT_ONCE = 4;

/** Creates the inspections of one of the videos of the segments: the main one, number 0, or a further one. */
export function inspections(journal: Pick<Journal, 'segmentPath' | 'confirm'>, video = 0): Inspections {
  const begun = new Map<number, Promise<SegmentFacts>>();
  const inTurn = gate(AT_ONCE);

  async function inspect(index: number): Promise<SegmentFacts> {
    const facts = await inspectSegment(await journal.segmentPath(index, video));
    await journal.confirm(index, video, facts.sha256);
    return facts;
  }

  function inspected(index: number): Promise<SegmentFacts> {
    const looking = begun.get(index) ?? inTurn(() => inspect(index));
    begun.set(index, looking);
    return looking;
  }

  return {
    begin: (index) => void inspected(index).catch(() => {}), // thrown in `all`

    async all(indices) {
      const found: SegmentFacts[] = [];
      // Not all at the gate together: after the first failure the rest must not start.
      await inParallel(indices.entries(), AT_ONCE, async ([place, index]) => {
        found[place] = await inspected(index);
      });
      return found;
    },
  };
}
