import { printableJson } from '../report/printable.js';
import type { Folder } from '../storage/folder.js';
import { messageOf } from '../system/errors.js';
import { isPlainObject } from '../system/plain-object.js';
import type { Video } from './videos.js';

const STATES = ['running', 'waiting', 'done', 'failed'] as const;

/**
 * The state of a video.
 *
 * - `running`: a watcher has started it. If that watcher dies, another one resumes.
 * - `waiting`: to be tried again.
 * - `done`, `failed`: settled. Remove the record to process the video again.
 */
export type VideoState = (typeof STATES)[number];

/** The record of a video: one JSON file each, readable by people. */
export interface VideoRecord {
  readonly video: string;
  readonly version: string;
  readonly bytes: number;
  readonly state: VideoState;
  readonly output: string;
  /** The number of failed runs. */
  readonly failures: number;
  /** The number of interrupted runs: the watcher or the machine died, or someone stopped them. */
  readonly interruptions: number;
  /** The number of runs that found another job working on the output. */
  readonly collisions: number;
  /** The reason of the last failure. */
  readonly reason: string | null;
  readonly firstTaken: string;
  readonly updated: string;
  readonly watcher: string;
  /** Identifies the run: a process, a Slurm job or an Azure ML job. */
  readonly job: string | null;
  /** The stamp of the output when work began. A different one means that this video's output is there. */
  readonly outputBefore: string | null;
}

export interface Records {
  /** Returns undefined if no watcher has taken the video yet. */
  read(video: Video): Promise<VideoRecord | undefined>;
  write(video: Video, record: VideoRecord): Promise<void>;
}

const SLUG_CHARACTERS = 60;

/** Opens the records in `state`. The name of each file begins like the video's. */
export function openRecords(state: Folder): Records {
  return {
    async read(video) {
      const text = await state.readText(recordName(video));
      if (text === undefined) return undefined;
      try {
        return parseRecord(text);
      } catch (error) {
        throw new Error(`${state.address(recordName(video))} cannot be read: ${messageOf(error)}`);
      }
    },
    write: (video, record) => state.writeText(recordName(video), `${printableJson(record, 2)}\n`),
  };
}

/** Parses a record. Throws if it is not one; a person may have edited it. Counters that are missing are 0. */
function parseRecord(text: string): VideoRecord {
  const value: unknown = JSON.parse(text);
  if (!isPlainObject(value)) throw new Error('it is not a JSON object');
  const state = STATES.find((one) => one === value.state);
  if (state === undefined) throw new Error(`its state is not one of ${STATES.join(', ')}`);
  const string = (key: string): string => {
    const field = value[key];
    if (field !== undefined && typeof field !== 'string') throw new Error(`its ${key} is not a string`);
    return field ?? '';
  };
  const optional = (key: string): string | null => ((value[key] ?? null) === null ? null : string(key));
  const count = (key: string): number => {
    const field = value[key] ?? 0;
    if (typeof field !== 'number' || field < 0) throw new Error(`its ${key} is not a number`);
    return field;
  };
  return {
    video: string('video'),
    version: string('version'),
    bytes: count('bytes'),
    state,
    output: string('output'),
    failures: count('failures'),
    interruptions: count('interruptions'),
    collisions: count('collisions'),
    reason: optional('reason'),
    firstTaken: string('firstTaken'),
    updated: string('updated'),
    watcher: string('watcher'),
    job: optional('job'),
    outputBefore: optional('outputBefore'),
  };
}

/** Returns the file name of a video's record in the state folder. */
export function recordName(video: Video): string {
  const slug = video.name.replace(/[^A-Za-z0-9.-]+/g, '_').slice(-SLUG_CHARACTERS);
  return `${slug}-${video.key.slice(0, 12)}.json`;
}

export function isSettled(record: VideoRecord | undefined): boolean {
  return record?.state === 'done' || record?.state === 'failed';
}
