import { sayFailure } from '../../report/failure.js';
import { displayText, parseLocation } from '../../storage/location/location.js';
import { JobError, messageOf, OutputExists } from '../../system/errors.js';
import type { RunContext } from '../context/context.js';
import type { JobOptions, QueueOptions } from '../context/options.js';
import { openDestination } from '../output/destination.js';
import { publishedIdentity } from '../output/publication.js';
import { refuseSharedFiles } from '../prepare/files-apart.js';
import { countStates, type QueuedVideo, queueReport, type VideoOutcome } from '../report/queue-report.js';
import { type RunFacts, writeReport } from '../report/run-report.js';
import { type RootJob, rootJob } from '../root-job.js';
import { planQueue } from './queue-plan.js';
import { openQueueRecord } from './queue-record.js';

/** How a video's job ended. `published`: an earlier run had put its output in place. */
export type JobEnding = { readonly facts: RunFacts } | { readonly error: unknown } | 'published';

/** The root's side of a queue. */
export interface Queue {
  /** The next job whose output is not there yet; undefined at the end. JobError `stopped` after a signal. */
  next(): Promise<QueueTurn | undefined>;
  /** Takes down how the job that `next` gave last has ended; throws what ends the queue as well. */
  settle(ending: JobEnding): Promise<void>;
  /** Says what became of all videos. JobError `videos` where any failed. */
  conclude(): Promise<void>;
  /** Drops what was made ready and is not wanted any more. */
  close(): Promise<void>;
}

/** A job whose turn it is. */
export interface QueueTurn {
  readonly job: RootJob;
  /** Told when its frames run: the root has time for the next one. */
  readonly underWay: () => void;
}

interface Entry {
  readonly job: JobOptions;
  outcome: VideoOutcome;
}

/** A look at the videos that are to come. */
interface Forecast {
  /** Those that need no job, and why. */
  readonly passed: readonly { readonly entry: Entry; readonly outcome: VideoOutcome }[];
  /** The first that does. */
  readonly next: { readonly entry: Entry; readonly job: RootJob } | undefined;
}

/** Names in one message. */
const MOST_NAMES = 10;

export async function openQueue(context: RunContext, options: QueueOptions): Promise<Queue> {
  const { log, stop, version } = context;
  const jobs = await planQueue(options, stop.aborted, (path, error) =>
    log.warn(`${JSON.stringify(path)} is left out: ${messageOf(error)}`),
  );
  await refuseSharedFiles(jobs, options.list);
  const record = await openQueueRecord(options);
  await context.model(); // a model that is not there would fail every video
  const entries: Entry[] = jobs.map((job) => ({ job, outcome: { state: 'waiting' } }));
  let begun = 0;

  const videos = (): readonly QueuedVideo[] =>
    entries.map(({ job, outcome }) => ({
      input: displayText(job.input),
      output: displayText(job.output),
      outcome,
    }));

  async function save(): Promise<void> {
    if (options.report !== undefined) await writeReport(options.report, queueReport(version, videos()));
  }

  async function isThere(job: JobOptions): Promise<boolean> {
    if (await record.has(job)) return true;
    const destination = await openDestination(parseLocation(job.output), { log, stopped: stop.aborted });
    try {
      // A run that was killed when its output was in place has left its work: it takes a job to remove it.
      if ((await publishedIdentity(job, destination)) !== undefined) return false;
      await destination.check(parseLocation(job.input), job.overwrite);
      return false;
    } catch (error) {
      if (error instanceof OutputExists) return true;
      throw error;
    }
  }

  function say({ job, outcome }: Entry, more = ''): void {
    const video = displayText(job.input);
    log.info(`video ${begun} of ${entries.length}: ${video}${more}`, {
      event: 'video',
      video,
      state: outcome.state,
    });
  }

  function sayCounts(): void {
    const counts = Object.entries(countStates(videos())).map(([state, count]) => `${count} ${state}`);
    log.info(`${entries.length} video${entries.length === 1 ? '' : 's'}: ${counts.join(', ')}`);
  }

  /** Finds the next video to do, and begins to prepare it. Nothing is said or taken down yet. */
  async function lookAhead(): Promise<Forecast> {
    const passed: { entry: Entry; outcome: VideoOutcome }[] = [];
    for (const entry of entries.slice(begun)) {
      if (stop.signal() !== undefined) break;
      try {
        if (!(await isThere(entry.job))) {
          const job = rootJob(context, entry.job);
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

  let forecast: Promise<Forecast> | undefined;

  await save();
  return {
    async next() {
      const { passed, next } = await (forecast ?? lookAhead());
      forecast = undefined;
      for (const { entry, outcome } of passed) {
        begun += 1;
        entry.outcome = outcome;
        if (outcome.state === 'skipped') {
          say(entry, `: skipped, ${displayText(entry.job.output)} is there already`);
        } else say(entry);
        if (outcome.state === 'failed') sayFailure(log, outcome.error);
      }
      if (stop.signal() !== undefined && begun < entries.length) {
        await next?.job.drop();
        sayCounts();
        throw stoppedBy(stop.signal(), 'between two videos');
      }
      if (next === undefined) {
        await save();
        return undefined;
      }
      begun += 1;
      next.entry.outcome = { state: 'running' };
      say(next.entry);
      return {
        job: next.job,
        underWay: () => {
          forecast ??= lookAhead();
        },
      };
    },

    async settle(ending) {
      const entry = entries[begun - 1];
      if (entry === undefined) throw new JobError('internal', 'no video of the queue is being done');
      if (ending === 'published' || 'facts' in ending) {
        entry.outcome =
          ending === 'published' ? { state: 'skipped' } : { state: 'done', facts: ending.facts };
        await record.add(entry.job);
        await save();
        return;
      }
      const { error } = ending;
      const stopped = stop.signal() !== undefined;
      const goesOn = !stopped && !isCode(error, 'provider'); // which every other video would meet too
      entry.outcome = stopped ? { state: 'stopped' } : { state: 'failed', error };
      if (goesOn) sayFailure(log, error);
      await save();
      if (goesOn) return;
      sayCounts();
      // A signal may reach ffmpeg first, whose death is no failure of the video.
      throw !stopped || isCode(error, 'stopped') ? error : stoppedBy(stop.signal(), messageOf(error));
    },

    async conclude() {
      sayCounts();
      const failed = videos().filter(({ outcome }) => outcome.state === 'failed');
      if (failed.length > 0) throw someFailed(failed, entries.length);
      await record.remove();
    },

    async close() {
      await (await forecast)?.next?.job.drop();
    },
  };
}

function isCode(error: unknown, code: JobError['code']): boolean {
  return error instanceof JobError && error.code === code;
}

function stoppedBy(signal: NodeJS.Signals | undefined, where: string): JobError {
  return new JobError('stopped', `stopped by ${signal}: ${where}`, { hint: 'the same command goes on' });
}

function someFailed(failed: readonly QueuedVideo[], all: number): JobError {
  const names = failed.slice(0, MOST_NAMES).map(({ input }) => input);
  const more = failed.length > MOST_NAMES ? `, and ${failed.length - MOST_NAMES} more` : '';
  return new JobError('videos', `${failed.length} of ${all} videos failed: ${names.join(', ')}${more}`, {
    hint: 'each failure is said above; the same command tries these again, and leaves out what is done',
  });
}
