import type { InferenceStreams } from '../../model/session/inference-streams.js';
import { ROOT, rankName } from '../../mpi/world.js';
import { type RankWork, StageMeter } from '../../pipeline/meter.js';
import type { PipelineShape } from '../../pipeline/pipeline.js';
import { deviceOf } from '../../system/devices.js';
import { readPieces } from '../../video/split/cut.js';
import type { RunContext } from '../context/context.js';
import type { StorageContext } from '../context/storage-context.js';
import { channelToRank, channelToRoot, localChannel } from './channel.js';
import { deal } from './deal.js';
import type { PieceWork } from './piece-work.js';
import { workOnPieces } from './piece-worker.js';

/** The option that decides whether spans are kept. */
interface SpanRequest {
  readonly options: Pick<RunContext['options'], 'trace'>;
}

/**
 * Runs the job in pieces: the root deals out pieces of the compressed video and records the results; every
 * rank, the root too, decodes, infers and encodes. All ranks call this together; only the root has `work`,
 * which keeps a failure. Ranks that had stalled at the end are left out of the world. Returns the work of
 * this rank.
 */
export async function runSegments(
  { world, watchdog, log, options }: Pick<RunContext, 'world' | 'watchdog' | 'log'> & SpanRequest,
  streams: InferenceStreams,
  shape: PipelineShape,
  storage: StorageContext,
  work: PieceWork | undefined,
): Promise<RankWork> {
  const task = await world.broadcastValue(work?.task);
  const gpu = deviceOf(world.localRank);
  const { activity } = watchdog;
  const keepsSpans = options.trace !== undefined;
  const folder = await storage.scratch.folder();
  const rank = { world, streams, shape, task, gpu, activity, folder, keepsSpans };
  if (work === undefined) return workOnPieces({ ...rank, channel: channelToRoot(world) });

  const local = localChannel();
  const others = Array.from({ length: world.size - 1 }, (_, i) => channelToRank(world, i + 1));
  const dealing = deal({
    channels: [local.root, ...others],
    pieces: readPieces(task.source, work.plan, work.wanted),
    count: work.count,
    again: (indexes) => readPieces(task.source, work.plan, ({ index }) => indexes.has(index)),
    describe: work.describe,
    record: work.record,
    isStalled: watchdog.isStalled,
    repeat: watchdog.onBeat,
    stopped: storage.stopped,
  });
  const working = workOnPieces({ ...rank, channel: local.rank });
  working.catch(() => {}); // thrown by the race, unless this rank is lost
  const { failure, lost } = await Promise.race([dealing, working.then(() => dealing)]);
  work.failed(failure);
  for (const one of lost) {
    log.warn(
      `${rankName({ rank: one, host: watchdog.hostOf(one) })} has stalled; the job continues without it`,
    );
    world.leaveOut(one);
  }
  return lost.includes(ROOT) ? new StageMeter().read() : working;
}
