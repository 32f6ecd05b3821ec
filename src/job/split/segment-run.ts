import { deviceOf } from '../../model/devices.js';
import type { Lanes } from '../../model/lanes.js';
import type { World } from '../../mpi/world.js';
import { readPieces } from '../../video/cut.js';
import type { RankWork } from '../meter.js';
import type { PipelineShape } from '../pipeline.js';
import type { Site } from '../site.js';
import { deal } from './deal.js';
import { type FromRank, lineTo, localLine, type ToRank } from './line.js';
import type { PieceWork } from './piece-work.js';
import { workOnPieces } from './piece-worker.js';

/**
 * The job in pieces: the root hands pieces of the compressed video out and records what becomes of them; every rank, the root
 * among them, decodes, infers and encodes. All ranks run this together; only the root has `work`, which keeps what failed.
 * Gives what this rank did.
 */
export async function runSegments(
  world: World,
  lanes: Lanes,
  shape: PipelineShape,
  site: Site,
  work: PieceWork | undefined,
): Promise<RankWork> {
  const task = await world.broadcastValue(work?.task);
  const gpu = deviceOf(world.localRank);
  const rank = { world, lanes, shape, task, gpu, folder: await site.scratch.folder() };
  if (work === undefined) return workOnPieces({ ...rank, line: lineTo<FromRank, ToRank>(world, 0) });

  const local = localLine();
  const others = Array.from({ length: world.size - 1 }, (_, i) => lineTo<ToRank, FromRank>(world, i + 1));
  const dealt = deal({
    lines: [local.root, ...others],
    pieces: readPieces(task.source, work.plan, work.wanted),
    count: work.count,
    describe: work.describe,
    record: work.record,
    stopped: site.stopped,
  });
  const [failure, mine] = await Promise.all([dealt, workOnPieces({ ...rank, line: local.rank })]);
  work.failed(failure);
  return mine;
}
