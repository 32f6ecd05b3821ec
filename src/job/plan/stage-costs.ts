/** What measured work says of a stage that has a machine for itself. Pure, but for the clock. */
import { type ProcessorTime, processorTime } from '../../system/processor-time.js';
import type { StageCost } from './predict.js';

/** Some work, and the time that it took. */
export interface Spent {
  readonly frames: number;
  readonly seconds: number;
  readonly coreSeconds: number;
  /** The part of the time, above 0, at most 1, that its threads had a core when they wanted one. */
  readonly available: number;
}

/** An encoder's work on the first frame alone, on all frames, and on as many as tell its speed. */
export interface Encoded {
  readonly first: EncodedFrames;
  readonly all: EncodedFrames;
  readonly timed: EncodedFrames;
}

export interface EncodedFrames extends Spent {
  readonly bytes: number;
}

/** The shortest time that is told from none. */
const INSTANT = 1e-4;
/** The least part of the time in which a thread can have had a core. */
const LEAST_AVAILABLE = 0.01;

/** Returns the time since `began`, of `performance.now()`, and since a reading of the processor time. */
export function timeSince(began: number, before: ProcessorTime): Omit<Spent, 'frames'> {
  const now = processorTime();
  return { ...timeBetween(before, now), seconds: (performance.now() - began) / 1000 };
}

/** Returns what happened between two readings of the processor time. */
export function timeBetween(
  before: ProcessorTime,
  now: ProcessorTime,
): Pick<Spent, 'coreSeconds' | 'available'> {
  const [ran, waited] = [now.ran - before.ran, now.waited - before.waited];
  const available = ran > 0 && waited > 0 ? ran / (ran + waited) : 1;
  return {
    coreSeconds: Math.max(0, now.used - before.used),
    available: Math.max(LEAST_AVAILABLE, available),
  };
}

/**
 * Returns the cost of a stage that has `cores` cores for itself. The time that its threads waited for a core
 * is taken off; but no stage is faster than all cores together.
 */
export function costOf(spent: readonly Spent[], cores: number): StageCost {
  const frames = Math.max(
    1,
    sum(spent, (one) => one.frames),
  );
  const coreSeconds = sum(spent, (one) => one.coreSeconds) / frames;
  const seconds = sum(spent, (one) => one.seconds * one.available);
  return capped(frames / Math.max(INSTANT, seconds), coreSeconds, cores);
}

/** Returns the cost of encoding a frame, in segments of so many frames: each starts an encoder. */
export function encoderCost(encoded: readonly Encoded[], segmentFrames: number, cores: number): StageCost {
  const perFrame = (value: (spent: Spent) => number): number => {
    const [first, further] = firstAndFurther(
      encoded.map(({ first, timed }) => ({ first, all: timed })),
      value,
    );
    return (first + further * (segmentFrames - 1)) / segmentFrames;
  };
  const seconds = perFrame((one) => one.seconds * one.available);
  const coreSeconds = perFrame((one) => one.coreSeconds);
  return capped(1 / Math.max(INSTANT / 100, seconds), coreSeconds, cores);
}

/** Returns what the first frame of a segment takes of something, on average, and each further one. */
export function firstAndFurther(
  encoded: readonly Pick<Encoded, 'first' | 'all'>[],
  value: (spent: EncodedFrames) => number,
): readonly [number, number] {
  const first = sum(encoded, (one) => value(one.first)) / Math.max(1, encoded.length);
  const further = sum(encoded, (one) => value(one.all) - value(one.first));
  const frames = sum(encoded, ({ all }) => all.frames - 1);
  return [first, frames > 0 ? Math.max(0, further / frames) : first];
}

function capped(framesPerSecond: number, coreSeconds: number, cores: number): StageCost {
  const most = coreSeconds > 0 ? cores / coreSeconds : Number.POSITIVE_INFINITY;
  return { framesPerSecond: Math.min(framesPerSecond, most), coreSeconds };
}

function sum<T>(list: readonly T[], value: (one: T) => number): number {
  return list.reduce((total, one) => total + value(one), 0);
}
