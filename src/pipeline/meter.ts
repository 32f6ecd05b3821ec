import { type Activity, UNWATCHED, type UnderWay } from '../watchdog/activity.js';

/** The pipeline's stages, in the order in which a frame passes them. */
export const STAGES = ['decode', 'scatter', 'infer', 'gather', 'encode'] as const;
export type Stage = (typeof STAGES)[number];

/** Seconds that each stage of this rank spent at work or waiting for its own device, pipe or peers. */
export type StageSeconds = Readonly<Record<Stage, number>>;

/** What one rank did: frames inferred, and its time by stage. */
export interface RankWork {
  readonly frames: number;
  readonly seconds: StageSeconds;
}

/** Adds up where one rank's time goes. Waiting for a neighbouring stage is not counted: that is what the limit shows. */
export class StageMeter {
  readonly #seconds: Record<Stage, number> = { decode: 0, scatter: 0, infer: 0, gather: 0, encode: 0 };
  /** For each stage that is at work: on how much at once, and up to when its time is booked. */
  readonly #atWork = new Map<Stage, { count: number; booked: number }>();
  #frames = 0;
  #runs = 0;
  readonly #activity: Activity;

  constructor(activity: Activity = UNWATCHED) {
    this.#activity = activity;
  }

  /**
   * Waits for `work` and books the time to `stage`; once, where it overlaps other work of that stage. `frames`: the first and
   * the last that it is about, from 1.
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

  /** Books `frames` that this rank has inferred in one run. */
  addRun(frames: number): void {
    this.#frames += frames;
    this.#runs += 1;
  }

  /** Runs so far, and the seconds that they took. */
  inference(): { readonly runs: number; readonly seconds: number } {
    return { runs: this.#runs, seconds: this.#seconds.infer };
  }

  read(): RankWork {
    return { frames: this.#frames, seconds: { ...this.#seconds } };
  }
}
