import { gate, inParallel } from '../../system/parallel.js';
import { inspectSegment, type SegmentFacts } from '../../video/mux/segment-packets.js';
import type { Journal } from './journal.js';

/** Looks finished segments through while others are still in work, so that putting them together does not begin with it. */
export interface Inspections {
  /** A segment has been recorded. */
  begin(index: number): void;
  /** The segments to put together, of which earlier runs may have made some. */
  all(indices: readonly number[]): Promise<readonly SegmentFacts[]>;
}

/** Segments that are open at once: a resumed job may have thousands of earlier runs'. */
const AT_ONCE = 4;

export function inspections(journal: Pick<Journal, 'segmentPath' | 'confirm'>): Inspections {
  const begun = new Map<number, Promise<SegmentFacts>>();
  const inTurn = gate(AT_ONCE);

  async function inspect(index: number): Promise<SegmentFacts> {
    const facts = await inspectSegment(await journal.segmentPath(index));
    await journal.confirm(index, facts.sha256);
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
      // Not all of them at the gate: the first that fails keeps the rest from being begun.
      await inParallel(indices.entries(), AT_ONCE, async ([place, index]) => {
        found[place] = await inspected(index);
      });
      return found;
    },
  };
}
