import { STAGES, type Stage } from './stages.js';

/** The most bins of a rank. When they are full, neighbours merge and bins become twice as long. */
export const MOST_BINS = 240;

/** Milliseconds of a bin at first: a power of two of these fits any job. */
const FIRST_BIN_MS = 100;

/** The highest value of one character in base 36. */
const FULL = 35;

/** When one rank's stages worked, since its pipeline began. All ranks begin together. */
export interface RankTimeline {
  /** Seconds of a bin: 0.1, doubled as often as needed. */
  readonly binSeconds: number;
  /**
   * For each stage that worked, one character per bin: the share of the bin in which it did, from 0 (none) to
   * z (all), in base 36.
   */
  readonly busy: Readonly<Partial<Record<Stage, string>>>;
  /** Frames that this rank finished in each bin; absent if there are none. */
  readonly frames?: readonly number[];
}

/** Adds up the time of stages, and frames, by bins. Its memory does not grow with the time. */
export interface TimeBins {
  /** Adds the time between two times of `performance.now()` to a stage; a `sign` of -1 takes it away. */
  add(stage: Stage, from: number, to: number, sign?: 1 | -1): void;
  /** Counts a frame that is finished now. */
  addFrame(): void;
  read(): RankTimeline;
}

/** Creates empty bins that begin now. */
export function timeBins(): TimeBins {
  const began = performance.now();
  const busy = new Map<Stage, Float64Array>();
  const frames = new Float64Array(MOST_BINS);
  let binMs = FIRST_BIN_MS;
  let used = 0;

  /** Makes room for a time, and returns its bin. */
  function binOf(time: number): number {
    while (time >= MOST_BINS * binMs) {
      for (const bins of [...busy.values(), frames]) mergeNeighbours(bins);
      binMs *= 2;
      used = Math.ceil(used / 2);
    }
    const bin = Math.floor(Math.max(0, time) / binMs);
    used = Math.max(used, bin + 1);
    return bin;
  }

  return {
    add(stage, from, to, sign = 1) {
      const [start, end] = [from - began, to - began];
      // Time that ends with a bin needs no other.
      const last = binOf(Math.max(start, end - 1e-6));
      let bins = busy.get(stage);
      if (bins === undefined) {
        bins = new Float64Array(MOST_BINS);
        busy.set(stage, bins);
      }
      for (let bin = binOf(start); bin <= last; bin += 1) {
        const part = Math.min(end, (bin + 1) * binMs) - Math.max(start, bin * binMs);
        bins[bin] = (bins[bin] ?? 0) + sign * part;
      }
    },

    addFrame() {
      const bin = binOf(performance.now() - began);
      frames[bin] = (frames[bin] ?? 0) + 1;
    },

    read() {
      const counts = [...frames.subarray(0, used)];
      return {
        binSeconds: binMs / 1000,
        busy: Object.fromEntries(
          STAGES.flatMap((stage) => {
            const bins = busy.get(stage);
            return bins === undefined ? [] : [[stage, shares(bins.subarray(0, used), binMs)]];
          }),
        ),
        ...(counts.some((count) => count > 0) ? { frames: counts } : {}),
      };
    },
  };
}

/** Returns the shares, from 0 to 1, that a string of `RankTimeline` holds. */
export function sharesIn(text: string): readonly number[] {
  return [...text].map((digit) => Math.max(0, Number.parseInt(digit, FULL + 1)) / FULL);
}

function shares(bins: Float64Array, binMs: number): string {
  const digit = (ms: number): string =>
    Math.round(FULL * Math.min(1, Math.max(0, ms / binMs))).toString(FULL + 1);
  return [...bins].map(digit).join('');
}

function mergeNeighbours(bins: Float64Array): void {
  for (let bin = 0; bin < MOST_BINS; bin += 1)
    bins[bin] = 2 * bin < MOST_BINS ? (bins[2 * bin] ?? 0) + (bins[2 * bin + 1] ?? 0) : 0;
}
