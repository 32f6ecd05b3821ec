import { deviceOf } from '../system/devices.js';
import { JobError } from '../system/errors.js';
import { openScratch } from '../system/scratch.js';
import type { Monitor } from '../telemetry/metrics.js';
import { openMonitor } from '../telemetry/monitor.js';
import type { RunContext } from './context/context.js';
import type { JobOptions } from './context/options.js';
import type { StorageContext } from './context/storage-context.js';
import { tidyUp } from './output/publication.js';
import { preparedDecisions, workDecisions } from './prepare/decisions.js';
import { type PreparedJob, prepareJob } from './prepare/prepare.js';
import type { RunFacts } from './report/run-report.js';
import { type RankReport, summaryLines } from './report/summary.js';
import {
  type Choices,
  type Completed,
  completeOutput,
  type FrameWork,
  openRootWork,
  pipelineEnds,
  type RootEnds,
  refuseChangedInput,
} from './split/open-work.js';
import type { PieceWork } from './split/piece-work.js';
import type { RootWork } from './split/root-work.js';

/** Errors that an input may cause that is written to, or replaced, while it is read. */
const EXPLAINED: readonly JobError['code'][] = ['input', 'ffmpeg', 'internal'];

/** One video's job on the root. Only the root loads this code. */
export interface RootJob {
  readonly storage: StorageContext;
  /**
   * Makes every decision before the first frame. A second call joins the first or, if that failed, starts
   * again.
   */
  prepare(): Promise<PreparedJob>;
  /** Ends the preparation of a job that will not run, and drops its results. */
  drop(): Promise<void>;
  /** Starts the job's clock and opens its monitor. */
  begin(): Promise<Monitor>;
  /** Logs the notes about the decisions and, with `--verbose`, the decisions. */
  tell(prepared: PreparedJob): void;
  openWork(prepared: PreparedJob, monitor: Monitor, choices: Choices): Promise<FrameWork | PieceWork>;
  endsOf(work: FrameWork): RootEnds;
  /**
   * Throws the pipeline's error or, if the input has changed meanwhile and that explains it, that the input
   * changed.
   */
  explain(prepared: PreparedJob, error: unknown): Promise<never>;
  /** Removes the work of an output that an earlier run has published. */
  tidyUp(prepared: PreparedJob): Promise<void>;
  /** Muxes, verifies and publishes the output, and logs the summary. */
  conclude(prepared: PreparedJob, work: RootWork, pipeline: PipelineOutcome): Promise<RunFacts>;
}

/** The work of all ranks. */
export interface PipelineOutcome {
  readonly pipelineSeconds: number;
  readonly ranks: readonly RankReport[];
}

/** Creates the job of a video. The caller must run or drop it. */
export function rootJob(context: RunContext, job: JobOptions): RootJob {
  const { log, stop, version, world, machines = [] } = context;
  const dropped = new AbortController();
  const stopped = AbortSignal.any([stop.aborted, dropped.signal]);
  const storage = { log, scratch: openScratch(), stopped };
  let preparing: Promise<PreparedJob> | undefined;
  let began = performance.now();

  return {
    storage,

    prepare() {
      preparing ??= prepareJob(job, context.model, version, storage, machines);
      preparing.catch(() => {
        preparing = undefined;
      });
      return preparing;
    },

    async drop() {
      dropped.abort();
      await preparing?.catch(() => {});
      await storage.scratch[Symbol.asyncDispose]();
    },

    begin() {
      began = performance.now();
      return openMonitor(log, version);
    },

    tell(prepared) {
      for (const note of prepared.notes) log.info(note);
      for (const line of preparedDecisions(prepared)) log.detail(line);
    },

    async openWork(prepared, monitor, choices) {
      const place = { storage, monitor, device: deviceOf(world.localRank) };
      const work = await openRootWork(job, prepared, place, choices);
      for (const line of workDecisions(job, prepared, work)) log.detail(line);
      return work;
    },

    async explain(prepared, error) {
      if (error instanceof JobError && EXPLAINED.includes(error.code)) await refuseChangedInput(prepared);
      throw error;
    },

    tidyUp: (prepared) => tidyUp(job, prepared.destination.display, storage),

    endsOf: (work) => pipelineEnds(work, stop),

    async conclude(prepared, work, { ranks, pipelineSeconds }) {
      const completed = await completeOutput(job, prepared, work, log);
      const wallSeconds = (performance.now() - began) / 1000;
      const facts = factsOf(version, prepared, work, { completed, wallSeconds, pipelineSeconds, ranks });
      for (const warning of facts.warnings) log.warn(warning);
      for (const line of summaryLines(facts.framesMadeInThisRun, facts, ranks, world.size)) log.info(line);
      const besides = (prepared.table?.files ?? []).flatMap(({ beside }) => beside?.display ?? []);
      const rows = completed.rows.length === 0 ? '' : `, ${completed.rows.join(' and ')} rows`;
      log.info(`wrote ${[prepared.destination.display, ...besides].join(' and ')}${rows}`);
      return facts;
    },
  };
}

interface Outcome extends PipelineOutcome {
  readonly completed: Completed;
  readonly wallSeconds: number;
}

function factsOf(version: string, prepared: PreparedJob, work: RootWork, outcome: Outcome): RunFacts {
  const { completed, ...pipeline } = outcome;
  const { source, graph, video, table, model, input, destination } = prepared;
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
      container: video?.container.name,
      codec: video?.spec.codec,
      encoder: video && work.hardware.encoder,
      width: graph.output?.width,
      height: graph.output?.height,
      table: table && (table.files[0]?.beside ?? destination).display,
      tableRows: completed.rows[0],
      model: model.name,
      modelSize: model.size,
      modelSha256: model.sha256,
    },
    tables: table?.files.map(({ beside }, at) => ({
      name: table.plan.tables[at]?.name,
      path: (beside ?? destination).display,
      rows: completed.rows[at],
    })),
    ...pipeline,
    frames: completed.frames,
    nonFiniteFrames: completed.nonFiniteFrames,
    framesMadeInThisRun: completed.frames - work.restored,
    resumes: work.journal.resumes,
    notes: [...prepared.notes, ...work.hardware.notes, ...completed.notes],
    concealed: work.concealed,
    warnings: [...work.warnings, ...completed.warnings],
  };
}
