/** What stands for frames before the first one and after the last one: the nearest, or the video mirrored. */
export type Edge = 'replicate' | 'reflect';
export const EDGES: readonly Edge[] = ['replicate', 'reflect'];

/**
 * Returns the number of the frame that stands for frame `index`, which may lie before frame 0 or after frame
 * `end` - 1: the nearest, or the one that a mirror at the first or last frame shows.
 *
 * @param end number of frames of the video; undefined while that is not known, and `index` lies before it.
 */
export function frameAt(index: number, end: number | undefined, edge: Edge): number {
  if (index >= 0 && (end === undefined || index < end)) return index;
  const last = (end ?? Number.POSITIVE_INFINITY) - 1;
  if (edge === 'replicate' || last <= 0) return Math.max(0, Math.min(index, last));
  if (last === Number.POSITIVE_INFINITY) return Math.abs(index);
  // As long as the mirrors face each other.
  const period = 2 * last;
  const phase = ((index % period) + period) % period;
  return Math.min(phase, period - phase);
}
