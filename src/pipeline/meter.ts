import { type Activity, UNWATCHED, type UnderWay } from '../watchdog/activity.js';
import { type SpanLog, type StageSpans, spanLog } from './spans.js';
import type { Stage } from './stages.js';
import { type RankTimeline, type TimeBins, timeBins } from './time-bins.js';

/** Seconds that each stage of this rank worked or waited for its own device, pipe or peers. */
export type StageSeconds = Readonly<Record<Stage, number>>;

/** The work of one rank: frames inferred, seconds by stage, and when its stages worked. */
export interface RankWork {
  readonly frames: number;
  readonly seconds: StageSeconds;
  readonly timeline: RankTimeline;
  /** Undefined unless a trace is made. */
  readonly spans?: StageSpans;
}

/**
 * Adds up one rank's time by stage. Waiting for a neighbouring stage does not count, so the busiest stage is
 * the limit.
 */
export class StageMeter {
  readonly #seconds: Record<Stage, number> = { decode: 0, scatter: 0, infer: 0, gather: 0, encode: 0 };
  /**
   * For each working stage: how many works overlap, and the time (performance.now) up to which its seconds
   * are booked, and up to which they are in the spans.
   */
  readonly #atWork = new Map<Stage, { count: number; booked: number; unlogged: number }>();
  #frames = 0;
  #runs = 0;
  readonly #activity: Activity;
  readonly #bins: TimeBins = timeBins();
  readonly #spans: SpanLog | undefined;

  /** `keepsSpans`: for a trace. */
  constructor(activity: Activity = UNWATCHED, keepsSpans = false) {
    this.#activity = activity;
    this.#spans = keepsSpans ? spanLog() : undefined;
  }

  /**
   * Waits for `work` and books the time to `stage`; time that overlaps other work of the stage counts once.
   * `frames` are the first and the last frame of the work, from 1.
   */
  async time<T>(stage: Stage, work: Promise<T>, frames?: UnderWay['frames']): Promise<T> {
    const begin = performance.now();
    const mine = this.#atWork.get(stage) ?? { count: 0, booked: begin, unlogged: begin };
    this.#atWork.set(stage, mine);
    mine.count += 1;
    try {
      return await this.#activity.during(stage, work, frames);
    } finally {
      const now = performance.now();
      this.#book(stage, mine.booked, now);
      this.#spans?.add(stage, mine.unlogged, now);
      mine.booked = now;
      mine.unlogged = now;
      mine.count -= 1;
      if (mine.count === 0) this.#atWork.delete(stage);
    }
  }

  /**
   * Books a wait for work, which began at a time of `performance.now()` and ends now. A rank that is handed
   * its work has it in place of scattering. `within`: the stage that would count the wait as its own.
   */
  waited(since: number, within?: Stage): void {
    const now = performance.now();
    this.#book('scatter', since, now);
    this.#spans?.add('scatter', since, now);
    if (within === undefined) return;
    this.#book(within, since, now, -1);
    const around = this.#atWork.get(within);
    if (around === undefined) return;
    this.#spans?.add(within, around.unlogged, since);
    around.unlogged = now;
  }

  /** Counts a frame that left the pipeline. */
  addFinished(): void {
    this.#bins.addFrame();
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
    const spans = this.#spans?.read();
    return {
      ...{ frames: this.#frames, seconds: { ...this.#seconds }, timeline: this.#bins.read() },
      ...(spans === undefined ? {} : { spans }),
    };
  }

  #book(stage: Stage, from: number, to: number, sign: 1 | -1 = 1): void {
    this.#seconds[stage] += (sign * (to - from)) / 1000;
    this.#bins.add(stage, from, to, sign);
  }
}
