import { inspectSegment, type SegmentFacts } from '../video/segment-packets.js';
import type { Journal } from './journal.js';

/** Looks finished segments through while others are still in work, so that putting them together does not begin with it. */
export interface Inspections {
  /** A segment has been recorded. */
  begin(index: number): void;
  /** The segments to put together, of which earlier runs may have made some. */
  all(indices: readonly number[]): Promise<readonly SegmentFacts[]>;
}

export function inspections(journal: Journal): Inspections {
  const begun = new Map<number, Promise<SegmentFacts>>();

  function inspected(index: number): Promise<SegmentFacts> {
    const looking = begun.get(index) ?? journal.segmentPath(index).then(inspectSegment);
    begun.set(index, looking);
    return looking;
  }

  return {
    begin: (index) => void inspected(index).catch(() => {}), // thrown in `all`
    all: (indices) => Promise.all(indices.map(inspected)),
  };
}
