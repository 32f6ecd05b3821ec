import { rankName } from '../mpi/world.js';
import { type PipelineShape, runPipeline } from '../pipeline/pipeline.js';
import { sayFailure } from '../report/failure.js';
import { exitCode } from '../system/errors.js';
import { openScratch } from '../system/scratch.js';
import { type Monitor, NO_MONITOR } from '../telemetry/metrics.js';
import type { Activity } from '../watchdog/activity.js';
import { onRoot, RootFailed } from './collective.js';
import type { RunContext } from './context/context.js';
import type { RunOptions } from './context/options.js';
import type { StorageContext } from './context/storage-context.js';
import { withinLimits } from './prepare/chooser.js';
import { tryHardware } from './prepare/hardware-trials.js';
import type { PreparedJob } from './prepare/prepare.js';
import type { RunFacts } from './report/run-report.js';
import { type RankReport, stageTimes } from './report/summary.js';
import type { RootJob } from './root-job.js';
import { openSessions } from './sessions.js';
import type { RootWork } from './split/root-work.js';

/**
 * One video, on every rank: the root, which alone has `root`, prepares, all open a session, all run the pipeline, the root
 * assembles, verifies and publishes. Gives what there is to report, on the root. MPI or inference failing on one rank ends
 * all ranks at once; any other failure ends the video in order, and is a `RootFailed`. `underWay` is called on the root when
 * the pipeline begins.
 */
export async function runJob(
  context: RunContext,
  root: RootJob | undefined,
  underWay: () => void = () => {},
): Promise<RunFacts | undefined> {
  const { log, stop } = context;
  const storage = root?.storage ?? { log, scratch: openScratch(), stopped: stop.aborted };
  const monitor = watched((await root?.begin()) ?? NO_MONITOR, context.watchdog.activity);
  try {
    const facts = await runOn(context, root, storage, monitor, underWay);
    await monitor.close();
    return facts;
  } catch (error) {
    await monitor.close(error instanceof RootFailed ? error.cause : error);
    throw error;
  } finally {
    await storage.scratch.dispose();
  }
}

async function runOn(
  context: RunContext,
  root: RootJob | undefined,
  storage: StorageContext,
  monitor: Monitor,
  underWay: () => void,
): Promise<RunFacts | undefined> {
  const { world, log, stop, options, watchdog } = context;
  const prepared = await onRoot(world, async () => root && monitor.phase('prepare', () => root.prepare()));
  if (await world.broadcastValue(prepared?.published)) {
    await onRoot(world, async () => prepared && root?.tidyUp(prepared));
    return undefined;
  }
  for (const note of prepared?.notes ?? []) log.info(note);

  const shape = await world.broadcastValue(prepared && pipelineShape(options, prepared));
  const opened = await monitor.phase('open sessions', () =>
    openSessions(context, shape, prepared?.graphs, prepared?.memory.dryRuns),
  );
  const trials = await tryHardware(world, options, prepared, storage);
  const splitting = options.split === 'frames' ? undefined : await import('./split/choose.js');
  const nvenc = trials?.ranks[0]?.nvenc?.works === true;
  const chooser = await splitting?.splitChooser(world, options, opened, shape, nvenc);
  const choose = chooser && withinLimits(chooser, world.size);
  const work = await onRoot(
    world,
    async () => prepared && trials && root?.openWork(prepared, monitor, { choose, trials }),
  );
  const mode = await world.broadcastValue(work?.mode);
  const pieces = work?.mode === 'segments' ? work : undefined;
  const ends = work?.mode === 'frames' ? root?.endsOf(work) : undefined;
  try {
    const began = performance.now();
    underWay();
    const mine = await monitor.phase('pipeline', async () => {
      try {
        if (mode === 'frames')
          return await runPipeline(world, opened.streams, shape, ends, watchdog.activity);
        const { runSegments } = await import('./split/segment-run.js');
        return await runSegments(context, opened.streams, shape, storage, pieces);
      } catch (error) {
        const cause = await causeOf(work, error);
        if (world.size > 1) await abortWorld(context, storage, work, cause);
        throw cause;
      } finally {
        work?.progress.stop();
      }
    });
    const pipelineSeconds = (performance.now() - began) / 1000;
    const ranks = await world.collect<RankReport>({
      rank: world.rank,
      host: world.host,
      provider: opened.provider,
      precision: opened.precision,
      peakMemory: process.resourceUsage().maxRSS * 1024,
      ...mine,
    });
    return await onRoot(world, async () => {
      if (!root || !prepared || !work || !ranks) return undefined;
      monitor.ranks(ranks, stageTimes(ranks));
      try {
        await (ends?.refuseUnfinished() ?? pieces?.refuseUnfinished(stop))?.catch((error: unknown) =>
          root.explain(prepared, error),
        );
        return await root.conclude(prepared, work, { pipelineSeconds, ranks });
      } catch (error) {
        throw await causeOf(work, error);
      }
    });
  } finally {
    await work?.close();
  }
}

/** Its phases are known to the watchdog. */
function watched(monitor: Monitor, activity: Activity): Monitor {
  return { ...monitor, phase: (name, work) => activity.during(name, monitor.phase(name, work)) };
}

function pipelineShape({ schedule }: RunOptions, prepared: PreparedJob): PipelineShape {
  const { batch, graph } = prepared;
  return { batch, schedule, frameBytes: graph.inputBytes, styledBytes: graph.rowBytes };
}

/** What a failure came of: once another job has taken the work over, whatever is missing or changed there is its doing. */
async function causeOf(work: RootWork | undefined, error: unknown): Promise<unknown> {
  return (
    work?.journal.store.check().then(
      () => error,
      (lost: unknown) => lost,
    ) ?? error
  );
}

/** This rank failed while the others wait for it: says why, and ends them all. */
async function abortWorld(
  { world, log }: RunContext,
  storage: StorageContext,
  work: RootWork | undefined,
  error: unknown,
): Promise<void> {
  sayFailure(log, error, rankName(world));
  await work?.close();
  await work?.monitor.close(error);
  await storage.scratch.dispose();
  world.abort(exitCode(error));
}
