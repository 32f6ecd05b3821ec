import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../system/errors.js';
import type { Offer, TakeResult } from './source.js';
import { take, type Watcher } from './take.js';
import type { Video } from './videos.js';

export interface WatchTimes {
  /** The interval between two looks at the location. */
  readonly pollMs: number;
  /** The number of concurrent jobs. */
  readonly jobs: number;
  /** Ends when all videos are settled or held by other watchers. */
  readonly once: boolean;
}

/**
 * The number of settled videos per look whose records are read again: a removed record means to process it
 * again.
 */
const RECORDS_PER_LOOK = 10;
/** The exit code of a watcher that leaves work for the next one to resume. */
const UNFINISHED = 75;

/**
 * Watches until `signal` is aborted, or with `once` until there is nothing left to do. Returns the exit code:
 * 0; 75 if the signal left work unfinished; 1 if `once` set a video aside. With `once` it throws if the
 * location cannot be listed or jobs cannot be started. Otherwise it logs such errors and tries again.
 */
export async function watch(watcher: Watcher, times: WatchTimes, signal: AbortSignal): Promise<number> {
  const { source, log } = watcher;
  const { jobs, once } = times;
  const active = new Map<string, Promise<void>>();
  /** Keys, the one whose record was read longest ago first. */
  let settled = new Set<string>();
  let results: TakeResult[] = [];
  let failed = false;
  let unfinished = false;
  let firstError: unknown;

  async function attempt(video: Video, action: () => Promise<TakeResult>): Promise<TakeResult> {
    try {
      return await action();
    } catch (error) {
      if (!signal.aborted) log.warn(`${video.name}: ${messageOf(error)}`);
      firstError ??= error;
      return 'again';
    }
  }

  async function work({ video, answer }: Extract<Offer, { kind: 'video' }>): Promise<void> {
    const result = await attempt(video, () => take(watcher, video));
    settled.delete(video.key);
    if (result === 'done' || result === 'failed' || result === 'settled') settled.add(video.key);
    failed ||= result === 'failed';
    unfinished ||= result === 'unfinished';
    const answered = await attempt(video, async () => {
      await answer?.(result);
      return result;
    });
    results.push(answered);
    active.delete(video.key);
  }

  async function round(): Promise<void> {
    const seen = new Set<string>();
    const due = new Set([...settled].slice(0, RECORDS_PER_LOOK));
    for await (const offer of source.look()) {
      if (offer.kind === 'set aside') {
        failed = true;
        continue;
      }
      const { key } = offer.video;
      seen.add(key);
      if (signal.aborted) await offer.answer?.('unfinished');
      else if (settled.has(key) && !due.delete(key)) await offer.answer?.('settled');
      else if (active.has(key)) await offer.answer?.('taken');
      else active.set(key, work(offer));
      // Leaves videos beyond its capacity to other watchers, by not asking for them.
      while (active.size >= jobs) await Promise.race(active.values());
      if (signal.aborted || (once && firstError !== undefined)) return;
    }
    // Forgets videos that no longer exist, or the set would grow forever.
    settled = new Set([...settled].filter((key) => seen.has(key)));
  }

  log.info(`watching ${source.display}`);
  while (!signal.aborted) {
    results = [];
    try {
      await round();
    } catch (error) {
      if (signal.aborted) break;
      if (once) throw error;
      log.warn(messageOf(error));
    }
    if (once) {
      await Promise.all(active.values());
      if (firstError !== undefined) throw firstError;
      const left = results.some((result) => result === 'again' || result === 'unsure');
      if (!left && source.unready() === 0) break;
    }
    await sleep(times.pollMs, undefined, { signal }).catch(() => {});
  }
  await Promise.all(active.values());
  if (unfinished) return UNFINISHED;
  return once && failed ? 1 : 0;
}
