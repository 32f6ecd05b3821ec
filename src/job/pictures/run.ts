/** Runs a job of pictures, on the root and on the other ranks. */
import { deserialize, serialize } from 'node:v8';
import { decodeModel, encodeModel } from '../../model/graph/onnx.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { OpenedSession } from '../../model/session/session.js';
import { ROOT, rankName, type World } from '../../mpi/world.js';
import { type RankWork, StageMeter } from '../../pipeline/meter.js';
import { displayText } from '../../storage/location/location.js';
import { openScratch } from '../../system/scratch.js';
import type { Monitor } from '../../telemetry/metrics.js';
import { openMonitor } from '../../telemetry/monitor.js';
import { followRoot, leadRanks, RootFailed } from '../collective.js';
import type { RunContext } from '../context/context.js';
import type { StorageContext } from '../context/storage-context.js';
import { tidyUp } from '../output/publication.js';
import { type RankReport, stageTimes } from '../report/limits.js';
import { openSessions } from '../sessions.js';
import { localChannel } from '../split/channel.js';
import { deal } from '../split/deal.js';
import { refuseUnfinished } from '../split/unfinished.js';
import { concludePictures } from './conclude.js';
import type { PicturesWork } from './find.js';
import { type GroupsFromRank, type GroupsToRank, groupsToRank, groupsToRoot } from './messages.js';
import { type Entry, fittedSessions, sizedSessions } from './picture-sessions.js';
import { openPictureWork, type PictureWork } from './picture-work.js';
import { workOnPictures } from './picture-worker.js';
import { type PreparedPictures, preparePictures } from './prepare-pictures.js';

/*
 *   root                                      other ranks
 *   prepares the job, opens the journal       wait
 *   broadcasts how pictures enter the model   learn it; if there is nothing to make, wait and end
 *   opens its session                         open theirs, for the root's graphs
 *   broadcasts a model that takes any size    get it
 *   deals out groups of pictures, and works   work on groups
 *   collects the work of each rank            send theirs
 *   makes the table, publishes, says failures wait
 */

/** What every rank must know. */
interface Task {
  readonly entry: Entry;
  readonly onCpus: 'fp32' | 'int8';
  readonly strict: boolean;
  /** Bytes of a batch of the first graph, before and behind the model. */
  readonly trial: { readonly batch: number; readonly inputBytes: number; readonly rowBytes: number };
}

/**
 * Runs a job of pictures, on every rank together. Only the root passes `work`.
 *
 * @throws {RootFailed} when anything but MPI fails, or more pictures fail than may: on all ranks.
 */
export async function runPictures(context: RunContext, work: PicturesWork | undefined): Promise<void> {
  if (work === undefined) await runOnOther(context);
  else await runOnRoot(context, work);
}

async function runOnRoot(context: RunContext, found: PicturesWork): Promise<void> {
  const { world, log, stop, version, machines = [], watchdog } = context;
  const began = performance.now();
  await using scratch = openScratch();
  const storage: StorageContext = { log, scratch, stopped: stop.aborted };
  const monitor = await openMonitor(log, version);
  const phase = <T>(name: string, step: () => Promise<T>): Promise<T> =>
    watchdog.activity.during(name, monitor.phase(name, step));
  try {
    const { prepared, work } = await leadRanks(world, () =>
      phase('prepare', () => open(found, context, storage, monitor)),
    );
    if (work === undefined) {
      await world.broadcastValue<Task | null>(null);
      await leadRanks(world, () => tidyUp(prepared.job, displayText(found.options.target.name), storage));
    } else {
      await using _ = work;
      const isMore = work.remaining.toMake.length > 0;
      await world.broadcastValue(isMore ? taskOf(prepared) : null);
      const { ranks, pipelineSeconds } = isMore
        ? await make(context, prepared, work, phase)
        : { ranks: [], pipelineSeconds: 0 };
      monitor.ranks(ranks, stageTimes(ranks));
      await leadRanks(world, () =>
        phase('publish', () => {
          const wallSeconds = (performance.now() - began) / 1000;
          return concludePictures({ context, prepared, work, storage, wallSeconds, ranks, pipelineSeconds });
        }),
      );
    }
    await monitor.close();
  } catch (error) {
    await monitor.close(error instanceof RootFailed ? error.cause : error);
    throw error;
  }

  async function open(
    { options, found: all }: PicturesWork,
    { model }: RunContext,
    storage: StorageContext,
    monitor: Monitor,
  ): Promise<{ readonly prepared: PreparedPictures; readonly work: PictureWork | undefined }> {
    const prepared = await preparePictures({ options, found: all }, model, version, storage, machines);
    for (const note of prepared.notes) log.info(note);
    for (const line of decisionsOf(prepared)) log.detail(line);
    if (prepared.published) return { prepared, work: undefined };
    const work = await openPictureWork(prepared, storage, monitor);
    log.detail(`work folder: ${work.journal.store.location}`);
    return { prepared, work };
  }
}

/** Returns what was decided before the first picture, one line each: `--verbose` shows them. */
function decisionsOf({ pictures, model, entry, trial, target }: PreparedPictures): readonly string[] {
  const way =
    entry.kind === 'fitted'
      ? `through one graph of ${entry.to.size.width}x${entry.to.size.height}`
      : 'each through a graph of its size';
  return [
    `input: ${pictures.length} pictures, ${way}`,
    `model: ${model.name}, from ${model.file}, SHA-256 ${model.sha256}`,
    `batch: ${trial.batch} per run`,
    `output: ${target.kind === 'table' ? `a table, as ${target.format}` : 'a picture for each'}`,
  ];
}

type Phase = <T>(name: string, step: () => Promise<T>) => Promise<T>;

/** The work of each rank, and the seconds that it took. */
interface Made {
  readonly ranks: readonly RankReport[];
  readonly pipelineSeconds: number;
}

/** Makes the pictures on all ranks. */
async function make(
  context: RunContext,
  prepared: PreparedPictures,
  work: PictureWork,
  phase: Phase,
): Promise<Made> {
  const { world, log, stop, watchdog } = context;
  const task = taskOf(prepared);
  const opened = await phase('open sessions', () => openSessions(context, shapeOf(task), prepared.graphs));
  if (task.entry.kind === 'own-size') await world.broadcastBytes(packed(prepared.model));
  const began = performance.now();
  const local = localChannel<GroupsToRank, GroupsFromRank>();
  const others = Array.from({ length: world.size - 1 }, (_, at) => groupsToRank(world, at + 1));
  const dealing = deal({
    channels: [local.root, ...others],
    pieces: work.groups(),
    count: work.count,
    again: work.again,
    describe: work.describe,
    record: work.record,
    isStalled: watchdog.isStalled,
    repeat: watchdog.onBeat,
    stopped: stop.aborted,
  });
  const working = workOnPictures(workerOf(context, task, opened, () => prepared.model, local.rank));
  working.catch(() => {}); // thrown by the race, unless this rank is lost
  const { failure, lost } = await phase('pipeline', () =>
    Promise.race([dealing, working.then(() => dealing)]),
  );
  const pipelineSeconds = (performance.now() - began) / 1000;
  work.progress[Symbol.dispose]();
  for (const one of lost) {
    log.warn(
      `${rankName({ rank: one, host: watchdog.hostOf(one) })} has stalled; the job continues without it`,
    );
    world.leaveOut(one);
  }
  const mine = lost.includes(ROOT) ? new StageMeter().read() : await working;
  const ranks = (await world.collect(reportOf(world, opened, mine))) ?? [];
  await leadRanks(world, () => refuseUnfinished(failure, stop, work.journal.store.location));
  return { ranks, pipelineSeconds };
}

async function runOnOther(context: RunContext): Promise<void> {
  const { world, watchdog } = context;
  await followRoot(world);
  const task = await world.broadcastValue<Task | null>();
  if (task === null) return followRoot(world);
  const opened = await watchdog.activity.during(
    'open sessions',
    openSessions(context, shapeOf(task), undefined),
  );
  const model = task.entry.kind === 'own-size' ? await world.broadcastBytes() : new Uint8Array(0);
  const channel = groupsToRoot(world, ROOT);
  const mine = await workOnPictures(workerOf(context, task, opened, () => unpacked(model), channel));
  await world.collect(reportOf(world, opened, mine));
  await followRoot(world);
  await followRoot(world);
}

function taskOf({ entry, onCpus, trial, options }: PreparedPictures): Task {
  const { batch, inputBytes, rowBytes } = trial;
  return { entry, onCpus, strict: options.strict, trial: { batch, inputBytes, rowBytes } };
}

/** Returns the shape of the first graph, as for frames. */
function shapeOf({ trial }: Task) {
  const { batch, inputBytes, rowBytes } = trial;
  return { batch, share: batch, schedule: 'even', frameBytes: inputBytes, styledBytes: rowBytes } as const;
}

function workerOf(
  context: RunContext,
  { entry, onCpus, strict }: Task,
  opened: OpenedSession,
  model: () => LoadedModel,
  channel: Parameters<typeof workOnPictures>[0]['channel'],
): Parameters<typeof workOnPictures>[0] {
  const { world, watchdog } = context;
  const sessions =
    entry.kind === 'fitted'
      ? fittedSessions(opened, entry.graph)
      : sizedSessions(context, opened, model(), onCpus, entry.batch);
  return { world, entry, sessions, strict, channel, activity: watchdog.activity };
}

/** Returns a model as bytes. Only its ONNX part is more than plain data. */
function packed(model: LoadedModel): Uint8Array {
  return serialize({ ...model, proto: encodeModel(model.proto) });
}

function unpacked(bytes: Uint8Array): LoadedModel {
  const { proto, ...model } = deserialize(bytes) as Omit<LoadedModel, 'proto'> & {
    readonly proto: Uint8Array;
  };
  return { ...model, proto: decodeModel(proto) };
}

function reportOf({ rank, host }: World, { provider, precision }: OpenedSession, work: RankWork): RankReport {
  return { rank, host, provider, precision, peakMemory: process.resourceUsage().maxRSS * 1024, ...work };
}
