import { JobError, messageOf } from '../../system/errors.js';
import { redact } from '../../system/secret.js';
import { type RunFacts, runReport } from './run-report.js';

/** The outcome of a video of a queue. `skipped`: its output existed already. */
export type VideoOutcome =
  | { readonly state: 'waiting' | 'running' | 'skipped' | 'stopped' }
  | { readonly state: 'done'; readonly facts: RunFacts }
  | { readonly state: 'failed'; readonly error: unknown };

/** A video of a queue, as a report shows it. */
export interface QueuedVideo {
  readonly input: string;
  readonly output: string;
  readonly outcome: VideoOutcome;
}

/** The report of a queue, as JSON. */
export type QueueReport = ReturnType<typeof queueReport>;

/** Returns the report of a queue: an entry for each video, with the report of its run if it is done. */
export function queueReport(version: string, videos: readonly QueuedVideo[]) {
  return {
    report: 1,
    version,
    counts: countStates(videos),
    videos: videos.map(({ input, output, outcome }) => ({ input, output, ...entryOf(outcome) })),
  };
}

/** Returns the number of videos in each state that occurs. */
export function countStates(videos: readonly QueuedVideo[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { outcome } of videos) counts[outcome.state] = (counts[outcome.state] ?? 0) + 1;
  return counts;
}

/** Most videos of a queue whose page shows a frame of them: a page has a bounded size. */
const MOST_WITH_FRAMES = 50;

/** Returns whether the page still has room for a frame of the next video. */
export function hasRoomForFrames(outcomes: readonly VideoOutcome[]): boolean {
  const made = outcomes.filter(({ state }) => state === 'done' || state === 'running');
  return made.length < MOST_WITH_FRAMES;
}

function entryOf(outcome: VideoOutcome) {
  switch (outcome.state) {
    case 'done':
      return { state: outcome.state, run: runReport(outcome.facts) };
    case 'failed': {
      const { error } = outcome;
      const code = error instanceof JobError ? error.code : 'internal';
      return { state: outcome.state, error: { code, message: redact(messageOf(error)) } };
    }
    case 'waiting':
    case 'running':
    case 'skipped':
    case 'stopped':
      return { state: outcome.state };
  }
}
