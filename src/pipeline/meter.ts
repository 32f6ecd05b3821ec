import { type Activity, UNWATCHED, type UnderWay } from '../watchdog/activity.js';

/** The pipeline's stages, in the order in which a frame passes them. */
export const STAGES = ['decode', 'scatter', 'infer', 'gather', 'encode'] as const;
export type Stage = (typeof STAGES)[number];

/** Seconds that each stage of this rank worked or waited for its own device, pipe or peers. */
export type StageSeconds = Readonly<Record<Stage, number>>;

/** The work of one rank: frames inferred, and seconds by stage. */
export interface RankWork {
  readonly frames: number;
  readonly seconds: StageSeconds;
}

/**
 * Adds up one rank's time by stage. Waiting for a neighbouring stage does not count, so the busiest stage is
 * the limit.
 */
export class StageMeter {
  readonly #seconds: Record<Stage, number> = { decode: 0, scatter: 0, infer: 0, gather: 0, encode: 0 };
  /**
   * For each working stage: how many works overlap, and the time (performance.now) up to which its seconds
   * are booked.
   */
  readonly #atWork = new Map<Stage, { count: number; booked: number }>();
  #frames = 0;
  #runs = 0;
  readonly #activity: Activity;

  constructor(activity: Activity = UNWATCHED) {
    this.#activity = activity;
  }

  /**
   * Waits for `work` and books the time to `stage`; time that overlaps other work of the stage counts once.
   * `frames` are the first and the last frame of the work, from 1.
   */
  async time<T>(stage: Stage, work: Promise<T>, frames?: UnderWay['frames']): Promise<T> {
    const mine = this.#atWork.get(stage) ?? { count: 0, booked: performance.now() };
    this.#atWork.set(stage, mine);
    mine.count += 1;
    try {
      return await this.#activity.during(stage, work, frames);
    } finally {
      const now = performance.now();
      this.#seconds[stage] += (now - mine.booked) / 1000;
      mine.booked = now;
      mine.count -= 1;
      if (mine.count === 0) this.#atWork.delete(stage);
    }
  }

  /** Counts one run and its `frames`. */
  addRun(frames: number): void {
    this.#frames += frames;
    this.#runs += 1;
  }

  /** Returns the number of runs so far, and their seconds. */
  inference(): { readonly runs: number; readonly seconds: number } {
    return { runs: this.#runs, seconds: this.#seconds.infer };
  }

  read(): RankWork {
    return { frames: this.#frames, seconds: { ...this.#seconds } };
  }
}
