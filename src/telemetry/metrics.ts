import { randomBytes } from 'node:crypto';
import type { RankReport } from '../job/report/limits.js';
import type { StageSeconds } from '../pipeline/meter.js';
import { STAGES } from '../pipeline/stages.js';
import type { Log } from '../report/log.js';
import { JobError } from '../system/errors.js';
import { type Exporter, openExporter } from './exporter.js';
import { PROGRESS_METRICS } from './progress-metrics.js';
import type { Metric, Sink, Span } from './sink.js';

/**
 * Reports the progress of a job, on the root. No method throws; only `close` waits for the network, for a
 * short time.
 */
export interface Monitor {
  /** Reports the start of the pipeline: frames of the video, if known, and frames that earlier runs did. */
  begin(total: number | undefined, restored: number): void;
  /** Counts one more encoded frame. */
  frame(): void;
  /** Reports a recorded segment; `began` in milliseconds since 1970. */
  segment(index: number, frames: number, began: number): void;
  /** Runs a part of the job and reports its duration. What `work` throws is thrown. */
  phase<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Reports the end of the pipeline: the work of each rank, and seconds of each stage. */
  ranks(ranks: readonly RankReport[], seconds: StageSeconds): void;
  /** Reports the end of the job, with `error` if it failed. */
  close(error?: unknown): Promise<void>;
}

/** A monitor that reports nothing. */
export const NO_MONITOR: Monitor = {
  begin: () => {},
  frame: () => {},
  segment: () => {},
  phase: (_name, work) => work(),
  ranks: () => {},
  close: async () => {},
};

const INTERVAL_MS = 5000;

/** Creates a monitor that sends to `sinks` every few seconds and at the end. */
export function createMonitor(
  sinks: readonly Sink[],
  log: Log,
  times: { readonly intervalMs?: number; readonly closeMs?: number } = {},
): Monitor {
  if (sinks.length === 0) return NO_MONITOR;
  const exporters: readonly Exporter[] = sinks.map((sink) => openExporter(sink, log));
  const trace = randomBytes(16).toString('hex');
  const job = randomBytes(8).toString('hex');
  const began = Date.now();
  let [frames, restored, pipelineBegan] = [0, 0, began];
  let counted = performance.now();
  let total: number | undefined;
  let closing: Promise<void> | undefined;

  function measure(name: string, value: number, labels: Metric['labels'] = {}): void {
    const metric = { name, value, labels, at: Date.now(), step: frames };
    for (const exporter of exporters) exporter.metric(metric);
  }

  function span(name: string, from: number, attributes: Span['attributes'], failed = false): void {
    const ids = { trace, parent: job, id: randomBytes(8).toString('hex') };
    for (const exporter of exporters)
      exporter.span({ ...ids, name, began: from, ended: Date.now(), attributes, failed });
  }

  function progress(): void {
    const seconds = (performance.now() - counted) / 1000;
    measure(PROGRESS_METRICS.framesDone, frames);
    if (total !== undefined) measure(PROGRESS_METRICS.framesTotal, total);
    if (seconds > 0) measure(PROGRESS_METRICS.framesPerSecond, (frames - restored) / seconds);
  }

  const timer = setInterval(() => {
    progress();
    for (const exporter of exporters) exporter.post();
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
        for (const exporter of exporters) exporter.span({ ...whole, id: job, trace, parent: undefined });
        await Promise.all(exporters.map((exporter) => exporter.close(times.closeMs)));
      })();
      return closing;
    },
  };
}

/** Returns the kind of an error, without its message, which may name files. */
function outcome(error: unknown): Span['attributes'] {
  if (error === undefined) return { outcome: 'done' };
  const code = error instanceof JobError ? error.code : 'internal';
  return { outcome: code === 'stopped' ? 'stopped' : 'failed', 'error.type': code };
}
