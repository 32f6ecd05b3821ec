import type { Log } from '../report/log.js';
import { messageOf } from '../system/errors.js';
import { redact } from '../system/secret.js';
import type { Metric, Sink, Span } from './sink.js';

/** Sends metrics and spans to one sink in the background. */
export interface Exporter {
  metric(metric: Metric): void;
  span(span: Span): void;
  /** Sends the collected metrics and spans, unless the last request is still under way. */
  post(): void;
  /** Sends the rest; gives up after `limitMs`. */
  close(limitMs?: number): Promise<void>;
}

/** Most metrics, and most spans, kept while a sink cannot be reached. The oldest are dropped first. */
const MOST_KEPT = 5000;
const REQUEST_MS = 10_000;
const CLOSE_MS = 2000;

/** Opens the exporter of a sink. The first failure is logged as a warning; none reaches the job. */
export function openExporter(sink: Sink, log: Log): Exporter {
  let metrics: Metric[] = [];
  let spans: Span[] = [];
  let warned = false;
  let sending: Promise<void> | undefined;
  const giveUp = new AbortController();

  async function send(): Promise<void> {
    const [some, others] = [metrics, spans];
    [metrics, spans] = [[], []];
    if (some.length + others.length === 0) return;
    try {
      await sink.send(some, others, AbortSignal.any([giveUp.signal, AbortSignal.timeout(REQUEST_MS)]));
    } catch (error) {
      metrics = [...some, ...metrics].slice(-MOST_KEPT);
      spans = [...others, ...spans].slice(-MOST_KEPT);
      warn(giveUp.signal.aborted ? 'no answer in time' : redact(messageOf(error)));
    }
  }

  function warn(reason: string): void {
    if (warned) return;
    warned = true;
    log.warn(`monitoring: cannot send to ${sink.name}: ${reason}`);
  }

  function post(): Promise<void> {
    sending ??= send().finally(() => {
      sending = undefined;
    });
    return sending;
  }

  return {
    metric: (metric) => void metrics.push(metric),
    span: (span) => void spans.push(span),
    post: () => void post(),
    async close(limitMs = CLOSE_MS) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          giveUp.abort();
          warn('no answer in time');
          resolve();
        }, limitMs);
      });
      const rest = (async () => {
        await sending;
        if (!giveUp.signal.aborted) await post();
        await sink.flush?.();
      })().catch((error) => warn(redact(messageOf(error))));
      await Promise.race([rest, late]);
      clearTimeout(timer);
    },
  };
}
