import { STAGES, type Stage } from './stages.js';

/** The most spans of a stage that a rank keeps. When they are full, neighbours merge. */
export const MOST_SPANS = 1000;

/** Gaps of so many microseconds are bridged first; then twice as long ones, as often as needed. */
const FIRST_GAP = 1000;

/**
 * A stretch of time in which a stage worked, in microseconds since the pipeline began: when it began and
 * ended, and for how long the stage worked in it. All whole numbers.
 */
export type Span = readonly [from: number, to: number, busy: number];

/** The spans of a rank's stages, in order. Stages that never worked are absent. */
export type StageSpans = Readonly<Partial<Record<Stage, readonly Span[]>>>;

/** Keeps when stages worked. Its memory does not grow with the time. */
export interface SpanLog {
  /** Adds the time between two times of `performance.now()`: after those of the stage before it. */
  add(stage: Stage, from: number, to: number): void;
  read(): StageSpans;
}

/** Creates a log that begins now. */
export function spanLog(): SpanLog {
  const began = performance.now();
  const kept = new Map<Stage, Span[]>();
  const microseconds = (time: number): number => Math.max(0, Math.round(1000 * (time - began)));
  return {
    add(stage, from, to) {
      const [start, end] = [microseconds(from), microseconds(to)];
      if (end <= start) return;
      const spans = kept.get(stage) ?? [];
      spans.push([start, end, end - start]);
      kept.set(stage, spans.length > MOST_SPANS ? halved(spans) : spans);
    },
    read: () =>
      Object.fromEntries(STAGES.flatMap((stage) => (kept.has(stage) ? [[stage, kept.get(stage)]] : []))),
  };
}

/** Bridges gaps, the shortest first, until at most half of the spans are left. */
function halved(spans: readonly Span[]): Span[] {
  for (let gap = FIRST_GAP; ; gap *= 2) {
    const merged: Span[] = [];
    for (const [from, to, busy] of spans) {
      const last = merged.at(-1);
      if (last === undefined || from - last[1] > gap) merged.push([from, to, busy]);
      else merged[merged.length - 1] = [last[0], to, last[2] + busy];
    }
    if (2 * merged.length <= MOST_SPANS) return merged;
  }
}
