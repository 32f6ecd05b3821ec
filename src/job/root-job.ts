import type { QueueView } from '../report/queue-progress.js';
import { parseLocation } from '../storage/location/location.js';
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
import { refuseDamagedPicture } from './prepare/sequence-source.js';
import { environmentOf } from './report/environment.js';
import { type PlanFile, readPlan } from './report/planned.js';
import type { RunFacts } from './report/run-report.js';
import type { StillPlan, Stills } from './report/stills.js';
import { busyLine, summaryLines } from './report/summary.js';
import { isPage } from './report/write-report.js';
import { type PipelineOutcome, runFacts } from './run-facts.js';
import {
  type Choices,
  completeOutput,
  type FrameWork,
  openRootWork,
  pipelineEnds,
  type RootEnds,
  refuseChangedInput,
} from './split/open-work.js';
import type { PieceWork } from './split/piece-work.js';
import type { PublishedVideo } from './split/videos.js';

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
  conclude(prepared: PreparedJob, work: FrameWork | PieceWork, pipeline: PipelineOutcome): Promise<RunFacts>;
}

/** What a job shows, besides its log. */
export interface Shown {
  /** The frames in its report, if that is a page. */
  readonly stills: StillPlan | undefined;
  /** Absent if the job is not one of a queue. */
  readonly queue?: QueueView;
}

/** Creates the job of a video. The caller must run or drop it. */
export function rootJob(context: RunContext, job: JobOptions, { stills, queue }: Shown): RootJob {
  const { log, stop, version, world, machines = [] } = context;
  const dropped = new AbortController();
  const stopped = AbortSignal.any([stop.aborted, dropped.signal]);
  const storage = { log, scratch: openScratch(), stopped };
  let preparing: Promise<PreparedJob> | undefined;
  let began = performance.now();
  let plan: PlanFile | undefined;

  async function prepareAll(): Promise<PreparedJob> {
    plan = job.plan === undefined ? undefined : await readPlan(job.plan);
    return prepareJob(job, context.model, version, storage, machines);
  }

  return {
    storage,

    prepare() {
      preparing ??= prepareAll();
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
      const own = { storage, monitor, device: deviceOf(world.localRank) };
      const place = queue === undefined ? own : { ...own, queue };
      const work = await openRootWork(job, prepared, place, choices);
      for (const line of workDecisions(job, prepared, work)) log.detail(line);
      return work;
    },

    async explain(prepared, error) {
      if (error instanceof JobError && EXPLAINED.includes(error.code)) await explainInput(prepared);
      throw error;
    },

    tidyUp: (prepared) => tidyUp(job, prepared.destination.display, storage),

    endsOf: (work) => pipelineEnds(work, stop),

    async conclude(prepared, work, pipeline) {
      let ended: number | undefined;
      let shown: Stills | undefined;
      const completed = await completeOutput(job, prepared, work, log, async (video) => {
        ended = performance.now();
        if (stills !== undefined && isPage(job.report ?? '') && prepared.video?.pictures === undefined)
          shown = await stillsOf(job.output, prepared, video, storage, stills);
      });
      const wallSeconds = ((ended ?? performance.now()) - began) / 1000;
      const facts = runFacts(context, job, prepared, work, { ...pipeline, completed, wallSeconds, plan });
      for (const warning of facts.warnings) log.warn(warning);
      for (const line of summaryLines(facts)) log.info(line);
      log.detail(busyLine(facts));
      const besides = [
        ...(prepared.video?.further ?? []).map(({ destination }) => destination.display),
        ...(prepared.table?.files ?? []).flatMap(({ beside }) => beside?.display ?? []),
      ];
      const rows = completed.rows.length === 0 ? '' : `, ${completed.rows.join(' and ')} rows`;
      log.info(`wrote ${[prepared.destination.display, ...besides].join(' and ')}${rows}`);
      if (job.report === undefined) return facts;
      const environment = await environmentOf(world.library, machines);
      return { ...facts, environment, stills: shown };
    },
  };
}

/** Throws what is wrong with the input, if anything is. */
async function explainInput(prepared: PreparedJob): Promise<void> {
  await refuseChangedInput(prepared);
  await refuseDamagedPicture(prepared.input);
}

/** Takes small frames of the source and the published output: of a blob, of the file that was uploaded. */
async function stillsOf(
  place: string,
  { source }: PreparedJob,
  { file, pts, shift }: PublishedVideo,
  { scratch, stopped }: StorageContext,
  plan: StillPlan,
): Promise<Stills> {
  const output = parseLocation(place);
  const path = output.kind === 'file' ? output.path : file;
  const { takeStills } = await import('./report/stills.js');
  return takeStills({ source, output: path, pts, shift, folder: scratch.folder, signal: stopped }, plan);
}
