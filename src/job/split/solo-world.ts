import { ROOT, type World } from '../../mpi/world.js';

/** Returns a world of this rank alone, for a pipeline without other ranks: its frames stay in place. */
export function soloWorld(world: World): World {
  return {
    ...world,
    rank: ROOT,
    size: 1,
    isRoot: true,
    broadcastInto: async () => {},
    scatter: async () => {},
    gather: async () => {},
  };
}
