import type { OpenedSession } from '../model/session/session.js';
import { rankName } from '../mpi/world.js';
import { type RankWork, StageMeter } from '../pipeline/meter.js';
import { type PipelineShape, runPipeline } from '../pipeline/pipeline.js';
import { sayFailure } from '../report/failure.js';
import { exitCode, workError } from '../system/errors.js';
import { openScratch } from '../system/scratch.js';
import { type Monitor, NO_MONITOR } from '../telemetry/metrics.js';
import type { Activity } from '../watchdog/activity.js';
import { followRoot, leadRanks, RootFailed } from './collective.js';
import type { RunContext } from './context/context.js';
import type { RunOptions } from './context/options.js';
import type { StorageContext } from './context/storage-context.js';
import { type Chooser, withinLimits } from './prepare/chooser.js';
import { followHardwareTrials, type HardwareTrials, leadHardwareTrials } from './prepare/hardware-trials.js';
import type { PreparedJob } from './prepare/prepare.js';
import { type RankReport, stageTimes } from './report/limits.js';
import type { RunFacts } from './report/run-report.js';
import type { RootJob } from './root-job.js';
import { openSessions } from './sessions.js';
import type { FrameWork } from './split/open-work.js';
import type { PieceWork } from './split/piece-work.js';

/*
 * A job, on the root and on the other ranks. Both paths make the same collective calls in the same order: all
 * ranks take the steps of one row together.
 *
 *   root (runOnRoot)                          other ranks (runOnOther)
 *   prepares the job                          wait
 *   broadcasts whether it is published        learn it; if so, wait until its work is removed, and end
 *   broadcasts the shape of the pipeline      learn it
 *   opens its session                         open theirs, for the root's graphs
 *   tries its video engines                   try theirs, if they may decode and encode
 *   collects the ranks' ffmpeg versions       send theirs, if the video may be split into segments
 *   opens the journal                         wait
 *   broadcasts the split                      learn it
 *   runs the pipeline, or deals out pieces    run the pipeline, or work on pieces
 *   collects the work of each rank            send theirs
 *   muxes, verifies, publishes                wait
 */

/**
 * Runs the job of one video, on every rank together. Only the root passes `root`. Returns the facts for the
 * report on the root; undefined elsewhere, and if an earlier run has published the output. `underWay` is
 * called on the root when the pipeline starts.
 *
 * A failure of MPI or of inference on one rank ends all ranks at once.
 *
 * @throws {RootFailed} when anything else fails: on all ranks, so that the job ends in order.
 */
export async function runJob(
  context: RunContext,
  root: RootJob | undefined,
  underWay: () => void = () => {},
): Promise<RunFacts | undefined> {
  const { activity } = context.watchdog;
  if (root === undefined) {
    await using scratch = openScratch();
    const storage = { log: context.log, scratch, stopped: context.stop.aborted };
    await runOnOther(context, storage, watched(NO_MONITOR, activity));
    return undefined;
  }
  const monitor = watched(await root.begin(), activity);
  await using _ = root.storage.scratch;
  try {
    const facts = await runOnRoot(context, root, monitor, underWay);
    await monitor.close();
    return facts;
  } catch (thrown) {
    const error = workError(thrown);
    await monitor.close(error instanceof RootFailed ? error.cause : error);
    throw error;
  }
}

async function runOnRoot(
  context: RunContext,
  root: RootJob,
  monitor: Monitor,
  underWay: () => void,
): Promise<RunFacts | undefined> {
  const { world, stop, options, watchdog } = context;
  const { storage } = root;
  const prepared = await leadRanks(world, () => monitor.phase('prepare', () => root.prepare()));
  await world.broadcastValue(prepared.published);
  if (prepared.published) {
    await leadRanks(world, () => root.tidyUp(prepared));
    return undefined;
  }
  root.tell(prepared);
  const shape = await world.broadcastValue(pipelineShape(options, prepared));
  const opened = await monitor.phase('open sessions', () =>
    openSessions(context, shape, prepared.graphs, prepared.memory.dryRuns),
  );
  const trials = await leadHardwareTrials(world, options, prepared, storage);
  const choose = await openChooser(context, opened, shape, trials);
  await using work = await leadRanks(world, () => root.openWork(prepared, monitor, { choose, trials }));
  await world.broadcastValue(work.mode);
  const ends = work.mode === 'frames' ? root.endsOf(work) : undefined;
  const pieces = work.mode === 'segments' ? work : undefined;

  async function runFrames(): Promise<RankWork> {
    using _ = work.progress;
    try {
      if (ends !== undefined)
        return await runPipeline(world, opened.streams, shape, ends, watchdog.activity, meterOf(context));
      const { runSegments } = await import('./split/segment-run.js');
      return await runSegments(context, opened.streams, shape, storage, pieces);
    } catch (error) {
      const cause = await causeOf(work, error);
      if (world.size > 1) await abortWorld(context, storage, cause, work);
      throw cause;
    }
  }

  const began = performance.now();
  underWay();
  const mine = await monitor.phase('pipeline', runFrames);
  const pipelineSeconds = (performance.now() - began) / 1000;
  const ranks = (await world.collect(rankReport(context, opened, mine))) ?? [];
  return await leadRanks(world, async () => {
    monitor.ranks(ranks, stageTimes(ranks));
    try {
      const unfinished = ends?.refuseUnfinished() ?? pieces?.refuseUnfinished(stop);
      await unfinished?.catch((error: unknown) => root.explain(prepared, error));
      return await root.conclude(prepared, work, { pipelineSeconds, ranks });
    } catch (error) {
      throw await causeOf(work, error);
    }
  });
}

async function runOnOther(context: RunContext, storage: StorageContext, monitor: Monitor): Promise<void> {
  const { world, options, watchdog } = context;
  await followRoot(world);
  if (await world.broadcastValue<boolean>()) return followRoot(world);
  const shape = await world.broadcastValue<PipelineShape>();
  const opened = await monitor.phase('open sessions', () => openSessions(context, shape, undefined));
  await followHardwareTrials(world, options, storage);
  await openChooser(context, opened, shape, undefined);
  await followRoot(world);
  const mode = await world.broadcastValue<(FrameWork | PieceWork)['mode']>();

  async function runFrames(): Promise<RankWork> {
    try {
      if (mode === 'frames')
        return await runPipeline(
          world,
          opened.streams,
          shape,
          undefined,
          watchdog.activity,
          meterOf(context),
        );
      const { runSegments } = await import('./split/segment-run.js');
      return await runSegments(context, opened.streams, shape, storage, undefined);
    } catch (error) {
      await abortWorld(context, storage, error);
      throw error;
    }
  }

  const mine = await monitor.phase('pipeline', runFrames);
  await world.collect(rankReport(context, opened, mine));
  await followRoot(world);
}

/** Returns the monitor, with its phases known to the watchdog. */
function watched(monitor: Monitor, activity: Activity): Monitor {
  return { ...monitor, phase: (name, work) => activity.during(name, monitor.phase(name, work)) };
}

/** Returns what every rank must know of a composed graph to run the pipeline. */
export function pipelineShape(
  { schedule }: Pick<RunOptions, 'schedule'>,
  { batch, share, graph }: Pick<PreparedJob, 'batch' | 'share' | 'graph'>,
): PipelineShape {
  const { input, inputBytes, rowBytes, table, window, every, chunk, cuts, tiles } = graph;
  return {
    ...{ batch, share, schedule, frameBytes: inputBytes, styledBytes: rowBytes },
    sample: input.sample,
    ...(table === undefined ? {} : { table }),
    ...(window === undefined ? {} : { window }),
    ...(every === undefined ? {} : { every }),
    ...(chunk === undefined ? {} : { chunk }),
    ...(cuts === undefined ? {} : { cuts }),
    ...(tiles === undefined ? {} : { tiles }),
  };
}

/** Opens what chooses how the video is split, on all ranks together. `trials` are known on the root. */
async function openChooser(
  { world, options }: RunContext,
  opened: OpenedSession,
  shape: PipelineShape,
  trials: HardwareTrials | undefined,
): Promise<Chooser | undefined> {
  if (options.split === 'frames') return undefined;
  const { splitChooser } = await import('./split/choose.js');
  const nvenc = trials?.ranks[0]?.nvenc?.works === true;
  return withinLimits(await splitChooser(world, options, opened, shape, nvenc), world.size);
}

/** Returns the meter of this rank's work in a pipeline that begins now. */
function meterOf({ options, watchdog }: RunContext): StageMeter {
  return new StageMeter(watchdog.activity, options.trace !== undefined);
}

function rankReport({ world }: RunContext, opened: OpenedSession, work: RankWork): RankReport {
  return {
    rank: world.rank,
    host: world.host,
    provider: opened.provider,
    precision: opened.precision,
    peakMemory: process.resourceUsage().maxRSS * 1024,
    ...work,
  };
}

/**
 * Returns the cause of a failure: if another job has taken the work over, it removed or changed what is
 * missing here.
 */
async function causeOf(work: FrameWork | PieceWork, error: unknown): Promise<unknown> {
  return work.journal.store.check().then(
    () => error,
    (lost: unknown) => lost,
  );
}

/** Logs why this rank failed and ends all ranks, which would wait for it. */
async function abortWorld(
  { world, log }: RunContext,
  storage: StorageContext,
  error: unknown,
  work?: FrameWork | PieceWork,
): Promise<void> {
  sayFailure(log, error, rankName(world));
  await work?.[Symbol.asyncDispose]();
  await work?.monitor.close(error);
  await storage.scratch[Symbol.asyncDispose]();
  world.abort(exitCode(error));
}
