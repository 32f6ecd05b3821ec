/** The choice of tiles: the user's, an earlier run's, or by the memory of the ranks. */
import type { ComposedGraph } from '../../model/compose/compose.js';
import { composeTiled } from '../../model/compose/compose-tiled.js';
import { leastTile, planTiles, type TilePlan, tileRule, untiled } from '../../model/compose/tile-plan.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import { JobError } from '../../system/errors.js';
import type { TileChoice } from '../context/options.js';
import type { Identity } from '../journal/identity.js';
import type { MemoryPlan } from './memory-plan.js';

/** The key, in a journal's identity, of the most pixels of a tile's side. Absent without tiles. */
const TILES = 'tiles';

/** Sides of tiles that `auto` tries. */
const SIDES = [2048, 1536, 1024, 768, 512, 384, 256] as const;

export interface TilingRequest {
  readonly asked: TileChoice;
  /** The identity in an earlier run's journal of this job. */
  readonly earlier: Identity | undefined;
  readonly model: LoadedModel;
  readonly batch: number;
  /** The graph for whole frames. */
  readonly whole: ComposedGraph;
  /** Plans the memory of a graph. */
  readonly memoryOf: (graph: ComposedGraph) => MemoryPlan;
  readonly split: 'frames' | 'segments';
}

/** The graph of a job, for frames or tiles. */
export interface Tiling {
  readonly graph: ComposedGraph;
  readonly memory: MemoryPlan;
  readonly identity: Identity;
  readonly notes: readonly string[];
}

/**
 * Chooses the graph of a job. `auto` takes tiles where whole frames do not fit into memory, if the result is
 * the same. A run that resumes a job takes those of the run before.
 *
 * @throws {JobError} usage: when the model cannot run in the tiles that the user wants; limit: when nothing
 *   fits into memory.
 */
export function chooseTiling(request: TilingRequest): Tiling {
  const { asked, earlier, whole, memoryOf, split } = request;
  const before = Number(earlier?.[TILES] ?? 0);
  const side = asked === 'auto' ? before : asked === 'off' ? 0 : asked;
  const ofFrames = (notes: readonly string[] = []): Tiling => ({
    ...{ graph: whole, memory: memoryOf(whole), identity: {}, notes },
  });
  if (side !== 0) {
    const tiling = inTiles(request, side) ?? ofFrames([`--tile ${side}: the whole frame is one tile`]);
    tiling.memory.refuseLack(split);
    return tiling;
  }
  const tiling = ofFrames();
  try {
    tiling.memory.refuseLack(split);
    return tiling;
  } catch (error) {
    if (asked === 'off' || earlier !== undefined || !(error instanceof JobError)) throw error;
    return smaller(request, error);
  }
}

/** Returns the largest tiles that fit into memory and give the same result. */
function smaller(request: TilingRequest, lack: JobError): Tiling {
  if (untiled(request.model) !== undefined) throw lack;
  const fits = ({ memory }: Tiling): boolean => {
    try {
      memory.refuseLack(request.split);
      return true;
    } catch {
      return false;
    }
  };
  for (const side of SIDES) {
    const tiling = inTiles(request, side);
    if (tiling === undefined || !fits(tiling)) continue;
    if (tiling.graph.tiles?.isExact) return tiling;
    throw new JobError(lack.code, lack.message, {
      hint: `${lack.hint ?? ''}. --tile ${side} would fit; ${changes(tiling.graph.tiles, request)}`,
      cause: lack,
    });
  }
  throw lack;
}

/** Returns the graph for tiles of at most this side; undefined if the whole frame is one. */
function inTiles({ model, whole, batch, memoryOf }: TilingRequest, side: number): Tiling | undefined {
  const why = untiled(model);
  if (why !== undefined) throw usage(`"${model.name}" ${why}, so --tile does not apply`);
  const rule = tileRule(model, whole.looks());
  const least = leastTile(rule);
  if (side < least)
    throw usage(`"${model.name}" takes tiles from ${least} pixels a side, and --tile is ${side}`);
  const tiles = planTiles(rule, model, whole.input, side);
  if (tiles === undefined) return undefined;
  const graph = composeTiled(model, whole.input, batch, tiles);
  const { width, height } = tiles.tile;
  const count = tiles.columns.length * tiles.rows.length;
  const what = `each frame is made in ${count} tiles of ${width}x${height}, which share ${tiles.shared} pixels`;
  return {
    ...{ graph, memory: memoryOf(graph), identity: { [TILES]: side } },
    notes: [
      tiles.isExact
        ? `${what}: the result is that of whole frames`
        : `${what}; ${changes(tiles, { model, whole })}`,
    ],
  };
}

/** Says how tiles change the result. */
function changes(
  tiles: TilePlan | undefined,
  { model, whole }: Pick<TilingRequest, 'model' | 'whole'>,
): string {
  const { reach, operator } = tileRule(model, whole.looks());
  const far = reach === undefined ? `looks at whole frames (${operator})` : `looks ${reach} pixels around`;
  const larger = reach === undefined ? '' : `; tiles of ${4 * reach} pixels or more would not`;
  return `they change the result, as the network ${far}${larger}. Edges are mixed over ${(tiles?.shared ?? 0) / 2} pixels`;
}

function usage(message: string): JobError {
  return new JobError('usage', message, { hint: 'omit --tile' });
}
