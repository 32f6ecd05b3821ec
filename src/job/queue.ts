import { JobError, messageOf, OutputExists } from '../errors.js';
import { sayFailure } from '../report/failure.js';
import { countStates, type QueuedVideo, queueReport, type VideoOutcome } from '../report/queue-report.js';
import { type RunFacts, writeReport } from '../report/run-report.js';
import { displayText, parseLocation } from '../storage/location.js';
import { onRoot, RootFailed } from './collective.js';
import type { RunContext } from './context.js';
import { openDestination } from './destination.js';
import { runJob } from './job.js';
import type { JobOptions, QueueOptions } from './options.js';
import { planQueue } from './queue-plan.js';
import { openQueueRecord } from './queue-record.js';

/** How a video's job ended. */
type Ending = { readonly facts: RunFacts } | { readonly error: unknown };

/** The root's side of a queue. */
interface Queue {
  /** The next job whose output is not there yet; undefined at the end. JobError `stopped` after a signal. */
  next(): Promise<JobOptions | undefined>;
  /** Takes down how the job that `next` gave last has ended; throws what ends the queue as well. */
  settle(ending: Ending): Promise<void>;
  /** Says what became of all videos. JobError `videos` where any failed. */
  conclude(): Promise<void>;
}

interface Entry {
  readonly job: JobOptions;
  outcome: VideoOutcome;
}

/** Names in one message. */
const MOST_NAMES = 10;

/**
 * Runs a job for each video, one after another, on every rank. A video that fails does not keep the others from being
 * done; a signal, a dead rank or failing inference ends the queue, and the same command goes on with it.
 */
export async function runQueue(context: RunContext, options: QueueOptions): Promise<void> {
  const { world } = context;
  const queue = await onRoot(world, () => openQueue(context, options));
  for (;;) {
    const job = await onRoot(world, async () => queue?.next());
    const goesOn = await world.broadcastValue(job !== undefined);
    if (!goesOn) break;
    const ending = await attempt(context, job);
    await onRoot(world, async () => ending && queue?.settle(ending));
  }
  await onRoot(world, async () => queue?.conclude());
}

/** Runs a job; nothing on ranks other than the root. Only what all ranks know of is an ending. */
async function attempt(context: RunContext, job: JobOptions | undefined): Promise<Ending | undefined> {
  try {
    const facts = await runJob(context, job);
    return facts && { facts };
  } catch (error) {
    if (!(error instanceof RootFailed)) throw error;
    return context.world.isRoot ? { error: error.cause } : undefined;
  }
}

async function openQueue(context: RunContext, options: QueueOptions): Promise<Queue> {
  const { log, stop, version } = context;
  const jobs = await planQueue(options, stop.aborted);
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

  await save();
  return {
    async next() {
      for (const entry of entries.slice(begun)) {
        if (stop.signal() !== undefined) {
          sayCounts();
          throw stoppedBy(stop.signal(), 'between two videos');
        }
        begun += 1;
        try {
          if (!(await isThere(entry.job))) {
            entry.outcome = { state: 'running' };
            say(entry);
            return entry.job;
          }
          entry.outcome = { state: 'skipped' };
          say(entry, `: skipped, ${displayText(entry.job.output)} is there already`);
        } catch (error) {
          entry.outcome = { state: 'failed', error };
          say(entry);
          sayFailure(log, error);
        }
      }
      await save();
      return undefined;
    },

    async settle(ending) {
      const entry = entries[begun - 1];
      if (entry === undefined) throw new JobError('internal', 'no video of the queue is being done');
      if ('facts' in ending) {
        entry.outcome = { state: 'done', facts: ending.facts };
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
