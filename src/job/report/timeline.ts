/** The timelines of all ranks beside each other, in bins of one length. Pure. */
import { STAGES, type Stage } from '../../pipeline/stages.js';
import { type RankTimeline, sharesIn } from '../../pipeline/time-bins.js';
import type { RankReport } from './limits.js';

/** One row: a rank, or the mean of several neighbours. */
export interface TimelineRow {
  readonly first: RankReport;
  readonly last: RankReport;
  /** Share of each bin in which a stage worked, 0 to 1. Stages that never worked are absent. */
  readonly busy: Readonly<Partial<Record<Stage, readonly number[]>>>;
}

export interface Timeline {
  readonly binSeconds: number;
  readonly bins: number;
  readonly rows: readonly TimelineRow[];
}

/** Frames that all ranks finished, by time. */
export interface Throughput {
  readonly binSeconds: number;
  readonly framesPerSecond: readonly number[];
}

/** The most rows, and the most bins of each. More ranks share rows; more bins merge. */
const MOST_ROWS = 32;
const MOST_DRAWN = 120;
/** Fewer frames than these in a bin are a matter of chance. */
const FEWEST_FRAMES = 4;
const FEWEST_BINS = 12;

/** Returns the rows of a timeline; undefined if no rank recorded its time. Rank 0 has a row of its own. */
export function timelineOf(ranks: readonly RankReport[]): Timeline | undefined {
  const recorded = ranks.filter(({ timeline }) => binsOf(timeline) > 0);
  const most = Math.max(0, ...recorded.map(({ timeline }) => secondsOf(timeline)));
  if (most === 0) return undefined;
  const longest = Math.max(...recorded.map(({ timeline }) => timeline?.binSeconds ?? 0));
  const binSeconds = longest * 2 ** Math.max(0, Math.ceil(Math.log2(most / longest / MOST_DRAWN)));
  const bins = Math.ceil(most / binSeconds - 1e-9);
  const [root, ...others] = recorded;
  const share = Math.ceil(others.length / (MOST_ROWS - 1));
  const groups = root === undefined ? [] : [[root]];
  for (let at = 0; at < others.length; at += share) groups.push(others.slice(at, at + share));
  const rows = groups.flatMap((group): readonly TimelineRow[] => {
    const [first, last] = [group[0], group.at(-1)];
    return first === undefined || last === undefined
      ? []
      : [{ first, last, busy: busyOf(group, binSeconds, bins) }];
  });
  return { binSeconds, bins, rows };
}

/** Returns the frames per second by time; undefined if no rank counted frames. */
export function throughputOf(ranks: readonly RankReport[], pipelineSeconds: number): Throughput | undefined {
  const counted = ranks.flatMap(({ timeline }) => (timeline?.frames === undefined ? [] : [timeline]));
  if (counted.length === 0) return undefined;
  let binSeconds = Math.max(...counted.map((timeline) => timeline.binSeconds));
  let counts = sumOf(counted.map(({ frames = [], binSeconds: own }) => merged(frames, binSeconds / own)));
  const all = counts.reduce((sum, count) => sum + count, 0);
  while (counts.length > MOST_DRAWN || (counts.length > FEWEST_BINS && all < FEWEST_FRAMES * counts.length)) {
    counts = merged(counts, 2);
    binSeconds *= 2;
  }
  return {
    binSeconds,
    // The last bin may be a short one: a few frames in a moment are no speed.
    framesPerSecond: counts.map((count, at) => {
      const own = Math.min(binSeconds, pipelineSeconds - at * binSeconds);
      return count / (own >= 0.5 * binSeconds ? own : binSeconds);
    }),
  };
}

function busyOf(group: readonly RankReport[], binSeconds: number, bins: number): TimelineRow['busy'] {
  return Object.fromEntries(
    STAGES.flatMap((stage) => {
      const parts = group.flatMap(({ timeline }) => {
        const text = timeline?.busy[stage];
        if (timeline === undefined || text === undefined) return [];
        const factor = binSeconds / timeline.binSeconds;
        return [merged(sharesIn(text), factor).map((sum) => sum / factor)];
      });
      if (parts.length === 0) return [];
      const sums = sumOf(parts);
      return [[stage, Array.from({ length: bins }, (_, at) => (sums[at] ?? 0) / group.length)]];
    }),
  );
}

/** Returns the sums of every `factor` neighbours. */
function merged(values: readonly number[], factor: number): readonly number[] {
  return Array.from({ length: Math.ceil(values.length / factor) }, (_, at) =>
    values.slice(at * factor, (at + 1) * factor).reduce((sum, value) => sum + value, 0),
  );
}

function sumOf(lists: readonly (readonly number[])[]): readonly number[] {
  const length = Math.max(...lists.map((list) => list.length));
  return Array.from({ length }, (_, at) => lists.reduce((sum, list) => sum + (list[at] ?? 0), 0));
}

function binsOf(timeline: RankTimeline | undefined): number {
  return Math.max(0, ...Object.values(timeline?.busy ?? {}).map((text) => text.length));
}

function secondsOf(timeline: RankTimeline | undefined): number {
  return binsOf(timeline) * (timeline?.binSeconds ?? 0);
}
