import { randomBytes } from 'node:crypto';
import type { RankReport } from '../job/report/summary.js';
import { STAGES, type StageSeconds } from '../pipeline/meter.js';
import type { Log } from '../report/log.js';
import { JobError } from '../system/errors.js';
import { type Courier, openCourier } from './exporter.js';
import { PROGRESS_METRICS } from './progress-metrics.js';
import type { Metric, Sink, Span } from './sink.js';

/** Told by the root how a job goes. Nothing here throws, or waits for a network but `close`, and that not for long. */
export interface Monitor {
  /** The pipeline is about to begin: frames of the video, where it tells, and those that earlier runs did. */
  begin(total: number | undefined, restored: number): void;
  /** One more frame is encoded. */
  frame(): void;
  /** A segment is recorded; `began` in milliseconds since 1970. */
  segment(index: number, frames: number, began: number): void;
  /** Does a part of the job, and tells how long it took. */
  phase<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** The pipeline is at its end: what each rank did, and seconds of each stage. */
  ranks(ranks: readonly RankReport[], seconds: StageSeconds): void;
  /** The job has ended, with `error` where it failed. */
  close(error?: unknown): Promise<void>;
}

/** A monitor that tells nobody. */
export const NO_MONITOR: Monitor = {
  begin: () => {},
  frame: () => {},
  segment: () => {},
  phase: (_name, work) => work(),
  ranks: () => {},
  close: async () => {},
};

const INTERVAL_MS = 5000;

/** A monitor that tells `sinks`, every few seconds and at the end. */
export function createMonitor(
  sinks: readonly Sink[],
  log: Log,
  times: { readonly intervalMs?: number; readonly closeMs?: number } = {},
): Monitor {
  if (sinks.length === 0) return NO_MONITOR;
  const couriers: readonly Courier[] = sinks.map((sink) => openCourier(sink, log));
  const trace = randomBytes(16).toString('hex');
  const job = randomBytes(8).toString('hex');
  const began = Date.now();
  let [frames, restored, pipelineBegan] = [0, 0, began];
  let counted = performance.now();
  let total: number | undefined;
  let closing: Promise<void> | undefined;

  function measure(name: string, value: number, labels: Metric['labels'] = {}): void {
    const metric = { name, value, labels, at: Date.now(), step: frames };
    for (const courier of couriers) courier.metric(metric);
  }

  function span(name: string, from: number, attributes: Span['attributes'], failed = false): void {
    const ids = { trace, parent: job, id: randomBytes(8).toString('hex') };
    for (const courier of couriers)
      courier.span({ ...ids, name, began: from, ended: Date.now(), attributes, failed });
  }

  function progress(): void {
    const seconds = (performance.now() - counted) / 1000;
    measure(PROGRESS_METRICS.framesDone, frames);
    if (total !== undefined) measure(PROGRESS_METRICS.framesTotal, total);
    if (seconds > 0) measure(PROGRESS_METRICS.framesPerSecond, (frames - restored) / seconds);
  }

  const timer = setInterval(() => {
    progress();
    for (const courier of couriers) courier.post();
  }, times.intervalMs ?? INTERVAL_MS);
  timer.unref();

  return {
    begin(all, done) {
      total = all;
      frames = done;
      restored = done;
      pipelineBegan = Date.now();
      counted = performance.now();
    },
    frame() {
      frames += 1;
    },
    segment(index, count, from) {
      span('segment', from, { 'segment.index': index, 'segment.frames': count });
    },
    async phase(name, work) {
      const from = Date.now();
      try {
        const result = await work();
        span(name, from, {});
        return result;
      } catch (error) {
        span(name, from, outcome(error), true);
        throw error;
      }
    },
    ranks(ranks, seconds) {
      for (const stage of STAGES) {
        measure('stage_seconds', seconds[stage], { stage });
        span('stage', pipelineBegan, { 'stage.name': stage, 'stage.busy_seconds': seconds[stage] });
      }
      for (const one of ranks) {
        measure('rank_frames', one.frames, { rank: one.rank });
        measure('rank_infer_seconds', one.seconds.infer, { rank: one.rank });
      }
    },
    close(error) {
      closing ??= (async () => {
        clearInterval(timer);
        progress();
        const ended = Date.now();
        const attributes = { 'job.frames': frames, 'job.frames_restored': restored, ...outcome(error) };
        const whole = { name: 'job', began, ended, attributes, failed: error !== undefined };
        for (const courier of couriers) courier.span({ ...whole, id: job, trace, parent: undefined });
        await Promise.all(couriers.map((courier) => courier.close(times.closeMs)));
      })();
      return closing;
    },
  };
}

/** Only the kind of an error: its message names files. */
function outcome(error: unknown): Span['attributes'] {
  if (error === undefined) return { outcome: 'done' };
  const code = error instanceof JobError ? error.code : 'internal';
  return { outcome: code === 'stopped' ? 'stopped' : 'failed', 'error.type': code };
}
