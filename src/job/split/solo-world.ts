import { ROOT, type World } from '../../mpi/world.js';

/** A world of this rank alone, for a pipeline that no other rank takes part in: the root's own frames stay where they are. */
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
