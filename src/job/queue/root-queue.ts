import { sayFailure } from '../../report/failure.js';
import type { Log } from '../../report/log.js';
import { queueProgress } from '../../report/queue-progress.js';
import { displayText, lastName, parseLocation } from '../../storage/location/location.js';
import { JobError, messageOf, OutputExists } from '../../system/errors.js';
import type { RunContext } from '../context/context.js';
import type { JobOptions, QueueOptions } from '../context/options.js';
import { openDestination } from '../output/destination.js';
import { publishedIdentity } from '../output/publication.js';
import { refuseSharedFiles } from '../prepare/files-apart.js';
import { modelFor, openTablesBeside, outputKind } from '../prepare/outputs.js';
import {
  countStates,
  hasRoomForFrames,
  type QueuedVideo,
  queueReport,
  type VideoOutcome,
} from '../report/queue-report.js';
import type { RunFacts } from '../report/run-report.js';
import { QUEUE_STILLS } from '../report/stills.js';
import { writeReport } from '../report/write-report.js';
import { type RootJob, rootJob, type Shown } from '../root-job.js';
import { measureQueue } from './queue-lengths.js';
import { planQueue } from './queue-plan.js';
import { openQueueRecord, type QueueRecord } from './queue-record.js';

/** The end of a video's job. `published`: an earlier run had published its output. */
export type JobEnding = { readonly facts: RunFacts } | { readonly error: unknown } | 'published';

/** The root's side of a queue. Disposing of it drops a prepared job that will not run. */
export interface Queue extends AsyncDisposable {
  /**
   * Returns the next job whose output does not exist yet; undefined at the end.
   *
   * @throws {JobError} stopped: after a signal.
   */
  next(): Promise<QueueTurn | undefined>;
  /** Records how the last job of `next` ended. Throws the error if it ends the queue too. */
  settle(ending: JobEnding): Promise<void>;
  /**
   * Logs the result for all videos.
   *
   * @throws {JobError} videos: when any failed.
   */
  conclude(): Promise<void>;
}

/** A job whose turn has come. */
export interface QueueTurn {
  readonly job: RootJob;
  /** Called when its frames run: then the root has time to prepare the next job. */
  readonly underWay: () => void;
}

interface Entry {
  readonly job: JobOptions;
  outcome: VideoOutcome;
}

/** The result of a look ahead in the queue. */
interface Forecast {
  /** The videos that need no job, and why. */
  readonly passed: readonly { readonly entry: Entry; readonly outcome: VideoOutcome }[];
  /** The first video that needs one. */
  readonly next: { readonly entry: Entry; readonly job: RootJob } | undefined;
}

/** Most names in one message. */
const MOST_NAMES = 10;

/** Opens a queue: plans its jobs, and checks what all of them depend on. */
export async function openQueue(context: RunContext, options: QueueOptions): Promise<Queue> {
  const { log, stop, version } = context;
  const jobs = await planQueue(options, stop.aborted, {
    unlisted: (path, error) => log.warn(`${JSON.stringify(path)} is skipped: ${messageOf(error)}`),
    former: (input, output) =>
      log.warn(
        `${displayText(output)} is taken as the output of ${displayText(input)}, as an earlier version named it; ` +
          'if it is not, move it and run this again',
      ),
  });
  await refuseSharedFiles(jobs, options.list);
  const record = await openQueueRecord(options);
  const [first] = jobs;
  // What a model lacks would fail every video.
  const model = await context.model();
  if (first !== undefined) {
    const kind = outputKind(lastName(parseLocation(first.output)), options.format);
    modelFor(model, kind, await openTablesBeside(first, { log, stopped: stop.aborted }));
  }
  const entries: readonly Entry[] = jobs.map((job) => ({ job, outcome: { state: 'waiting' } }));
  const progress = queueProgress(jobs.length);
  let started = 0;
  let forecast: Promise<Forecast> | undefined;
  let measuring: Promise<void> | undefined;
  const ended = new AbortController();

  async function save(): Promise<void> {
    if (options.report === undefined) return;
    const json = queueReport(version, videosOf(entries));
    const stills = entries.map(({ outcome }) =>
      outcome.state === 'done' ? outcome.facts.stills : undefined,
    );
    const page = async () => (await import('../report/page/queue-page.js')).queuePage(json, stills);
    await writeReport(options.report, { json, page });
  }

  /** Takes the next entry, with what became of it. */
  function start({ entry, outcome }: Forecast['passed'][number]): void {
    started += 1;
    entry.outcome = outcome;
    if (outcome.state !== 'running') progress.settled(started - 1);
    const video = displayText(entry.job.input);
    const more =
      outcome.state === 'skipped' ? `: skipped, ${displayText(entry.job.output)} exists already` : '';
    log.info(`video ${started} of ${entries.length}: ${video}${more}`, {
      event: 'video',
      video,
      state: outcome.state,
    });
    if (outcome.state === 'failed') sayFailure(log, outcome.error);
  }

  const ahead = (): Promise<Forecast> =>
    lookAhead(context, record, entries.slice(started), (entry) => ({
      stills: hasRoomForFrames(entries.map(({ outcome }) => outcome)) ? QUEUE_STILLS : undefined,
      queue: progress.view(entries.indexOf(entry)),
    }));

  /** Looks how long the other videos are, once the next one is prepared: that comes first. */
  async function measure(prepared: Promise<unknown>): Promise<void> {
    await prepared.catch(() => {});
    const signal = AbortSignal.any([stop.aborted, ended.signal]);
    if (log.progress !== 'none') await measureQueue(jobs, progress, signal);
  }

  await save();
  return {
    async next() {
      const { passed, next } = await (forecast ?? ahead());
      forecast = undefined;
      for (const one of passed) start(one);
      if (stop.reason() !== undefined && started < entries.length) {
        await next?.job.drop();
        logCounts(log, entries);
        throw stoppedBy(stop.reason(), 'between two videos');
      }
      if (next === undefined) {
        await save();
        return undefined;
      }
      start({ entry: next.entry, outcome: { state: 'running' } });
      return {
        job: next.job,
        underWay: () => {
          forecast ??= ahead();
          measuring ??= measure(forecast);
        },
      };
    },

    async settle(ending) {
      const entry = entries[started - 1];
      if (entry === undefined) throw new JobError('internal', 'the queue has no job to settle');
      progress.settled(started - 1);
      if (ending === 'published' || 'facts' in ending) {
        entry.outcome =
          ending === 'published' ? { state: 'skipped' } : { state: 'done', facts: ending.facts };
        await record.add(entry.job);
        await save();
        return;
      }
      const { error } = ending;
      const stopped = stop.reason() !== undefined;
      const continues = !stopped && !isCode(error, 'provider'); // every other video would fail by that too
      entry.outcome = stopped ? { state: 'stopped' } : { state: 'failed', error };
      if (continues) sayFailure(log, error);
      await save();
      if (continues) return;
      logCounts(log, entries);
      // A signal may reach ffmpeg first; that its process died is no failure of the video.
      throw !stopped || isCode(error, 'stopped') ? error : stoppedBy(stop.reason(), messageOf(error));
    },

    async conclude() {
      logCounts(log, entries);
      const failed = videosOf(entries).filter(({ outcome }) => outcome.state === 'failed');
      if (failed.length > 0) throw someFailed(failed, entries.length);
      await record.remove();
    },

    async [Symbol.asyncDispose]() {
      ended.abort();
      await measuring;
      await (await forecast)?.next?.job.drop();
    },
  };
}

/** Finds the next video that needs a job, and starts to prepare it. Logs nothing and records nothing. */
async function lookAhead(
  context: RunContext,
  record: QueueRecord,
  entries: readonly Entry[],
  shownOf: (entry: Entry) => Shown,
): Promise<Forecast> {
  const passed: { entry: Entry; outcome: VideoOutcome }[] = [];
  for (const entry of entries) {
    if (context.stop.reason() !== undefined) break;
    try {
      if (!(await isDone(context, record, entry.job))) {
        const job = rootJob(context, entry.job, shownOf(entry));
        job.prepare().catch(() => {}); // tried again, and thrown, when its turn comes
        return { passed, next: { entry, job } };
      }
      passed.push({ entry, outcome: { state: 'skipped' } });
    } catch (error) {
      passed.push({ entry, outcome: { state: 'failed', error } });
    }
  }
  return { passed, next: undefined };
}

/** Returns whether a job's output exists and no work of an earlier run is left to remove. */
async function isDone({ log, stop }: RunContext, record: QueueRecord, job: JobOptions): Promise<boolean> {
  if (await record.has(job)) return true;
  const destination = await openDestination(parseLocation(job.output), { log, stopped: stop.aborted });
  try {
    // A run that was killed right after it published its output has left its work, which only a job removes.
    if ((await publishedIdentity(job, destination)) !== undefined) return false;
    await destination.check(parseLocation(job.input), job.overwrite);
    return false;
  } catch (error) {
    if (!(error instanceof OutputExists)) throw error;
    if (job.table === undefined) return true;
    const table = await openDestination(parseLocation(job.table), { log, stopped: stop.aborted });
    if ((await table.stamp()) !== null) return true;
    throw new JobError('output', `${destination.display} exists without its table, ${table.display}`, {
      hint: '--overwrite makes both',
    });
  }
}

function videosOf(entries: readonly Entry[]): readonly QueuedVideo[] {
  return entries.map(({ job, outcome }) => ({
    input: displayText(job.input),
    output: displayText(job.output),
    outcome,
  }));
}

function logCounts(log: Log, entries: readonly Entry[]): void {
  const counts = Object.entries(countStates(videosOf(entries))).map(([state, count]) => `${count} ${state}`);
  log.info(`${entries.length} video${entries.length === 1 ? '' : 's'}: ${counts.join(', ')}`);
}

function isCode(error: unknown, code: JobError['code']): boolean {
  return error instanceof JobError && error.code === code;
}

function stoppedBy(reason: string | undefined, where: string): JobError {
  return new JobError('stopped', `stopped by ${reason}: ${where}`, { hint: 'the same command resumes' });
}

function someFailed(failed: readonly QueuedVideo[], all: number): JobError {
  const names = failed.slice(0, MOST_NAMES).map(({ input }) => input);
  const more = failed.length > MOST_NAMES ? `, and ${failed.length - MOST_NAMES} more` : '';
  return new JobError('videos', `${failed.length} of ${all} videos failed: ${names.join(', ')}${more}`, {
    hint: 'the log above has each error; the same command tries these videos again and skips the finished ones',
  });
}
