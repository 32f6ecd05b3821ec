import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../system/errors.js';
import type { Offer, Taken } from './source.js';
import { take, type Watcher } from './take.js';
import type { Video } from './videos.js';

export interface WatchTimes {
  /** Between two looks at the place. */
  readonly pollMs: number;
  /** Videos worked on at once. */
  readonly jobs: number;
  /** End when what is there is settled, or other watchers' work. */
  readonly once: boolean;
}

/** Settled videos whose records are read again at each look: a record may have been removed, to have it tried anew. */
const RECORDS_PER_LOOK = 10;
/** Exit code of a watcher that leaves work behind which the next one goes on with. */
const UNFINISHED = 75;

/**
 * Watches until `signal` is aborted, or with `once` until nothing is left to do. Gives the exit code: 0; 75 where work is
 * left unfinished because of the signal; 1 where `once` set a video aside. With `once`, a place that cannot be listed and
 * jobs that cannot be started are errors; else they are said, and tried again.
 */
export async function watch(watcher: Watcher, times: WatchTimes, signal: AbortSignal): Promise<number> {
  const { source, log } = watcher;
  const { jobs, once } = times;
  const active = new Map<string, Promise<void>>();
  /** By key, the one whose record was read longest ago first. */
  let settled = new Set<string>();
  let results: Taken[] = [];
  let failed = false;
  let unfinished = false;
  let trouble: unknown;

  async function attempt(video: Video, doing: () => Promise<Taken>): Promise<Taken> {
    try {
      return await doing();
    } catch (error) {
      if (!signal.aborted) log.warn(`${video.name}: ${messageOf(error)}`);
      trouble ??= error;
      return 'again';
    }
  }

  async function work({ video, answer }: Extract<Offer, { kind: 'video' }>): Promise<void> {
    const taken = await attempt(video, () => take(watcher, video));
    settled.delete(video.key);
    if (taken === 'done' || taken === 'failed' || taken === 'settled') settled.add(video.key);
    failed ||= taken === 'failed';
    unfinished ||= taken === 'unfinished';
    const told = await attempt(video, async () => {
      await answer?.(taken);
      return taken;
    });
    results.push(told);
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
      // Only then is the next one asked for: what this watcher has no room for is for others.
      while (active.size >= jobs) await Promise.race(active.values());
      if (signal.aborted || (once && trouble !== undefined)) return;
    }
    // What is no longer there is forgotten, or the set would grow for ever.
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
      if (trouble !== undefined) throw trouble;
      const left = results.some((taken) => taken === 'again' || taken === 'unsure');
      if (!left && source.unready() === 0) break;
    }
    await sleep(times.pollMs, undefined, { signal }).catch(() => {});
  }
  await Promise.all(active.values());
  if (unfinished) return UNFINISHED;
  return once && failed ? 1 : 0;
}
