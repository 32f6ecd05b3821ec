import type { World } from '../mpi/world.js';
import type { StageMeter } from './meter.js';
import type { Schedule } from './schedule.js';

/**
 * Returns a function that reports to the root's schedule each rank's seconds per run since the last call. All
 * ranks must call it together.
 */
export function speedReporter(world: World, meter: StageMeter, schedule: Schedule): () => Promise<void> {
  const mine = new Float64Array(1);
  const all = new Float64Array(world.isRoot ? world.size : 0);
  const one = Array<number>(world.size).fill(1);
  const bytes = (values: Float64Array): Uint8Array => new Uint8Array(values.buffer);
  let before = meter.inference();
  return async () => {
    const now = meter.inference();
    const runs = now.runs - before.runs;
    mine[0] = runs > 0 ? (now.seconds - before.seconds) / runs : 0;
    before = now;
    await world.gather(bytes(mine), one, mine.byteLength, world.isRoot ? bytes(all) : null);
    if (world.isRoot) schedule.learn([...all]);
  };
}
