import { printableJson } from '../report/printable.js';
import type { Place } from '../storage/place.js';
import { messageOf } from '../system/errors.js';
import type { Video } from './videos.js';

/**
 * - `running`: a watcher has started it. If that watcher is dead, the next one goes on from there.
 * - `waiting`: to be tried again.
 * - `done`, `failed`: settled. Removing the record has the video tried anew.
 */
export type VideoState = 'running' | 'waiting' | 'done' | 'failed';

/** What is known of a video: one JSON file each, for a person to read. */
export interface VideoRecord {
  readonly video: string;
  readonly version: string;
  readonly bytes: number;
  readonly state: VideoState;
  readonly output: string;
  /** Runs that ended in failure. */
  readonly failures: number;
  /** Runs that were cut off: their watcher or their machine died, or somebody stopped them. */
  readonly interruptions: number;
  /** Runs that found another job at work on the output. */
  readonly collisions: number;
  /** Why it failed last. */
  readonly reason: string | null;
  readonly firstTaken: string;
  readonly updated: string;
  readonly watcher: string;
  /** How the run can be found again: a process, a Slurm job, an Azure ML job. */
  readonly job: string | null;
  /** What stood at the output when work began: anything else there is this video's output. */
  readonly outputBefore: string | null;
}

export interface Records {
  /** Undefined where the video was never taken. */
  read(video: Video): Promise<VideoRecord | undefined>;
  write(video: Video, record: VideoRecord): Promise<void>;
}

const SLUG_CHARACTERS = 60;

/** Records in `state`, each in a file whose name begins like the video's. */
export function openRecords(state: Place): Records {
  return {
    async read(video) {
      const text = await state.readText(recordName(video));
      if (text === undefined) return undefined;
      try {
        return JSON.parse(text) as VideoRecord;
      } catch (error) {
        throw new Error(`${state.address(recordName(video))} cannot be read: ${messageOf(error)}`);
      }
    },
    write: (video, record) => state.writeText(recordName(video), `${printableJson(record, 2)}\n`),
  };
}

/** Name of a video's record in the state folder. */
export function recordName(video: Video): string {
  const slug = video.name.replace(/[^A-Za-z0-9.-]+/g, '_').slice(-SLUG_CHARACTERS);
  return `${slug}-${video.key.slice(0, 12)}.json`;
}

export function isSettled(record: VideoRecord | undefined): boolean {
  return record?.state === 'done' || record?.state === 'failed';
}
