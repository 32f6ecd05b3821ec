import { printableJson } from '../report/printable.js';
import type { Folder } from '../storage/folder.js';
import { isPlainObject } from '../system/plain-object.js';
import type { Claims } from './claim.js';
import type { Video } from './videos.js';

/**
 * `full`: the day's limit is reached; `still full`: this video was told so today. `busy`: another watcher is
 * counting, so try again soon.
 */
export type Admission = 'admitted' | 'full' | 'still full' | 'busy';

/** A limit on the number of new videos per day, for all watchers that share a state folder. */
export interface DayLimit {
  readonly most: number;
  /** Counts a video, once. */
  admit(video: Video): Promise<Admission>;
}

/** The claim that a watcher holds while it counts. */
const CLAIM = 'day-limit';
const FILE = 'day-limit.json';

/** Opens the limit of `most` videos per day; `today` returns the date. */
export function dayLimit(
  state: Folder,
  claims: Claims,
  most: number,
  today: () => string = () => new Date().toISOString().slice(0, 10),
): DayLimit {
  let turn: Promise<unknown> = Promise.resolve();
  let full: { readonly day: string; readonly told: Set<string> } | undefined;

  function refuse(day: string, key: string): Admission {
    if (full?.day !== day) full = { day, told: new Set() };
    const admission = full.told.has(key) ? 'still full' : 'full';
    full.told.add(key);
    return admission;
  }

  async function count({ key }: Video): Promise<Admission> {
    if (full?.day === today() && full.told.has(key)) return 'still full';
    const claim = await claims.claim(CLAIM);
    if (typeof claim === 'string') return 'busy';
    try {
      const day = today();
      const keys = keysOf(await state.readText(FILE), day);
      if (keys.includes(key)) return 'admitted';
      if (keys.length >= most) return refuse(day, key);
      if (!(await claim.held())) return 'busy';
      await state.writeText(FILE, `${printableJson({ day, videos: [...keys, key] }, 2)}\n`);
      return 'admitted';
    } finally {
      await claim.release(false);
    }
  }

  return {
    most,
    admit(video) {
      const mine = turn.then(() => count(video));
      turn = mine.catch(() => {});
      return mine;
    },
  };
}

/** Returns the videos that were counted on `day`. Of a damaged file none: it only limits. */
function keysOf(text: string | undefined, day: string): readonly string[] {
  try {
    const found: unknown = JSON.parse(text ?? '');
    if (isPlainObject(found) && found.day === day && Array.isArray(found.videos))
      return found.videos.map(String);
  } catch {} // a person may have edited it
  return [];
}
