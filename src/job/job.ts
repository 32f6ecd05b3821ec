import { exitCode, JobError, messageOf } from '../errors.js';
import type { SessionGraphs } from '../model/precision.js';
import { type OpenedSession, openSession } from '../model/session.js';
import type { World } from '../mpi/world.js';
import type { Log } from '../report/log.js';
import { type Monitor, NO_MONITOR } from '../report/metrics.js';
import { openMonitor } from '../report/monitor.js';
import { writeRunReport } from '../report/run-report.js';
import { type RankReport, stageTimes, summaryLines } from '../report/summary.js';
import { openScratch } from '../storage/scratch.js';
import { onRoot, RootFailed } from './collective.js';
import type { JobOptions } from './options.js';
import { type PipelineShape, runPipeline } from './pipeline.js';
import { type PreparedJob, prepareJob } from './prepare.js';
import { completeOutput, openRootWork, pipelineEnds, type RootWork } from './root-work.js';
import type { Site } from './site.js';
import type { StopRequest } from './stop.js';

export interface JobContext {
  readonly world: World;
  readonly options: JobOptions;
  readonly log: Log;
  readonly stop: StopRequest;
  readonly modelsFolder: string;
  readonly version: string;
}

/** How a rank's session came up, as it tells the root. */
type SessionStatement =
  | {
      readonly ok: true;
      readonly provider: string;
      readonly precision: string;
      readonly fallback: string | null;
    }
  | {
      readonly ok: false;
      readonly rank: number;
      readonly host: string;
      readonly code: JobError['code'];
      readonly message: string;
      readonly hint: string | null;
    };

/** The most of a message that travels to the root. */
const MESSAGE_CHARACTERS = 1000;

/**
 * One job, on every rank: the root prepares, all open a session, all run the pipeline, the root assembles, verifies and
 * publishes. MPI or inference failing on one rank ends all ranks at once; any other failure ends them in order, and is a
 * `RootFailed`.
 */
export async function runJob(context: JobContext): Promise<void> {
  const { world, log, stop, version } = context;
  const scratch = openScratch();
  const monitor = world.isRoot ? await openMonitor(log, version) : NO_MONITOR;
  try {
    await runOn(context, { log, scratch, stopped: stop.aborted }, monitor);
    await monitor.close();
  } catch (error) {
    await monitor.close(error instanceof RootFailed ? error.cause : error);
    throw error;
  } finally {
    await scratch.dispose();
  }
}

async function runOn(context: JobContext, site: Site, monitor: Monitor): Promise<void> {
  const { world, options, log, stop } = context;
  const started = performance.now();
  const prepared = await onRoot(world, () =>
    monitor.phase('prepare', () => prepareJob(options, context.modelsFolder, context.version, site)),
  );
  for (const note of prepared?.notes ?? []) log.info(note);

  const shape = await world.broadcastValue(prepared && pipelineShape(options, prepared));
  const graphs = await broadcastGraphs(world, prepared);
  const opened = await monitor.phase('open sessions', () => openSessions(context, shape, graphs));
  const work = await onRoot(world, async () => prepared && openRootWork(options, prepared, site, monitor));
  const ends = work && pipelineEnds(work, stop);
  try {
    const began = performance.now();
    const mine = await monitor.phase('pipeline', async () => {
      try {
        return await runPipeline(world, opened.session, shape, ends);
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
    await onRoot(world, async () => {
      if (prepared === undefined || work === undefined || ranks === undefined) return;
      monitor.ranks(ranks, stageTimes(ranks));
      await ends?.refuseUnfinished();
      const frames = await completeOutput(options, prepared, work, log);
      const wallSeconds = (performance.now() - started) / 1000;
      await report(context, prepared, work, { frames, wallSeconds, pipelineSeconds, ranks });
    });
  } finally {
    await work?.close();
    await opened.session.dispose();
  }
}

function pipelineShape({ schedule }: JobOptions, prepared: PreparedJob): PipelineShape {
  const { batch, graph } = prepared;
  return { batch, schedule, frameBytes: graph.inputBytes, styledBytes: graph.outputBytes };
}

async function broadcastGraphs(world: World, prepared: PreparedJob | undefined): Promise<SessionGraphs> {
  const fp32 = await world.broadcastBytes(prepared?.graph.bytes);
  const fp16 = await world.broadcastBytes(prepared?.halfGraph);
  return { fp32, fp16: fp16.byteLength === 0 ? undefined : fp16 };
}

/** Opens a session on every rank; if any fails, the root says so for the first of them and all end. */
async function openSessions(
  context: JobContext,
  shape: PipelineShape,
  graphs: SessionGraphs,
): Promise<OpenedSession> {
  const { world, options, log } = context;
  let opened: OpenedSession | undefined;
  let statement: SessionStatement;
  try {
    opened = await openSession(graphs, {
      provider: options.provider,
      threads: options.threads,
      localRank: world.localRank,
      localSize: world.localSize,
      inputBytes: shape.batch * shape.frameBytes,
      outputBytes: shape.batch * shape.styledBytes,
    });
    const { provider, precision, fallback } = opened;
    statement = { ok: true, provider, precision, fallback: short(fallback) };
  } catch (error) {
    const { code, hint } = error instanceof JobError ? error : { code: 'internal' as const, hint: undefined };
    const message = messageOf(error).slice(0, MESSAGE_CHARACTERS);
    statement = { ok: false, rank: world.rank, host: world.host, code, message, hint: short(hint) };
  }
  const statements = await world.collect(statement);
  await onRoot(world, async () => {
    for (const one of statements ?? []) if (!one.ok) throw sessionFailure(one, world);
    logProviders(log, statements ?? []);
  });
  if (opened === undefined) throw new JobError('internal', `rank ${world.rank} has no session`);
  return opened;
}

function sessionFailure(statement: SessionStatement & { readonly ok: false }, world: World): JobError {
  const where = world.size > 1 ? `rank ${statement.rank} on ${statement.host}: ` : '';
  return new JobError(
    statement.code,
    `${where}${statement.message}`,
    statement.hint === null ? {} : { hint: statement.hint },
  );
}

function logProviders(log: Log, statements: readonly SessionStatement[]): void {
  const providers = statements.flatMap((one) => (one.ok ? [`${one.provider} in ${one.precision}`] : []));
  const kinds = [...new Set(providers)];
  const counts = kinds
    .map((kind) => `${providers.filter((one) => one === kind).length} x ${kind}`)
    .join(', ');
  log.info(`${statements.length} rank${statements.length === 1 ? '' : 's'}: ${counts}`);
  const reason = statements.flatMap((one) => (one.ok && one.fallback !== null ? [one.fallback] : []))[0];
  if (reason !== undefined) log.warn(`CUDA cannot be used, so the CPU is: ${reason}`);
}

/** This rank failed while the others wait for it: says why, and ends them all. */
async function abortWorld(
  { world, log }: JobContext,
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

async function report(
  context: JobContext,
  prepared: PreparedJob,
  work: RootWork,
  outcome: Outcome,
): Promise<void> {
  const { options, log, version } = context;
  const { source, graph, container, spec, model, input, destination } = prepared;
  const { frames, wallSeconds, pipelineSeconds, ranks } = outcome;
  const made = frames - work.restored;
  for (const warning of work.decoder.warnings) log.warn(warning);
  for (const line of summaryLines(made, wallSeconds, ranks)) log.info(line);
  log.info(`wrote ${destination.display}`);
  if (options.report === undefined) return;
  await writeRunReport(options.report, {
    version,
    input: {
      path: input.display,
      bytes: source.bytes,
      format: source.format,
      codec: source.video.codec,
      width: source.video.width,
      height: source.video.height,
    },
    output: {
      path: destination.display,
      container: container.name,
      codec: spec.codec,
      width: graph.output.width,
      height: graph.output.height,
      model: model.name,
      modelSize: model.size,
      modelSha256: model.sha256,
    },
    frames,
    framesMadeInThisRun: made,
    resumes: work.journal.resumes,
    wallSeconds,
    pipelineSeconds,
    ranks,
    notes: prepared.notes,
    concealed: work.decoder.concealed,
    warnings: work.decoder.warnings,
  });
}

function short(text: string | undefined): string | null {
  return text === undefined ? null : text.slice(0, MESSAGE_CHARACTERS);
}
