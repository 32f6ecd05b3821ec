import { exitCode, messageOf } from '../errors.js';
import { deviceOf } from '../model/devices.js';
import { type Monitor, NO_MONITOR } from '../report/metrics.js';
import { openMonitor } from '../report/monitor.js';
import { type RunFacts, runReport, writeReport } from '../report/run-report.js';
import { type RankReport, stageTimes, summaryLines } from '../report/summary.js';
import { openScratch } from '../storage/scratch.js';
import { onRoot, RootFailed } from './collective.js';
import type { RunContext } from './context.js';
import { tryHardware } from './hardware-trials.js';
import type { JobOptions, RunOptions } from './options.js';
import { type PipelineShape, runPipeline } from './pipeline.js';
import { type PreparedJob, prepareJob } from './prepare.js';
import { completeOutput, openRootWork, pipelineEnds, type RootWork } from './root-work.js';
import { openSessions } from './sessions.js';
import type { Site } from './site.js';
import { splitChooser } from './split/choose.js';
import { runSegments } from './split/segment-run.js';

/**
 * One video, on every rank: the root, which alone has `job`, prepares, all open a session, all run the pipeline, the root
 * assembles, verifies and publishes. Gives what there is to report, on the root. MPI or inference failing on one rank ends
 * all ranks at once; any other failure ends the video in order, and is a `RootFailed`.
 */
export async function runJob(
  context: RunContext,
  job: JobOptions | undefined,
): Promise<RunFacts | undefined> {
  const { world, log, stop, version } = context;
  const scratch = openScratch();
  const monitor = world.isRoot ? await openMonitor(log, version) : NO_MONITOR;
  try {
    const facts = await runOn(context, job, { log, scratch, stopped: stop.aborted }, monitor);
    await monitor.close();
    return facts;
  } catch (error) {
    await monitor.close(error instanceof RootFailed ? error.cause : error);
    throw error;
  } finally {
    await scratch.dispose();
  }
}

/** A run of one video. */
export async function runOne(context: RunContext, job: JobOptions): Promise<void> {
  const { world, options } = context;
  const facts = await runJob(context, world.isRoot ? job : undefined);
  await onRoot(world, async () => {
    if (facts !== undefined && options.report !== undefined)
      await writeReport(options.report, runReport(facts));
  });
}

async function runOn(
  context: RunContext,
  job: JobOptions | undefined,
  site: Site,
  monitor: Monitor,
): Promise<RunFacts | undefined> {
  const { world, log, stop, version } = context;
  const started = performance.now();
  const prepared = await onRoot(
    world,
    async () => job && monitor.phase('prepare', () => prepareJob(job, context.model, version, site)),
  );
  for (const note of prepared?.notes ?? []) log.info(note);

  const shape = await world.broadcastValue(prepared && pipelineShape(context.options, prepared));
  const graphs = prepared && { fp32: prepared.graph.bytes, fp16: prepared.halfGraph };
  const opened = await monitor.phase('open sessions', () => openSessions(context, shape, graphs));
  const trials = await tryHardware(world, context.options, prepared, site);
  const choose = await splitChooser(
    world,
    context.options,
    opened,
    shape,
    trials?.ranks[0]?.nvenc?.works === true,
  );
  const device = deviceOf(world.localRank);
  const work = await onRoot(
    world,
    async () =>
      job && prepared && trials && openRootWork(job, prepared, { site, monitor, device }, { choose, trials }),
  );
  const mode = await world.broadcastValue(work?.mode);
  const pieces = work?.mode === 'segments' ? work : undefined;
  const ends = work?.mode === 'frames' ? pipelineEnds(work, stop) : undefined;
  try {
    const began = performance.now();
    const mine = await monitor.phase('pipeline', async () => {
      try {
        return mode === 'segments'
          ? await runSegments(world, opened.lanes, shape, site, pieces)
          : await runPipeline(world, opened.lanes, shape, ends);
      } catch (error) {
        if (world.size > 1) await abortWorld(context, site, work, error);
        throw error;
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
      ...mine,
    });
    return await onRoot(world, async () => {
      if (!job || !prepared || !work || !ranks) return undefined;
      monitor.ranks(ranks, stageTimes(ranks));
      await (ends?.refuseUnfinished() ?? pieces?.refuseUnfinished(stop));
      const frames = await completeOutput(job, prepared, work, log);
      const wallSeconds = (performance.now() - started) / 1000;
      const facts = factsOf(version, prepared, work, { frames, wallSeconds, pipelineSeconds, ranks });
      for (const warning of facts.warnings) log.warn(warning);
      for (const line of summaryLines(facts.framesMadeInThisRun, wallSeconds, ranks)) log.info(line);
      log.info(`wrote ${prepared.destination.display}`);
      return facts;
    });
  } finally {
    await work?.close();
  }
}

function pipelineShape({ schedule }: RunOptions, prepared: PreparedJob): PipelineShape {
  const { batch, graph } = prepared;
  return { batch, schedule, frameBytes: graph.inputBytes, styledBytes: graph.outputBytes };
}

/** This rank failed while the others wait for it: says why, and ends them all. */
async function abortWorld(
  { world, log }: RunContext,
  site: Site,
  work: RootWork | undefined,
  error: unknown,
): Promise<void> {
  log.error(`rank ${world.rank} on ${world.host}: ${messageOf(error)}`);
  await work?.close();
  await work?.monitor.close(error);
  await site.scratch.dispose();
  world.abort(exitCode(error));
}

interface Outcome {
  readonly frames: number;
  readonly wallSeconds: number;
  readonly pipelineSeconds: number;
  readonly ranks: readonly RankReport[];
}

function factsOf(version: string, prepared: PreparedJob, work: RootWork, outcome: Outcome): RunFacts {
  const { source, graph, container, spec, model, input, destination } = prepared;
  return {
    version,
    input: {
      path: input.display,
      bytes: source.bytes,
      format: source.format,
      codec: source.video.codec,
      decoder: work.hardware.nvdec ? 'nvdec' : 'software',
      width: source.video.width,
      height: source.video.height,
    },
    output: {
      path: destination.display,
      container: container.name,
      codec: spec.codec,
      encoder: work.hardware.encoder,
      width: graph.output.width,
      height: graph.output.height,
      model: model.name,
      modelSize: model.size,
      modelSha256: model.sha256,
    },
    ...outcome,
    framesMadeInThisRun: outcome.frames - work.restored,
    resumes: work.journal.resumes,
    notes: [...prepared.notes, ...work.hardware.notes],
    concealed: work.concealed,
    warnings: work.warnings,
  };
}
