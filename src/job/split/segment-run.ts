import type { Lanes } from '../../model/session/lanes.js';
import { placeOf } from '../../mpi/world.js';
import { type RankWork, StageMeter } from '../../pipeline/meter.js';
import type { PipelineShape } from '../../pipeline/pipeline.js';
import { deviceOf } from '../../system/devices.js';
import { readPieces } from '../../video/split/cut.js';
import type { RunContext } from '../context/context.js';
import type { Site } from '../context/site.js';
import { deal } from './deal.js';
import { type FromRank, lineTo, localLine, type ToRank } from './line.js';
import type { PieceWork } from './piece-work.js';
import { workOnPieces } from './piece-worker.js';

/**
 * The job in pieces: the root hands pieces of the compressed video out and records what becomes of them; every rank, the root
 * among them, decodes, infers and encodes. All ranks run this together; only the root has `work`, which keeps what failed.
 * Ranks that stood still to the end are left out of the world. Gives what this rank did.
 */
export async function runSegments(
  { world, watchdog, log }: Pick<RunContext, 'world' | 'watchdog' | 'log'>,
  lanes: Lanes,
  shape: PipelineShape,
  site: Site,
  work: PieceWork | undefined,
): Promise<RankWork> {
  const task = await world.broadcastValue(work?.task);
  const gpu = deviceOf(world.localRank);
  const { activity } = watchdog;
  const rank = { world, lanes, shape, task, gpu, activity, folder: await site.scratch.folder() };
  if (work === undefined) return workOnPieces({ ...rank, line: lineTo<FromRank, ToRank>(world, 0) });

  const local = localLine();
  const others = Array.from({ length: world.size - 1 }, (_, i) => lineTo<ToRank, FromRank>(world, i + 1));
  const dealing = deal({
    lines: [local.root, ...others],
    pieces: readPieces(task.source, work.plan, work.wanted),
    count: work.count,
    again: (indexes) => readPieces(task.source, work.plan, ({ index }) => indexes.has(index)),
    describe: work.describe,
    record: work.record,
    standsStill: watchdog.standsStill,
    repeat: watchdog.onBeat,
    stopped: site.stopped,
  });
  const working = workOnPieces({ ...rank, line: local.rank });
  working.catch(() => {}); // thrown by the race, unless this rank is lost
  const { failure, lost } = await Promise.race([dealing, working.then(() => dealing)]);
  work.failed(failure);
  for (const one of lost) {
    log.warn(`${placeOf({ rank: one, host: watchdog.hostOf(one) })} stands still, and is not waited for`);
    world.leaveOut(one);
  }
  return lost.includes(0) ? new StageMeter().read() : working;
}
