/** The state of all videos of a watcher, for people and programs that ask for it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Folder } from '../storage/folder.js';
import { displayText } from '../storage/location/location.js';
import { messageOf } from '../system/errors.js';
import { inParallel } from '../system/parallel.js';
import { redact } from '../system/secret.js';
import { isSettled, type Records, type VideoRecord, type VideoState } from './records.js';
import type { ReportPages } from './report-pages.js';
import type { Source } from './source.js';
import type { Video } from './videos.js';

/** A video, as the status shows it. What no watcher has set yet is null. */
export interface StatusVideo {
  readonly video: string;
  readonly bytes: number;
  readonly output: string | null;
  readonly failures: number;
  readonly interruptions: number;
  /** Of the last failure. */
  readonly reason: string | null;
  readonly firstTaken: string | null;
  readonly updated: string | null;
  readonly watcher: string | null;
  /** Address of its page on this server. */
  readonly report: string | null;
}

/** The answer of /status.json. Lists are bounded; the counts are of all. */
export interface Status {
  readonly status: 1;
  readonly version: string;
  readonly watching: string;
  readonly output: string;
  readonly watcher: string;
  /** ISO 8601, in UTC: when this watcher began, and when it looked last. */
  readonly started: string;
  readonly updated: string;
  /** Why the place or a record could not be read. */
  readonly problem: string | null;
  readonly counts: Readonly<Record<VideoState, number>>;
  readonly running: readonly StatusVideo[];
  /** The first ones. */
  readonly waiting: readonly StatusVideo[];
  /** The newest first. */
  readonly failed: readonly StatusVideo[];
  readonly done: readonly StatusVideo[];
}

export interface StatusBoard {
  /** The records, for the watcher: the board notes what it reads and writes. */
  readonly records: Records;
  read(): Promise<Status>;
  /** Returns the page of the video with this key, of those that `read` shows. */
  report(key: string): Promise<Buffer | undefined>;
}

export interface BoardParts {
  readonly source: Source;
  readonly outputs: Folder;
  readonly records: Records;
  readonly reports?: ReportPages;
  /** The place of the outputs, for people. */
  readonly output: string;
  readonly version: string;
  readonly watcher: string;
  /** Returns the least time until the place is listed again, which happens only when someone asks. */
  readonly pauseMs: (lookedMs: number) => number;
}

/** A video and its record; undefined if no watcher has taken it. */
interface Known {
  readonly video: Video;
  readonly record: VideoRecord | undefined;
}

const MOST_WAITING = 200;
const MOST_RUNNING = 1000;
const MOST_SETTLED = 200;
/** Above this many records, those of videos that are settled and not shown are reduced to their state. */
const MOST_RECORDS = 2000;
const MOST_CHARACTERS = 2000;
const READS_AT_ONCE = 8;
/** An answer waits so long for a look at the place; a longer one goes on, and shows in the next answer. */
const PATIENCE_MS = 3000;

/** Creates the board of a watcher. It reads only when asked; `problem` says what it could not read. */
export function statusBoard(parts: BoardParts): StatusBoard {
  const { source, records, pauseMs } = parts;
  const started = new Date().toISOString();
  let updated = started;
  const known = new Map<string, { readonly video: Video; readonly record: VideoRecord }>();
  const settled = new Map<string, VideoState>();
  let listed: readonly Video[] | undefined;
  let problem: string | null = null;
  let due = 0;
  let looking: Promise<void> | undefined;

  function note(video: Video, record: VideoRecord | undefined): void {
    known.delete(video.key);
    settled.delete(video.key);
    if (record !== undefined) known.set(video.key, { video, record });
    if (known.size > MOST_RECORDS) forget();
  }

  function forget(): void {
    for (const state of ['done', 'failed'] as const) {
      for (const { video } of newest([...known.values()], state).slice(MOST_SETTLED)) {
        known.delete(video.key);
        settled.set(video.key, state);
      }
    }
  }

  const isKnownSettled = ({ key }: Video): boolean => settled.has(key) || isSettled(known.get(key)?.record);

  async function look(): Promise<void> {
    const began = performance.now();
    problem = null;
    let found = listed;
    try {
      found = await source.list?.();
    } catch (error) {
      problem = messageOf(error);
    }
    const keys = new Set(found?.map(({ key }) => key));
    const elsewhere = [...known.values()].filter(({ video }) => !keys.has(video.key));
    const open = [...(found ?? []), ...elsewhere.map(({ video }) => video)].filter(
      (video) => !isKnownSettled(video),
    );
    await inParallel(open, READS_AT_ONCE, async (video) => {
      try {
        note(video, await records.read(video));
      } catch (error) {
        problem = messageOf(error);
      }
    });
    listed = found; // not before: what was done long ago would seem to wait
    updated = new Date().toISOString();
    due = performance.now() + pauseMs(performance.now() - began);
  }

  async function shown({ video, record }: Known): Promise<StatusVideo> {
    const name = record && parts.outputs.nameOf(record.output);
    const hasPage = name !== undefined && isSettled(record) && (await parts.reports?.has(name)) === true;
    return {
      video: clean(video.name),
      bytes: video.bytes,
      output: record === undefined ? null : clean(displayText(record.output)),
      failures: record?.failures ?? 0,
      interruptions: record?.interruptions ?? 0,
      reason: record?.reason == null ? null : clean(record.reason),
      firstTaken: record === undefined ? null : clean(record.firstTaken),
      updated: record === undefined ? null : clean(record.updated),
      watcher: record === undefined ? null : clean(record.watcher),
      report: hasPage ? `/reports/${video.key}` : null,
    };
  }

  async function snapshot(): Promise<Status> {
    const all = [...known.values()];
    const running = all.filter(({ record }) => record.state === 'running');
    // A video that waits to be tried again, and is no longer there, has no turn.
    const waiting: readonly Known[] =
      listed === undefined
        ? all.filter(({ record }) => record.state === 'waiting')
        : listed
            .map((video) => ({ video, record: known.get(video.key)?.record }))
            .filter(
              ({ video, record }) => !settled.has(video.key) && (record?.state ?? 'waiting') === 'waiting',
            );
    const [done, failed] = [newest(all, 'done'), newest(all, 'failed')];
    const forgotten = (state: VideoState): number =>
      [...settled.values()].filter((one) => one === state).length;
    const list = (videos: readonly Known[], most: number): Promise<readonly StatusVideo[]> =>
      Promise.all(videos.slice(0, most).map(shown));
    return {
      status: 1,
      version: parts.version,
      watching: clean(source.display),
      output: clean(displayText(parts.output)),
      watcher: clean(parts.watcher),
      ...{ started, updated },
      problem: problem === null ? null : clean(problem),
      counts: {
        running: running.length,
        waiting: waiting.length,
        failed: failed.length + forgotten('failed'),
        done: done.length + forgotten('done'),
      },
      running: await list(running, MOST_RUNNING),
      waiting: await list(waiting, MOST_WAITING),
      failed: await list(failed, MOST_SETTLED),
      done: await list(done, MOST_SETTLED),
    };
  }

  return {
    records: {
      async read(video) {
        const record = await records.read(video);
        note(video, record);
        return record;
      },
      async write(video, record) {
        await records.write(video, record);
        note(video, record);
      },
    },
    async read() {
      if (performance.now() >= due)
        looking ??= look().finally(() => {
          looking = undefined;
        });
      if (looking !== undefined) await Promise.race([looking, sleep(PATIENCE_MS, undefined, { ref: false })]);
      return snapshot();
    },
    async report(key) {
      const record = known.get(key)?.record;
      const name = record && parts.outputs.nameOf(record.output);
      return name === undefined ? undefined : parts.reports?.read(name);
    },
  };
}

function newest<T extends { readonly record: VideoRecord }>(
  all: readonly T[],
  state: VideoState,
): readonly T[] {
  return all
    .filter(({ record }) => record.state === state)
    .sort((a, b) => (a.record.updated < b.record.updated ? 1 : -1));
}

/** Returns text of others without secrets, and bounded. */
function clean(text: string): string {
  const whole = redact(text);
  return whole.length <= MOST_CHARACTERS ? whole : `${whole.slice(0, MOST_CHARACTERS)}...`;
}
